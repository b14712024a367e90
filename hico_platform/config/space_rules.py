"""Rules between the parts of a space file."""

from __future__ import annotations

import difflib
import functools
import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hico_platform.config.constraint import Constraint, problem_of, unknown_names
from hico_platform.config.document import LEDGER
from hico_platform.config.parameters import Range, uniform
from hico_platform.config.schema import Scalar, field_problems, field_types, flatten
from hico_platform.config.space_settings import CheckedSpace, Objective, SamplerName, SchedulerName, Space
from hico_platform.config.trial import TrialConfig, batch_share
from hico_platform.config.yaml_loader import Document, FieldPath
from hico_platform.enums import Signal
from hico_platform.errors import ConfigError, Problem
from hico_platform.names import REMEDY, RULE, is_known_name, is_name

MOST_COMBINATIONS = 512
MOST_DRAWS = 1000
MOST_GRID_POINTS = 10_000


def parse_constraints(document: Document, problems: list[Problem]) -> tuple[Constraint, ...]:
    """The constraints of a document; appends what is wrong with them."""
    given = document.data.get("constraints", []) if isinstance(document.data, Mapping) else []
    known = field_types(TrialConfig)
    found = []
    for index, text in enumerate(given if isinstance(given, list) else []):
        if not isinstance(text, str):
            continue  # named by the schema
        where: FieldPath = ("constraints", index)
        unknown = unknown_names(text, known)
        wrong = None if unknown else problem_of(text, known)
        if unknown:
            near = difflib.get_close_matches(unknown[0], list(known), n=1)
            rule = f"fields of a trial, which {unknown[0]} is not"
            remedy = f"did you mean {near[0]}?" if near else "write them in full, such as contrast.temperature"
            problems.append(document.problem(where, rule=rule, value=text, remedy=remedy))
            continue
        if wrong is not None:
            rule = f"a comparison of fields and numbers ({wrong})"
            remedy = "write such as model.layers * model.heads <= 8"
            problems.append(document.problem(where, rule=rule, value=text, remedy=remedy))
            continue
        found.append(Constraint(text=text))
    return tuple(found)


def broken_rules(space: CheckedSpace, document: Document, *, sound: bool, searched: bool) -> list[Problem]:
    """Broken rules between the parts of a space.

    Points are checked where the search section is valid (``searched``), and the costly rules only where all parts are
    (``sound``).
    """
    problems = [
        *_rules(space.settings, document),
        *_objectives(space.settings, document),
        *_cluster(space.settings, document),
    ]
    if searched:
        problems += [*_varied(space, document), *_points(space, document)]
    if sound and not problems:
        problems = [*_grid(space, document), *_satisfiable(space, document)]
    if sound and not problems:
        problems = _combinations(space, document)
    return problems


def _rules(space: Space, document: Document) -> list[Problem]:
    """Rules between a space's fields."""
    problems = []
    # A search that is older than the rule keeps its name.
    if not (is_known_name(space.name) if document.file == LEDGER else is_name(space.name)):
        problems.append(document.problem(("name",), rule=RULE, value=space.name, remedy=REMEDY))
    problems += [
        document.problem(
            ("warm_start", index),
            rule="names of searches",
            value=name,
            remedy="choose among those that hico-platform status lists",
        )
        for index, name in enumerate(space.warm_start)
        if not is_known_name(name)
    ]
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


def _cluster(space: Space, document: Document) -> list[Problem]:
    """A trial fits on one machine of the cluster, where the file describes one."""
    if not isinstance(document.data, Mapping) or "cluster" not in document.data:
        return []
    cluster, trial = space.cluster, space.resources
    gpus = trial.gpus if isinstance(trial.gpus, float) else 1.0
    return [
        document.problem(
            ("resources", name),
            rule=f"at most cluster.{name} {held}, since a trial runs on one machine",
            value=wanted,
            remedy="lower it, or ask for larger machines",
        )
        for name, wanted, held in (("cpus", trial.cpus, cluster.cpus), ("gpus", gpus, cluster.gpus))
        if wanted > held
    ]


def _varied(space: CheckedSpace, document: Document) -> list[Problem]:
    if any(parameter.coordinates() for parameter in space.parameters):
        return []
    remedy = "add contrast.temperature: {low: .., high: ..}"
    return [document.problem(("search",), rule="at least one parameter that varies", remedy=remedy)]


def _objectives(space: Space, document: Document) -> list[Problem]:
    """Rules for searches with several objectives."""
    several = len(space.objectives) > 1
    sampler, scheduler = space.sampler.name, space.scheduler.name
    problems: list[Problem] = []

    def refuse(path: FieldPath, *, rule: str, value: object, remedy: str) -> None:
        shown = str(value) if isinstance(value, str) else value
        problems.append(document.problem(path, rule=rule, value=shown, remedy=remedy))

    listed = ", ".join(space.objectives)
    signals = list(dict.fromkeys(objective for objective in space.objectives if objective.signal is not None))
    if space.objectives[:1] != tuple(signals):
        refuse(
            ("objectives",),
            rule=f"one of {', '.join(Signal)} first and none of them later: what the best trial and targets go by",
            value=listed,
            remedy=f"write [{signals[0] if signals else Objective.KNN}, {Objective.PARAMETERS}]",
        )
    if len(set(space.objectives)) < len(space.objectives):
        refuse(("objectives",), rule="each objective once", value=listed, remedy="remove one of the two")
    if several and sampler is SamplerName.CMAES:
        refuse(
            ("sampler", "name"),
            rule="a sampler of several objectives",
            value=sampler,
            remedy="take nsga2, or one objective",
        )
    if several and sampler is SamplerName.TPE and scheduler is not SchedulerName.NONE:
        refuse(
            ("objectives",),
            rule=f"one objective where sampler.name is tpe and {scheduler} stops trials",
            value=listed,
            remedy="take sampler: {name: nsga2}, or scheduler: {name: none}",
        )
    if several and scheduler is SchedulerName.MEDIAN:
        refuse(
            ("scheduler", "name"),
            rule="a scheduler of several objectives",
            value=scheduler,
            remedy="take asha, hyperband or none",
        )
    if several and space.stop.improvement is not None:
        refuse(
            ("stop", "improvement"),
            rule="one objective beside it",
            value=space.stop.improvement,
            remedy="remove it, or take patience",
        )
    if sampler is SamplerName.NSGA2 and space.sampler.startup_trials < 2:
        refuse(
            ("sampler", "startup_trials"),
            rule="a population of at least 2",
            value=space.sampler.startup_trials,
            remedy="take 8 or more",
        )
    return problems


def _combinations(space: CheckedSpace, document: Document) -> list[Problem]:
    """Checks rules between fields on combinations of choices and ends: they must hold in the whole space."""
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
            config = space.config(values)
            batch_share(config.budget.batch_size, ranks=space.settings.resources.ranks)
        except ConfigError as error:
            shown = ", ".join(f"{name} {value}" for name, value in values.items())
            return [
                document.problem(
                    ("search", *problem.field.split(".")),
                    rule=f"{problem.rule}, wherever the search goes",
                    value=shown,
                    remedy=f"{problem.remedy}, or set `when:` on one of them",
                )
                for problem in error.problems
            ]
    return []


def _points(space: CheckedSpace, document: Document) -> list[Problem]:
    """Checks that listed points name searched fields and lie in the space exactly as given."""
    return [
        problem
        for index, point in enumerate(space.settings.points)
        for problem in point_problems(space, point, document=document, where=("points", index))
    ]


def point_problems(
    space: CheckedSpace, point: Mapping[str, Any], *, document: Document, where: FieldPath = ()
) -> list[Problem]:
    """What is wrong with a point: fields that are not searched, broken rules, values that are not searched.

    Args:
        space: that it is to lie in.
        point: values by names, nested or dotted; fields that it leaves out are the base's.
        document: has the point at ``where``.
        where: its place.
    """
    searched = space.searched
    base = {name: value for name, value in flatten(space.base).items() if value is not None}
    problems: list[Problem] = []
    given = flat(point)
    for name, value in given.items():
        if name not in searched:
            problems.append(
                document.problem(
                    where, rule="fields that the search varies", value=name, remedy=f"use {', '.join(searched)}"
                )
            )
            continue
        problems += [
            document.problem((*where, name), rule=p.rule, value=p.value, remedy=p.remedy)
            for p in field_problems(TrialConfig, name, value)
        ]
    if problems:
        return problems
    found = space.nearest_point(base | given)
    for name, value in given.items():
        if name not in found:
            rule, remedy = f"a point at which the `when:` of {name} holds", "give its condition"
        elif not _same(found[name], value):
            rule, remedy = (
                f"a value of {name} that is searched",
                f"give the nearest, {found[name]}, or widen the search",
            )
        else:
            continue
        problems.append(document.problem(where, rule=rule, value=value, remedy=remedy))
    if not problems and not space.admits(found):
        broken = next(one.text for one in space.constraints if not one.holds(flatten(space.base) | found))
        problems.append(
            document.problem(where, rule=f"a point that meets {broken}", value=dict(point), remedy="change one")
        )
    return problems


def _same(one: Scalar | None, other: Scalar | None) -> bool:
    numbers = [value for value in (one, other) if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return one == other or (len(numbers) == 2 and math.isclose(*numbers, rel_tol=1e-6, abs_tol=1e-9))


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
    axes = [axis for parameter in space.parameters for axis in parameter.coordinates()]
    problems = [
        document.problem(
            ("search", *parameter.name.split(".")),
            rule="a choice or a range of whole numbers or steps, for the grid",
            value=parameter.name,
            remedy="give step:, or take another sampler",
        )
        for parameter in space.parameters
        if any(isinstance(axis, Range) and axis.step is None and not axis.integer for axis in parameter.coordinates())
    ]
    size = 0 if problems else math.prod(axis.size for axis in axes)
    if size > MOST_GRID_POINTS:
        problems.append(
            document.problem(
                ("sampler", "name"),
                rule=f"a grid of at most {MOST_GRID_POINTS} points",
                value=f"grid of {size}",
                remedy="take larger steps, or another sampler",
            )
        )
    return problems


def _satisfiable(space: CheckedSpace, document: Document) -> list[Problem]:
    """Checks that at least one of many uniform points meets the constraints."""
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
