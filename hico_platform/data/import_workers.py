"""Reads the chunks of an import in worker processes, and gives them back in order."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from hico_platform.data.import_chunk import Outcome, write_chunk
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.plausibility import measure
from hico_platform.data.readers import Item, Source
from hico_platform.data.sequence import Sequence
from hico_platform.data.store_writer import check_sequence
from hico_platform.errors import DataError, HicoError, Problem, reason
from hico_platform.interruptions import SIGNALS


@dataclass(frozen=True, kw_only=True)
class How:
    """What the workers of an import have to know; small, because it is sent to each of them."""

    source: Source
    method: Normalisation
    measured: bool
    """Whether bodies are measured, to find a wrong layout or unit."""


def finished_chunks(
    how: How, chunks: list[list[Item]], paths: list[Path], written: list[bool], workers: int
) -> Iterator[int]:
    """Indices of chunks in order, each once its file is written; at most two chunks a worker are in progress."""
    if workers <= 1:
        for i, chunk in enumerate(chunks):
            if not written[i]:
                write_chunk(paths[i], _outcomes(how, chunk))
            yield i
        return
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(how, stop)) as pool:
        waiting: deque[tuple[int, Future[None] | None]] = deque()
        upcoming = iter(range(len(chunks)))
        try:
            while True:
                for i in islice(upcoming, max(0, 2 * workers + 1 - len(waiting))):
                    waiting.append((i, None if written[i] else pool.submit(_work, paths[i], chunks[i])))
                if not waiting:
                    return
                i, future = waiting.popleft()
                if future is not None:
                    future.result()
                yield i
        except BrokenProcessPool:
            raise HicoError(
                Problem(rule="every worker process alive until the import ends",
                        value="one that was killed, perhaps for want of memory",
                        remedy="run the same command again, which goes on where it stopped, or use fewer --workers")
            ) from None  # fmt: skip
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


_how: How | None = None
_stop: Event | None = None


def _start(how: How, stop: Event) -> None:
    """Initialises a worker process: keeps what is read and how, so that it is sent once, and exits with the driver."""
    global _how, _stop
    _how, _stop = how, stop
    for number in SIGNALS:  # signals go to the whole process group; only the driver handles them
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _work(path: Path, items: list[Item]) -> None:
    if _how is None:
        raise RuntimeError("the worker was not started with a source")
    write_chunk(path, _outcomes(_how, items))


def _outcomes(how: How, items: list[Item]) -> Iterator[Outcome]:
    for item in items:
        if _stop is not None and _stop.is_set():
            # The driver then does not wait for the rest of the chunk.
            raise HicoError(Problem(rule="an import that goes on", value="a stop", remedy="run the same command again"))
        try:
            for found in how.source.read(item):
                ready = _ready(how, item, found)
                bodies = measure(found.pose, how.source.layout) if how.measured and isinstance(found, Sequence) else {}
                yield Outcome(file=str(item.file), line=item.line, found=ready, bodies=bodies)
        except DataError as error:
            for problem in error.problems:
                yield Outcome(file=str(item.file), line=item.line, found=problem)
        except OSError as error:
            problem = Problem(
                file=item.file, line=item.line, rule="a file that this user may read", value=reason(error),
                remedy="check the file and its rights",
            )  # fmt: skip
            yield Outcome(file=str(item.file), line=item.line, found=problem)


def _ready(how: How, item: Item, found: Sequence | Problem) -> Sequence | Problem:
    """A recording normalised for the store, or the problem that excludes it."""
    if isinstance(found, Problem):
        return found
    source = how.source
    if source.normalised:
        sequence = replace(found, pose=np.nan_to_num(found.pose))
    else:
        done = normalise(found.pose, source.layout, method=how.method)
        sequence = replace(found, pose=done.pose, remarks=Counter(found.remarks) + Counter(done.remarks))
    try:
        check_sequence(
            sequence,
            num_joints=len(source.layout.joints),
            coordinates=source.coordinates,
            num_classes=len(source.class_names),
        )
    except DataError as error:
        problem = error.problems[0]
        return Problem(
            file=item.file,
            line=item.line,
            field=problem.field,
            rule=problem.rule,
            value=problem.value,
            remedy=problem.remedy,
        )
    return sequence
