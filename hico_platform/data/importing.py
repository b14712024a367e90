"""Imports raw files into a store: in parallel, resumable, with bounded memory, and with a report of what was skipped.

The items of a source are divided into chunks. A worker reads and normalises the files of a chunk and writes the result
to a work folder beside the target. The driver adds finished chunks to the store in the order of the plan, so the store
does not depend on the number of workers. The chunks of a killed import remain, and the next import continues with them.
"""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hico_platform import plug_ins
from hico_platform.data.import_chunk import Outcome, read_chunk
from hico_platform.data.import_folder import IMPORT_VERSION, STORE, fingerprint_of, work_folder
from hico_platform.data.import_report import Report
from hico_platform.data.import_workers import How, finished_chunks
from hico_platform.data.normalise import Normalisation
from hico_platform.data.normalise.turn import TILTED
from hico_platform.data.phases import DataPhase, OnPhase, nobody_waits
from hico_platform.data.plausibility import BodyCheck, no_person
from hico_platform.data.readers import FORMATS, OWN, ReadOptions, ReadPlan, Source
from hico_platform.data.sequence import Sequence
from hico_platform.data.store_writer import StoreWriter, refuse_existing
from hico_platform.errors import DataError, HicoError, Problem, UsageError, reason
from hico_platform.plug_in_names import PlugInGroup

Progress = Callable[[int, int], None]


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
    on_phase: OnPhase = nobody_waits,
) -> Report:
    """Reads ``raw``, in the format ``format_name``, into a new store at ``directory``.

    ``progress(done, total)`` counts items: files, or rows of a manifest; ``on_phase`` is told what goes on before the
    first and after the last. Bad input is skipped and reported;
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
    brought = plug_ins.records([(PlugInGroup.READERS, format_name)])
    if brought and format_name not in OWN:
        provenance["plug_ins"] = brought
    own_errors = functools.partial(plug_ins.named_with_its_package, PlugInGroup.READERS, format_name, own=OWN)
    try:
        on_phase(DataPhase.FINDING)
        with own_errors():
            reader = FORMATS[format_name]
            source = reader(raw, options)
            method = _method(source, options, usual=reader.normalisation)
            plan = source.plan()
    except OSError as error:
        raise DataError(
            Problem(
                file=raw,
                rule="a file or folder that this user may read",
                value=reason(error),
                remedy="check its rights",
            )
        ) from None
    if not plan.items and not plan.problems:
        raise DataError(
            Problem(file=raw, rule="at least one recording", value=0, remedy="give the files that hold some")
        )
    if strict and plan.problems:
        raise DataError(plan.problems)
    try:
        with own_errors(), work_folder(directory, fingerprint_of(source, plan, format_name, options, method)) as work:
            measured = reader.bodies_measured and source.coordinates == 3  # in an image bones have no constant length
            check = BodyCheck(source.layout, reader.unit_read(options)) if measured else None
            report = _run(source, plan, work, provenance, method=method, workers=workers, strict=strict, check=check,
                          accept_implausible=accept_implausible, progress=progress,
                          on_phase=on_phase)  # fmt: skip
            refuse_existing(directory)
            (work / STORE).rename(directory)
            shutil.rmtree(work)
    except OSError as error:
        raise HicoError(
            Problem(file=directory, rule="a folder that can be written", value=reason(error),
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
    on_phase: OnPhase,
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
        work / STORE,
        dataset=source.dataset,
        layout=source.layout,
        class_names=source.class_names,
        provenance=provenance,
        normalisation=Normalisation.RELEASED if source.normalised else method,
        missing_joint=source.missing_joint,
        coordinates=source.coordinates,
        protocols=source.protocols,
    ) as writer:
        how = How(source=source, method=method, measured=check is not None)
        for i in finished_chunks(how, chunks, paths, written, workers):
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
        on_phase(DataPhase.COMPLETING)
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
        warnings=(*(check.warnings() if check is not None else ()), *_tilted(remarks[TILTED], kept)),
    )


def _tilted(count: int, kept: int) -> list[str]:
    """A warning where more than half of the recordings lie: then it is not the people that do."""
    if 2 * count <= kept:
        return []
    return [
        f"{count:,} of {kept:,} recordings are over 45 degrees off the vertical: if their y does not point upwards, "
        "prepare them with --normalisation upright"
    ]


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
