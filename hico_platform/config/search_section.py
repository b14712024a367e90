"""The ``search`` section of a space file: ranges, choices, weights on a simplex, fixed values, conditions."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hico_platform.config.parameters import ActiveWhen, Choice, Fixed, Parameter, Range, Simplex
from hico_platform.config.pydantic_errors import unknown_key
from hico_platform.config.scalars import number_remedy, truth_remedy
from hico_platform.config.schema import field_problems, field_types
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import Document, FieldPath, dotted
from hico_platform.errors import Problem

KEYS: Mapping[str, tuple[str, ...]] = {
    "choice": ("choice", "when"),
    "simplex": ("simplex", "sum", "low", "high", "when"),
    "fixed": ("fixed", "when"),
    "low": ("low", "high", "log", "step", "when"),
}
SPECIFICATION = frozenset(key for keys in KEYS.values() for key in keys)
MOST_STEPS = 1_000_000
SAME_FOR_ALL = ("budget.epochs", "budget.seed", "budget.threads")


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
        elif "did you mean" not in problem.remedy:
            near = difflib.get_close_matches(dotted(path), list(self.types), n=1)
            problem = dataclasses.replace(problem, remedy=f"did you mean {near[0]}?") if near else problem
        self.problems.append(problem)

    def wrong(self, path: FieldPath, rule: str, value: object, remedy: str) -> None:
        self.problems.append(self.document.problem(("search", *path), rule=rule, value=value, remedy=remedy))

    def leaf(self, value: Any, path: FieldPath) -> None:
        before = len(self.problems)
        name = dotted(path)
        if name in SAME_FOR_ALL:
            self.wrong(path, "the same for every trial", value, f"set it under base: as {name}")
            return
        if isinstance(value, list):
            self.wrong(path, "a range, a choice or a value", value, "write {choice: [..]}")
            return
        if not isinstance(value, Mapping):
            value = {"fixed": value}
        kind = next((kind for kind in ("choice", "fixed") if kind in value), "low")
        if SPECIFICATION.isdisjoint(value):
            self.wrong(path, "a range or a choice", dict(value), "write {low: .., high: ..} or {choice: [..]}")
            return
        self.known_keys(value, path, kind)
        when = self.when(value, path)
        if len(self.problems) > before:
            return
        if kind == "choice":
            self.choice(name, value["choice"], path, when)
        elif kind == "fixed":
            self.admits(name, value["fixed"], path)
            self.found[name] = Fixed(name=name, value=value["fixed"], when=when)
        else:
            self.range(name, value, path, when)

    def known_keys(self, value: Mapping[str, Any], path: FieldPath, kind: str) -> None:
        known = list(KEYS[kind])
        self.problems += [
            unknown_key(self.document, ("search", *path), key, known) for key in value if key not in known
        ]

    def when(self, value: Mapping[str, Any], path: FieldPath) -> tuple[ActiveWhen, ...]:
        given = value.get("when", {})
        if not isinstance(given, Mapping):
            self.wrong((*path, "when"), "a mapping of parameter to value", given, "write {model.encoder: lstm}")
            return ()
        for name, values in given.items():
            if values == []:
                self.wrong((*path, "when", name), "at least one value", values, "name the values, or drop it")
        return tuple(
            ActiveWhen(name=name, values=tuple(values) if isinstance(values, list) else (values,))
            for name, values in given.items()
        )

    def choice(self, name: str, choices: Any, path: FieldPath, when: tuple[ActiveWhen, ...]) -> None:
        if not isinstance(choices, list) or not choices:
            self.wrong((*path, "choice"), "a list of values", choices, "write [a, b]")
            return
        if len(choices) == 1:
            self.wrong((*path, "choice"), "at least two values", choices, "write the value alone")
        for index, item in enumerate(choices):
            if item in choices[:index]:
                self.wrong((*path, "choice", index), "values that differ", item, "remove one of the two")
            self.admits(name, item, (*path, "choice", index))
        self.found[name] = Choice(name=name, choices=tuple(choices), when=when)

    def range(self, name: str, value: Mapping[str, Any], path: FieldPath, when: tuple[ActiveWhen, ...]) -> None:
        if self.types[name] not in (int, float):
            self.wrong(path, "a range is for numbers", dict(value), "use {choice: [..]}")
            return
        before = len(self.problems)
        integer = self.types[name] is int
        for end in ("low", "high"):
            if end not in value:
                self.wrong(path, f"{end} is given", dict(value), f"add {end}:")
            else:
                self.admits(name, value[end], (*path, end))
        log, step = self.log_and_step(value, path, integer=integer)
        if len(self.problems) > before:
            return
        low, high = value["low"], value["high"]
        if low >= high:
            self.wrong((*path, "low"), f"below high {high:g}", low, "exchange them, or widen the range")
        elif log and step is not None and not (integer and step == 1):
            self.wrong((*path, "step"), "no step on a log range", step, "remove step or log")
        elif log and low <= 0:
            self.wrong((*path, "low"), "above 0 on a log range", low, "raise low or remove log")
        elif step is not None and not (high - low) / step < MOST_STEPS:
            self.wrong((*path, "step"), f"at most {MOST_STEPS:,} steps in a range", step, "take larger steps, or none")
        elif step is not None and not math.isclose((high - low) / step, round((high - low) / step)):
            reached = low + math.floor((high - low) / step) * step
            remedy = f"take {reached:g}" if reached > low else f"take a step of at most {high - low:g}"
            self.wrong((*path, "high"), "low plus a whole number of steps", high, remedy)
        else:
            self.found[name] = Range(name=name, low=low, high=high, log=log, step=step, integer=integer, when=when)

    def log_and_step(self, value: Mapping[str, Any], path: FieldPath, *, integer: bool) -> tuple[Any, Any]:
        """How a range is divided; appends what is wrong with it."""
        log, step = value.get("log", False), value.get("step")
        if not isinstance(log, bool):
            self.wrong((*path, "log"), "true or false", log, truth_remedy(log) or "write true or false")
        is_number = _is_number(step) and math.isfinite(step or 0.0)
        if step is not None and (not is_number or step <= 0 or (integer and step % 1 != 0)):
            rule = f"a {'whole ' * integer}number above 0"
            self.wrong((*path, "step"), rule, step, number_remedy(str(step)) or "choose another value")
        return log, step

    def simplex(self, value: Mapping[str, Any], path: FieldPath) -> None:
        name = dotted(path)
        before = len(self.problems)
        self.known_keys(value, path, "simplex")
        when = self.when(value, path)
        known = [field.removeprefix(f"{name}.") for field in self.types if field.startswith(f"{name}.")]
        if not known or any("." in part or self.types[f"{name}.{part}"] is not float for part in known):
            self.wrong(path, "a group of weights", name, "use contrast.level_weights")
            return
        parts = value["simplex"]
        if not isinstance(parts, list) or len(parts) < 2:
            self.wrong((*path, "simplex"), "at least two weights", parts, f"write [{', '.join(known)}]")
            return
        for index, part in enumerate(parts):
            where = (*path, "simplex", index)
            if part not in known:
                near = difflib.get_close_matches(str(part), known, n=1)
                remedy = f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"
                self.wrong(where, f"one of {', '.join(known)}", part, remedy)
            elif part in parts[:index]:
                self.wrong(where, "each weight once", part, "remove one of the two")
        total, low, high = value.get("sum", float(len(parts))), value.get("low", 0.0), value.get("high", math.inf)
        for key, number in (("sum", total), ("low", low), ("high", high)):
            endless = key != "high" and _is_number(number) and math.isinf(number)
            if not _is_number(number) or endless or number < 0 or (key == "sum" and number <= 0):
                rule = f"a number {'above' if key == 'sum' else 'at least'} 0"
                self.wrong((*path, key), rule, number, number_remedy(str(number)) or "correct it")
        if len(self.problems) > before:
            return
        self.sums(parts, total, low, high, path)
        for part in parts:
            self.admits(f"{name}.{part}", low, (*path, "low"))
        if len(self.problems) == before:
            self.found[name] = Simplex(
                name=name, parts=tuple(parts), total=float(total), low=float(low), high=float(high), when=when
            )

    def sums(self, parts: Sequence[str], total: float, low: float, high: float, path: FieldPath) -> None:
        count = len(parts)
        if low > high:
            self.wrong((*path, "low"), f"at most high {high:g}", low, "exchange them")
        elif count * low >= total:
            self.wrong(
                (*path, "low"),
                f"{count} weights that sum to {total:g} are each below {total / count:g} at least",
                low,
                f"take low below {total / count:g}, or a larger sum",
            )
        elif count * high <= total:
            self.wrong(
                (*path, "high"),
                f"{count} weights of at most high can sum to {total:g}",
                high,
                f"take high above {total / count:g}, or a smaller sum",
            )

    def admits(self, name: str, value: Any, path: FieldPath) -> None:
        """Asks the field's own rule; rules between fields are for combinations."""
        for problem in field_problems(TrialConfig, name, value):
            self.wrong(path, problem.rule, problem.value, problem.remedy)

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
        elif condition.name in self.types:
            self.wrong(path, "a parameter that has a choice in this search", condition.name, "search it, or drop it")
        else:
            near = difflib.get_close_matches(condition.name, list(self.found), n=1)
            remedy = f"did you mean {near[0]}?" if near else "name it as under search:"
            self.wrong(path, "a parameter of this search", condition.name, remedy)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
