"""The ``search`` section of a space file: ranges, choices, weights on a simplex, fixed values, conditions."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from typing import Any

from hico_platform.config.document import LEDGER
from hico_platform.config.parameters import ActiveWhen, Choice, Fixed, Parameter, Range, Simplex
from hico_platform.config.pydantic_errors import unknown_key
from hico_platform.config.schema import Settings, field_problems, field_types, leaves, parse
from hico_platform.config.search_forms import (
    ChoiceForm,
    FixedForm,
    RangeForm,
    SimplexForm,
    form_of,
    range_form,
    simplex_form,
    weights_of,
)
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import Document, FieldPath, dotted
from hico_platform.errors import ConfigError, Problem

SPECIFICATION = frozenset(key for form in (FixedForm, ChoiceForm, RangeForm, SimplexForm) for key in form.model_fields)
HOW_TO_SCORE = tuple(name for name in leaves(TrialConfig) if name.startswith("evaluation."))
"""How trials are scored: with other settings for each, the best would be the one with the kindest settings."""
SAME_FOR_ALL = ("budget.epochs", "budget.seed", "budget.threads", *HOW_TO_SCORE)


def parse_search(document: Document, problems: list[Problem]) -> tuple[Parameter, ...]:
    """The parameters of ``document``'s search section, conditions first; appends what is wrong with it."""
    section = document.data.get("search") if isinstance(document.data, Mapping) else None
    if not isinstance(section, Mapping):
        return ()
    reader = _Reader(document=document, problems=problems)
    reader.group(section, ())
    return reader.ordered()


@dataclasses.dataclass(kw_only=True)
class _Reader:
    document: Document
    problems: list[Problem]
    found: dict[str, Parameter] = dataclasses.field(default_factory=dict)
    faulty: set[str] = dataclasses.field(default_factory=set)
    types: Mapping[str, type] = dataclasses.field(default_factory=lambda: field_types(TrialConfig))

    def group(self, section: Mapping[str, Any], path: FieldPath) -> None:
        for key, value in section.items():
            name = dotted((*path, key))
            here = (*path, key)
            is_group = any(field.startswith(f"{name}.") for field in self.types)
            if isinstance(value, Mapping) and "simplex" in value:
                self.simplex(value, here)
            elif is_group and isinstance(value, Mapping) and SPECIFICATION.isdisjoint(value):
                self.group(value, here)
            elif name in self.types:
                self.leaf(value, here)
            else:
                self.unknown(here, is_group)

    def unknown(self, path: FieldPath, is_group: bool) -> None:
        if is_group:
            self.wrong(path, "a field, not a group", dotted(path), "name one of its fields, or use simplex:")
            return
        prefix = dotted(path[:-1])
        depth = len(path) - 1
        inside = [name for name in self.types if not prefix or name.startswith(f"{prefix}.")]
        known = list(dict.fromkeys(name.split(".")[depth] for name in inside))
        problem = unknown_key(self.document, ("search", *path[:-1]), str(path[-1]), known)
        ends = [name for name in self.types if name.split(".")[-1] == str(path[-1])]
        if ends:
            problem = dataclasses.replace(problem, remedy=f"did you mean {ends[0]}?")
        elif "did you mean" not in (problem.remedy or ""):
            near = difflib.get_close_matches(dotted(path), list(self.types), n=1)
            problem = dataclasses.replace(problem, remedy=f"did you mean {near[0]}?") if near else problem
        self.problems.append(problem)

    def wrong(self, path: FieldPath, rule: str, value: object, remedy: str | None) -> None:
        self.problems.append(self.document.problem(("search", *path), rule=rule, value=value, remedy=remedy))

    def has_form(self, form: type[Settings], path: FieldPath) -> bool:
        """Whether what stands at ``path`` has that form; appends what is wrong with it."""
        try:
            parse(form, self.document, at=("search", *path))
        except ConfigError as error:
            self.problems += error.problems
            self.faulty.add(dotted(path))
            return False
        return True

    def leaf(self, value: Any, path: FieldPath) -> None:
        """Parameters keep the values as they are written, so that studies of older versions go on."""
        name = dotted(path)
        # A search of a version that took them stays readable, and goes on.
        if name in SAME_FOR_ALL and not (name in HOW_TO_SCORE and self.document.file == LEDGER):
            self.wrong(path, "the same for every trial", value, f"set it under base: as {name}")
        elif isinstance(value, list):
            self.wrong(path, "a range, a choice or a value", value, "write {choice: [..]}")
        elif not isinstance(value, Mapping):
            for problem in field_problems(TrialConfig, name, value):
                self.wrong(path, problem.rule, problem.value, problem.remedy)
            self.found[name] = Fixed(name=name, value=value)
        elif SPECIFICATION.isdisjoint(value):
            self.wrong(path, "a range or a choice", dict(value), "write {low: .., high: ..} or {choice: [..]}")
        elif "choice" in value:
            if self.has_form(form_of(ChoiceForm, name), path):
                self.found[name] = Choice(name=name, choices=tuple(value["choice"]), when=_when(value))
        elif "fixed" in value:
            if self.has_form(form_of(FixedForm, name), path):
                self.found[name] = Fixed(name=name, value=value["fixed"], when=_when(value))
        elif self.types[name] not in (int, float):
            self.wrong(path, "a choice, since a range is for numbers", dict(value), "use {choice: [..]}")
        elif self.has_form(range_form(name), path):
            self.found[name] = Range(
                name=name,
                low=value["low"],
                high=value["high"],
                log=value.get("log", False),
                step=value.get("step"),
                integer=self.types[name] is int,
                when=_when(value),
            )

    def simplex(self, value: Mapping[str, Any], path: FieldPath) -> None:
        name = dotted(path)
        weights = weights_of(name)
        if not weights:
            self.wrong(path, "a group of weights", name, "use contrast.level_weights")
        elif self.has_form(simplex_form(name), path):
            self.found[name] = Simplex(
                name=name,
                parts=tuple(value["simplex"]),
                total=float(value.get("sum", len(value["simplex"]))),
                low=float(value.get("low", 0.0)),
                high=float(value.get("high", math.inf)),
                when=_when(value),
            )

    def ordered(self) -> tuple[Parameter, ...]:
        """Parameters in the file's order, but each after those that its conditions name."""
        done: dict[str, Parameter] = {}
        waiting = dict(self.found)
        for name, parameter in self.found.items():
            for condition in parameter.when:
                self.condition(name, condition)
        while waiting:
            ready = [n for n, p in waiting.items() if all(c.name not in waiting for c in p.when)]
            if not ready:
                circle = next(iter(waiting))
                self.wrong((*circle.split("."), "when"), "no circle of conditions", circle, "remove one")
                break
            for name in ready:
                done[name] = waiting.pop(name)
        return tuple(done.values())

    def condition(self, name: str, condition: ActiveWhen) -> None:
        path: FieldPath = (*name.split("."), "when", condition.name)
        target = self.found.get(condition.name)
        if isinstance(target, Choice):
            for value in condition.values:
                if value not in target.choices:
                    self.wrong(path, f"one of {', '.join(map(str, target.choices))}", value, "correct it")
        elif condition.name in self.faulty:
            return  # its own mistake is named already
        elif condition.name in self.types:
            self.wrong(path, "a parameter that has a choice in this search", condition.name, "search it, or drop it")
        else:
            near = difflib.get_close_matches(condition.name, list(self.found), n=1)
            remedy = f"did you mean {near[0]}?" if near else "name it as under search:"
            self.wrong(path, "a parameter of this search", condition.name, remedy)


def _when(value: Mapping[str, Any]) -> tuple[ActiveWhen, ...]:
    return tuple(
        ActiveWhen(name=name, values=tuple(values) if isinstance(values, list) else (values,))
        for name, values in value.get("when", {}).items()
    )
