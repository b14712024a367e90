"""The space file: what a search varies, around which settings, for how long, on which resources.

Everything wrong with a file is found here, before anything is started: unknown keys, broken rules, and values that
the rule of a varied field, or a rule between fields, would refuse in a trial.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hico_platform.config import search_section
from hico_platform.config.document import LEDGER, FieldPath
from hico_platform.config.merge import lay_over, nested, override
from hico_platform.config.package_files import shipped_spaces
from hico_platform.config.schema import field_types, parse
from hico_platform.config.space_rules import broken_rules, parse_constraints
from hico_platform.config.space_settings import (
    CheckedSpace,
    GpuShare,
    Objective,
    ResourcesConfig,
    SamplerConfig,
    SamplerName,
    SchedulerConfig,
    SchedulerName,
    Space,
    StopConfig,
)
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import Document, read_yaml
from hico_platform.data.address import REMEDY, RULE, has_credentials
from hico_platform.enums import Precision
from hico_platform.errors import ConfigError, Problem
from hico_platform.masking import masked, secrets_of

__all__ = [
    "CheckedSpace",
    "GpuShare",
    "Objective",
    "ResourcesConfig",
    "SamplerConfig",
    "SamplerName",
    "SchedulerConfig",
    "SchedulerName",
    "Space",
    "StopConfig",
    "check",
    "load_space",
    "space_from",
    "space_of",
    "with_begun_precision",
]


SECTIONS = frozenset({"base", "search"})
_TRANSFER = "transfer"
GIVEN = "space"
"""What messages call a space that was given as plain data."""
T = TypeVar("T")


def load_space(path: Path, *, assignments: Iterable[str] = ()) -> CheckedSpace:
    """Reads, overrides and checks a space file.

    Raises:
        ConfigError: with every problem found, each with its place.
    """
    document = override(_read(path, ()), assignments_in(assignments), whole=search_section.SPECIFICATION)
    if not document.data.get("name"):
        document = lay_over(Document(data={"name": path.stem}, file=path), document, whole=search_section.SPECIFICATION)
    _refuse_keys(document)
    return check(document)


def space_of(data: Mapping[str, Any], *, assignments: Iterable[str] = ()) -> CheckedSpace:
    """A space given as plain data with the keys of a space file, overridden and checked.

    Raises:
        ConfigError: with every problem found.
    """
    plain = json.loads(json.dumps(data, default=str))  # tuples become lists, as in a file
    given = Document(data=plain, file=GIVEN, files=dict.fromkeys(_paths(plain), GIVEN))
    document = override(
        _extended(given, folder=Path(), seen=()),
        assignments_in(assignments),
        whole=search_section.SPECIFICATION,
    )
    _refuse_keys(document)
    return check(document)


def space_from(source: Mapping[str, Any], *, assignments: Iterable[str] = ()) -> CheckedSpace:
    """The space that a ledger keeps as plain data (:attr:`CheckedSpace.source`), with overrides.

    A ledger of a version without ``auto`` precision may name none, which meant float32.

    Raises:
        ConfigError: an override is wrong, or another version wrote what this one cannot read.
    """
    kept = Document(data=source, file=LEDGER)
    try:
        document = override(kept, assignments_in(assignments), whole=search_section.SPECIFICATION)
        if _transfer_of(document.data) != _transfer_of(source):  # a ledger of an older version may hold keys
            _refuse_keys(document)
        return check(_with_precision(document, Precision.FLOAT32))
    except ConfigError as error:
        remedy = "use the version of this package that wrote it or a newer one, and install its plug-ins"
        raise ConfigError(
            [
                dataclasses.replace(problem, remedy=remedy) if problem.file == LEDGER else problem
                for problem in error.problems
            ]
        ) from error


def with_begun_precision(space: CheckedSpace, *, begun: CheckedSpace) -> CheckedSpace:
    """The space of a search that is resumed: ``auto`` is the precision that it began with."""
    precision = begun.base.model.precision
    if space.base.model.precision is not Precision.AUTO or precision is Precision.AUTO:
        return space
    return space_from(space.source, assignments=[f"model.precision={precision}"])


def _with_precision(document: Document, default: Precision) -> Document:
    """The document with a precision, so that what is kept of it means the same under another default."""
    data = document.data
    base = data.get("base", {}) if isinstance(data, Mapping) else None
    if not isinstance(base, Mapping):
        return document
    model = base.get("model", {})
    if not isinstance(model, Mapping) or "precision" in model:
        return document
    filled = {**data, "base": {**base, "model": {**model, "precision": default.value}}}
    return dataclasses.replace(document, data=filled)


def _transfer_of(source: object) -> object:
    return source.get(_TRANSFER) if isinstance(source, Mapping) else None


def _refuse_keys(document: Document) -> None:
    """Refuses credentials in the transfer address: the ledger keeps a space whole, and the tracking store shows it."""
    transfer = _transfer_of(document.data)
    if isinstance(transfer, str) and has_credentials(transfer):
        shown = masked(transfer, secrets=secrets_of(transfer))
        raise ConfigError(document.problem((_TRANSFER,), rule=RULE, value=shown, remedy=REMEDY))


def check(document: Document) -> CheckedSpace:
    """Checks a document with nested keys.

    Raises:
        ConfigError: with every problem found, each with its place.
    """
    document = _with_precision(document, Precision.AUTO)
    problems: list[Problem] = []
    space = _collect(problems, lambda: parse(Space, document))
    before = len(problems)
    parameters = search_section.parse_search(document, problems)
    searched = len(problems) == before
    constraints = parse_constraints(document, problems)
    if space is not None:
        checked = CheckedSpace(settings=space, parameters=parameters, constraints=constraints, source=document.data)
        problems += broken_rules(checked, document, sound=not problems, searched=searched)
        if not problems:
            return checked
    raise ConfigError(problems)


def assignments_in(assignments: Iterable[str]) -> list[str]:
    """``key=value`` with the section put in front of a trial's field: ``budget.epochs=3`` sets the base."""
    groups = {name.split(".")[0] for name in field_types(TrialConfig)}
    return [
        f"base.{text.strip()}" if text.strip().split("=")[0].split(".")[0] in groups else text.strip()
        for text in assignments
    ]


def _paths(data: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    """Where each part of plain data stands."""
    yield path
    inside = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for key, part in inside:
        yield from _paths(part, (*path, key))


def _read(path: Path, seen: tuple[Path, ...]) -> Document:
    return _extended(read_yaml(path), folder=path.parent, seen=(*seen, path.resolve()))


def _extended(document: Document, *, folder: Path, seen: tuple[Path, ...]) -> Document:
    """A document laid over the file that it extends, looked for from ``folder``; ``seen`` are the files before it."""
    if not isinstance(document.data, Mapping):
        raise ConfigError(
            document.problem((), rule="a mapping of fields", value=document.data, remedy="write key: value")
        )
    document = nested(document, sections=SECTIONS, whole=search_section.SPECIFICATION)
    parent = document.data.get("extends")
    if not isinstance(parent, str):
        return document
    lower_path = _existing(folder, parent)
    if lower_path is None:
        raise ConfigError(
            document.problem(
                ("extends",),
                rule="an existing file, or the name of a space that ships with the package",
                value=parent,
                remedy=f"check the path; the shipped ones are {', '.join(shipped_spaces())}",
            )
        )
    if lower_path.resolve() in seen:
        raise ConfigError(
            document.problem(
                ("extends",), rule="a file that does not extend this one", value=parent, remedy="break the circle"
            )
        )
    lower = _read(lower_path, seen)
    own = {key: value for key, value in lower.data.items() if key not in {"name", "description", "extends"}}
    return lay_over(
        document,
        Document(data=own, file=lower.file, lines=lower.lines, files=lower.files),
        whole=search_section.SPECIFICATION,
    )


def _existing(folder: Path, name: str) -> Path | None:
    """A file by its path from ``folder``, or a space that ships; nothing where there is none."""
    try:
        file = folder / Path(name).expanduser()
        if file.is_file():
            return file
    except (OSError, ValueError, RuntimeError):  # too long, or of a user that there is not
        return None
    shipped = shipped_spaces().get(Path(name).stem)
    return shipped if Path(name).name == name else None


def _collect(problems: list[Problem], build: Callable[[], T]) -> T | None:
    try:
        return build()
    except ConfigError as error:
        problems += error.problems
        return None
