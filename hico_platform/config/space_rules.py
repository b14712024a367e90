"""Rules between the parts of a space file."""

from __future__ import annotations

import functools
import itertools
import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hico_platform.config.constraint import Constraint, names_in
from hico_platform.config.parameters import Range, uniform
from hico_platform.config.schema import Scalar, field_problems, field_types, flatten
from hico_platform.config.source import Document, FieldPath
from hico_platform.config.space_settings import CheckedSpace, SamplerName, SchedulerName, Space
from hico_platform.config.trial import TrialConfig
from hico_platform.errors import ConfigError, Problem

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MOST_COMBINATIONS = 512
MOST_DRAWS = 1000


def parse_constraints(document: Document, problems: list[Problem]) -> tuple[Constraint, ...]:
    """The constraints of a document; appends what is wrong with them."""
    given = document.data.get("constraints", []) if isinstance(document.data, Mapping) else []
    known = field_types(TrialConfig)
    found = []
    for index, text in enumerate(given if isinstance(given, list) else []):
        if not isinstance(text, str):
            continue  # named by the schema
        try:
            unknown = [name for name in names_in(text) if name not in known]
        except ValueError as error:
            problems.append(
                document.problem(
                    ("constraints", index),
                    rule=f"a comparison of fields and numbers ({error})",
                    value=text,
                    remedy="write such as model.layers * model.heads <= 8",
                )
            )
            continue
        if unknown:
            problems.append(
                document.problem(
                    ("constraints", index),
                    rule=f"fields of a trial, which {unknown[0]} is not",
                    value=text,
                    remedy="write them in full, such as contrast.temperature",
                )
            )
            continue
        found.append(Constraint(text=text))
    return tuple(found)


def broken_rules(space: CheckedSpace, document: Document, *, sound: bool) -> list[Problem]:
    """What is wrong between the parts; the costly questions are asked only where all parts are ``sound``."""
    problems = [*_rules(space.settings, document), *_points(space, document)]
    if sound and not problems:
        problems = [*_grid(space, document), *_satisfiable(space, document)]
    if sound and not problems:
        problems = _combinations(space, document)
    return problems


def _rules(space: Space, document: Document) -> list[Problem]:
    """Rules between a space's fields."""
    problems = []
    if NAME.fullmatch(space.name) is None:
        problems.append(
            document.problem(
                ("name",),
                rule="letters, digits, dot, dash and underscore",
                value=space.name,
                remedy="it names folders and tracking experiments",
            )
        )
    if not space.search:
        problems.append(
            document.problem(
                ("search",), rule="at least one parameter", remedy="add contrast.temperature: {low: .., high: ..}"
            )
        )
    if space.scheduler.name is not SchedulerName.NONE and space.scheduler.grace_epochs > space.base.budget.epochs:
        problems.append(
            document.problem(
                ("scheduler", "grace_epochs"),
                rule=f"at most base.budget.epochs {space.base.budget.epochs}",
                value=space.scheduler.grace_epochs,
                remedy="lower it or train longer",
            )
        )
    return problems


def _combinations(space: CheckedSpace, document: Document) -> list[Problem]:
    """Rules between fields hold wherever the search goes: combinations of choices and ends are built."""
    options = [parameter.extremes() for parameter in space.parameters]
    base = flatten(space.base)
    draw = random.Random(0)
    combinations: Iterable[Sequence[Mapping[str, Scalar]]] = itertools.product(*options)
    if math.prod(map(len, options)) > MOST_COMBINATIONS:
        combinations = ([draw.choice(ends) for ends in options] for _ in range(MOST_COMBINATIONS))
    for combination in combinations:
        drawn = dict(zip(space.parameters, combination, strict=True))
        values: dict[str, Any] = {}
        for parameter in space.parameters:
            if parameter in space.active(base | values):
                values |= drawn[parameter]
        if not space.admits(values):
            continue
        try:
            space.config(values)
        except ConfigError as error:
            shown = ", ".join(f"{name} {value}" for name, value in values.items())
            return [
                document.problem(
                    ("search", *problem.field.split(".")),
                    rule=f"{problem.rule} wherever the search goes",
                    value=shown,
                    remedy=f"{problem.remedy}, or set `when:` on one of them",
                )
                for problem in error.problems
            ]
    return []


def _points(space: CheckedSpace, document: Document) -> list[Problem]:
    """Listed points name searched fields and values that those admit."""
    searched = [field for parameter in space.parameters for field in parameter.fields]
    problems = []
    for index, point in enumerate(space.settings.points):
        for name, value in flat(point).items():
            where: FieldPath = ("points", index)
            if name not in searched:
                problems.append(
                    document.problem(
                        where, rule="fields that the search varies", value=name, remedy=f"use {', '.join(searched)}"
                    )
                )
                continue
            problems += [
                document.problem(where, rule=f"{name}: {p.rule}", value=p.value, remedy=p.remedy)
                for p in field_problems(TrialConfig, name, value)
            ]
    return problems


def flat(point: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """A listed point with dotted names, however it was nested."""
    found: dict[str, Scalar] = {}
    for name, value in point.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _grid(space: CheckedSpace, document: Document) -> list[Problem]:
    if space.settings.sampler.name is not SamplerName.GRID:
        return []
    return [
        document.problem(
            ("search", *parameter.name.split(".")),
            rule="a choice or a range of whole numbers or steps, for the grid",
            value=parameter.name,
            remedy="give step:, or take another sampler",
        )
        for parameter in space.parameters
        if any(isinstance(axis, Range) and axis.step is None and not axis.integer for axis in parameter.coordinates())
    ]


def _satisfiable(space: CheckedSpace, document: Document) -> list[Problem]:
    """Some part of the space meets the constraints: one of many uniform points does."""
    draw = random.Random(0)
    if not space.constraints or any(
        space.admits(space.values(functools.partial(uniform, draw=draw))) for _ in range(MOST_DRAWS)
    ):
        return []
    return [
        document.problem(
            ("constraints",),
            rule="constraints that some part of the space meets",
            value=f"none of {MOST_DRAWS} points",
            remedy="widen the ranges or loosen the constraints",
        )
    ]
