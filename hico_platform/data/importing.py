"""Imports raw files into a store: in parallel, resumable, with bounded memory, and with a report of what was skipped.

The items of a source are divided into chunks. A worker reads and normalises the files of a chunk and writes the result
to a work folder beside the target. The driver adds finished chunks to the store in the order of the plan, so the store
does not depend on the number of workers. The chunks of a killed import remain, and the next import continues with them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import shutil
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

from hico_platform.data.import_chunk import Outcome, read_chunk, write_chunk
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.plausibility import BodyCheck, measure, no_person
from hico_platform.data.readers import FORMATS, Item, ReadOptions, ReadPlan, Source
from hico_platform.data.sequence import Sequence
from hico_platform.data.store import StoreWriter, check_sequence, refuse_existing
from hico_platform.errors import DataError, HicoError, Problem, UsageError
from hico_platform.interruptions import SIGNALS
from hico_platform.own_file import open_own_file

IMPORT_VERSION = 3
"""Increased when reading or normalising changes, so that older chunks are not used."""

_STORE = "store"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of an import: recordings read, kept, skipped with their problems, and excluded by the user."""

    read: int
    kept: int
    skipped: tuple[Problem, ...]
    left_out: int
    resumed_items: int
    unlabelled: int = 0
    """Kept recordings without a label."""
    remarks: Mapping[str, int] = field(default_factory=dict)
    """What reading changed or repaired in the kept recordings: counts by name, summed, in order of name."""
    layout: str
    body: Mapping[str, Any] = field(default_factory=dict)
    """Body height and bones, as in the provenance; empty where the format fixes layout and unit."""
    warnings: tuple[str, ...] = ()
    """What is unusual about the bodies."""

    def reasons(self) -> dict[str, int]:
        """Number of skipped recordings by rule, largest first."""
        counts: dict[str, int] = {}
        for problem in self.skipped:
            # Without the row or name in brackets, so that equal reasons are counted together.
            field = re.sub(r"\[[^\]]*\]", "[]", problem.field.rpartition(": ")[2])
            reason = f"{field}: expected {problem.rule}" if field else f"expected {problem.rule}"
            counts[reason] = counts.get(reason, 0) + 1
        return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


@dataclass(frozen=True, kw_only=True)
class _How:
    """What the workers of an import have to know; small, because it is sent to each of them."""

    source: Source
    method: Normalisation
    measured: bool
    """Whether bodies are measured, to find a wrong layout or unit."""


def import_dataset(
    raw: Path,
    directory: Path,
    *,
    format_name: str,
    options: ReadOptions | None = None,
    workers: int = 1,
    strict: bool = False,
    accept_implausible: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Reads ``raw``, in the format ``format_name``, into a new store at ``directory``.

    ``progress(done, total)`` counts items: files, or rows of a manifest. Bad input is skipped and reported;
    with ``strict`` it raises. Without ``accept_implausible`` bodies that cannot be people in metres in the layout that
    was named raise, see ``hico_platform.data.plausibility``. Raises DataError if nothing can be read or every recording
    is skipped, UsageError if the format is unknown or another import writes to ``directory``.
    """
    if format_name not in FORMATS:
        raise UsageError(
            Problem(field="format", rule="a format", value=format_name, remedy=f"choose {', '.join(FORMATS)}")
        )
    refuse_existing(directory)
    options = options or ReadOptions()
    provenance = {"format": format_name, "raw": str(raw), "bodies": options.bodies, "import_version": IMPORT_VERSION}
    try:
        reader = FORMATS[format_name]
        source = reader(raw, options)
        method = _method(source, options, usual=reader.normalisation)
        plan = source.plan()
    except OSError as error:
        raise DataError(
            Problem(
                file=raw, rule="a file or folder that this user may read", value=str(error), remedy="check its rights"
            )
        ) from None
    if not plan.items and not plan.problems:
        raise DataError(
            Problem(file=raw, rule="at least one recording", value=0, remedy="give the files that hold some")
        )
    if strict and plan.problems:
        raise DataError(plan.problems)
    try:
        with _work_folder(directory, _fingerprint(source, plan, format_name, options, method)) as work:
            measured = reader.bodies_measured and source.coordinates == 3  # in an image bones have no constant length
            check = BodyCheck(source.layout, options.unit_read) if measured else None
            report = _run(source, plan, work, provenance, method=method, workers=workers, strict=strict, check=check,
                          accept_implausible=accept_implausible, progress=progress)  # fmt: skip
            refuse_existing(directory)
            (work / _STORE).rename(directory)
            shutil.rmtree(work)
    except OSError as error:
        raise HicoError(
            Problem(file=directory, rule="a folder that can be written", value=str(error),
                    remedy="check its space and rights, then run the same command again: it goes on where it stopped")
        ) from None  # fmt: skip
    return report


def _method(source: Source, options: ReadOptions, *, usual: Normalisation) -> Normalisation:
    """How the recordings are normalised. Raises UsageError if the user named a method for other poses."""
    named = options.normalisation
    if named is None:
        return Normalisation.IMAGE if source.coordinates == 2 else usual
    if named.coordinates != source.coordinates:
        fitting = [method.value for method in Normalisation if method.coordinates == source.coordinates]
        raise UsageError(
            Problem(field="normalisation", rule=f"one for {source.coordinates}D poses, {' or '.join(fitting)}",
                    value=named.value, remedy="leave it out")
        )  # fmt: skip
    return named


def _run(
    source: Source,
    plan: ReadPlan,
    work: Path,
    provenance: Mapping[str, Any],
    *,
    method: Normalisation,
    workers: int,
    strict: bool,
    check: BodyCheck | None,
    accept_implausible: bool,
    progress: Progress | None,
) -> Report:
    total = len(plan.items)
    size = plan.items_a_chunk
    chunks = [plan.items[start : start + size] for start in range(0, total, size)]
    paths = [work / f"chunk-{i:07d}.arrow" for i in range(len(chunks))]
    written = [path.exists() for path in paths]
    skipped, done, kept, unlabelled = list(plan.problems), 0, 0, 0
    locations: dict[str, str] = {}
    remarks = Counter(plan.remarks)
    with StoreWriter(
        work / _STORE,
        dataset=source.dataset,
        layout=source.layout,
        class_names=source.class_names,
        provenance=provenance,
        normalisation=Normalisation.RELEASED if source.normalised else method,
        missing_joint=source.missing_joint,
        coordinates=source.coordinates,
        protocols=source.protocols,
    ) as writer:
        how = _How(source=source, method=method, measured=check is not None)
        for i in _finished(how, chunks, paths, written, workers):
            for outcome in read_chunk(paths[i]):
                if check is not None:
                    check.add(outcome.bodies)
                problem = _put(writer, outcome, locations, None if accept_implausible else source.layout.name)
                if problem is None:
                    kept += 1
                    if isinstance(outcome.found, Sequence):
                        unlabelled += outcome.found.label is None
                        remarks.update(outcome.found.remarks)
                elif strict:
                    raise DataError(problem)
                else:
                    skipped.append(problem)
            if check is not None and not accept_implausible:
                check.refuse_early()
            done += len(chunks[i])
            if progress is not None:
                progress(done, total)
        if check is not None and not accept_implausible:
            check.refuse()
        if not kept:
            raise DataError(
                [Problem(rule="at least one usable recording", value=0, remedy="see the reasons below"), *skipped[:20]]
            )
        writer.note("report", {"kept": kept, "unlabelled": unlabelled, "skipped": len(skipped),
                               "left_out": plan.left_out, "remarks": dict(sorted(remarks.items()))})  # fmt: skip
        if check is not None:
            writer.note("body", check.as_dict() | {"unit": check.unit})
    return Report(
        read=kept + len(skipped),
        kept=kept,
        skipped=tuple(skipped),
        left_out=plan.left_out,
        resumed_items=sum(len(chunk) for chunk, was_written in zip(chunks, written, strict=True) if was_written),
        unlabelled=unlabelled,
        remarks=dict(sorted(remarks.items())),
        layout=source.layout.name,
        body=check.as_dict() if check is not None else {},
        warnings=tuple(check.warnings()) if check is not None else (),
    )


def _put(writer: StoreWriter, outcome: Outcome, locations: dict[str, str], checked: str | None) -> Problem | None:
    """Adds a recording to the store, or returns what excludes it; ``checked`` is the layout whose body is looked at."""
    found = outcome.found
    if isinstance(found, Problem):
        return found
    body = outcome.bodies.get(checked) if checked is not None else None
    if body is not None and (problem := no_person(body)) is not None:
        return replace(problem, file=outcome.file, line=outcome.line)
    location = outcome.file if outcome.line is None else f"{outcome.file}:{outcome.line}"
    if found.name in locations:
        return Problem(
            file=outcome.file, line=outcome.line, field="name", rule="a name that no other sequence has",
            value=found.name, remedy=f"rename or remove one of the two; the one kept is of {locations[found.name]}",
        )  # fmt: skip
    locations[found.name] = location
    writer.add(found)
    return None


def _finished(
    how: _How, chunks: list[list[Item]], paths: list[Path], written: list[bool], workers: int
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


_how: _How | None = None
_stop: Event | None = None


def _start(how: _How, stop: Event) -> None:
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


def _outcomes(how: _How, items: list[Item]) -> Iterator[Outcome]:
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
                file=item.file, line=item.line, rule="a file that this user may read", value=str(error),
                remedy="check the file and its rights",
            )  # fmt: skip
            yield Outcome(file=str(item.file), line=item.line, found=problem)


def _ready(how: _How, item: Item, found: Sequence | Problem) -> Sequence | Problem:
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


def _fingerprint(source: Source, plan: ReadPlan, format_name: str, options: ReadOptions, method: Normalisation) -> str:
    """A digest of what an import reads and how; only chunks of the same fingerprint are reused."""
    how = f"{IMPORT_VERSION} {plan.items_a_chunk} {format_name} {source!r} {options!r} {method}"
    digest = hashlib.sha256(how.encode())
    seen: set[Path] = set()
    for item in plan.items:
        digest.update(repr((str(item.file), item.line, item.value)).encode())
        for file in item.reads or (item.file,):
            if file not in seen:
                seen.add(file)
                digest.update(_state(file).encode())
    return digest.hexdigest()


def _state(file: Path) -> str:
    try:
        state = file.stat()
    except (OSError, ValueError):  # missing, or an invalid name: its reader reports it
        return "absent"
    return f"{state.st_size} {state.st_mtime_ns}"


@contextmanager
def _work_folder(directory: Path, fingerprint: str) -> Iterator[Path]:
    """The folder of chunks beside the target, locked by this import; emptied if it is of another import."""
    work = directory.absolute().parent / f".{directory.name}.importing"
    work.mkdir(parents=True, exist_ok=True)
    guard = work.parent / f"{work.name}.lock"
    with os.fdopen(open_own_file(guard), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                Problem(file=directory, rule="a store that no other import is writing",
                        remedy="wait for it, or name another folder")
            ) from None  # fmt: skip
        try:
            plan = work / "plan.json"
            if not plan.is_file() or plan.read_text(encoding="utf-8") != json.dumps(fingerprint):
                shutil.rmtree(work)
                work.mkdir()
                plan.write_text(json.dumps(fingerprint), encoding="utf-8")
            for left in (*work.glob(f".{_STORE}.partial-*"), *work.glob(_STORE)):
                shutil.rmtree(left)
            yield work
        finally:
            guard.unlink(missing_ok=True)
