"""The forms of a parameter in the ``search`` section of a space file: one value, a choice, a range, weights."""

from __future__ import annotations

import functools
import math
from enum import StrEnum
from typing import Annotated, Any, Generic, Self, TypeVar, cast

from pydantic import AfterValidator, Field, StrictBool, field_validator, model_validator

from hico_platform.config.pydantic_errors import Described, broken_rule, value_type, without_null
from hico_platform.config.schema import Number, Settings, field_types, leaves
from hico_platform.config.trial import TrialConfig

T = TypeVar("T")
W = TypeVar("W", bound=StrEnum)
F = TypeVar("F", bound=Settings)
MOST_STEPS = 1_000_000
_STEP = "choose another value"
_WEIGHT = "correct it"


def _with_values(when: dict[str, Any]) -> dict[str, Any]:
    for name, values in when.items():
        if values == []:
            raise broken_rule("at least one value", field=(name,), remedy="name the values, or drop it")
    return when


When = Annotated[
    dict[str, Any],
    Field(default_factory=dict, description="varied only where another parameter has this value or one of these"),
    AfterValidator(_with_values),
    Described("a mapping of parameter to value", "write {model.encoder: lstm}"),
]
"""The conditions of a parameter."""


class FixedForm(Settings, Generic[T]):
    """One value for all trials, or for those whose conditions hold."""

    fixed: T
    when: When


class ChoiceForm(Settings, Generic[T]):
    """One of some values."""

    choice: tuple[T, ...] = Field(json_schema_extra={"minItems": 2})
    when: When

    @field_validator("choice")
    @classmethod
    def _several_each_once(cls, choices: tuple[T, ...]) -> tuple[T, ...]:
        if len(choices) < 2:
            raise broken_rule("at least two values", remedy="write the value alone" if choices else "write [a, b]")
        return _each_once(choices, "values that differ")


class RangeForm(Settings, Generic[T]):
    """Numbers from ``low`` to ``high``, both included."""

    low: T
    high: T
    log: StrictBool = False
    step: Annotated[Number | None, Field(gt=0), Described("a number above 0", _STEP)] = None
    when: When

    @model_validator(mode="after")
    def _holds_numbers(self) -> Self:
        low, high, step = cast(float, self.low), cast(float, self.high), self.step
        if low >= high:
            remedy = "swap them, or widen the range"
            raise broken_rule(f"below high {high:g}", field=("low",), remedy=remedy)
        if self.log and step is not None and not (isinstance(low, int) and step == 1):
            raise broken_rule("no step on a log range", field=("step",), remedy="remove step or log")
        if self.log and low <= 0:
            raise broken_rule("above 0 on a log range", field=("low",), remedy="raise low or remove log")
        if step is None:
            return self
        steps = (high - low) / step
        if not steps < MOST_STEPS:
            rule, remedy = f"at most {MOST_STEPS:,} steps in a range", "take larger steps, or none"
            raise broken_rule(rule, field=("step",), remedy=remedy)
        if not math.isclose(steps, round(steps)):
            reached = low + math.floor(steps) * step
            remedy = f"take {reached:g}" if reached > low else f"take a step of at most {high - low:g}"
            raise broken_rule("the sum of low and a whole number of steps", field=("high",), remedy=remedy)
        return self


class WholeRangeForm(RangeForm[T], Generic[T]):
    """Whole numbers from ``low`` to ``high``."""

    step: Annotated[Number | None, Field(gt=0, multiple_of=1), Described("a whole number above 0", _STEP)] = None


class SimplexForm(Settings, Generic[W]):
    """Weights of a group that sum to ``sum``, which is their number by default."""

    simplex: tuple[W, ...] = Field(json_schema_extra={"minItems": 2, "uniqueItems": True})
    sum: Annotated[Number, Field(gt=0), Described("a number above 0", _WEIGHT)] = Field(
        default_factory=lambda given: float(len(given.get("simplex", ())))
    )
    low: Annotated[Number, Field(ge=0), Described("a number at least 0", _WEIGHT)] = 0.0
    high: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=True), Described("a number at least 0", _WEIGHT)] = (
        math.inf
    )
    when: When

    @field_validator("simplex")
    @classmethod
    def _several_each_once(cls, parts: tuple[W, ...]) -> tuple[W, ...]:
        if len(parts) < 2:
            names = ", ".join(type(parts[0])) if parts else "a, b"
            raise broken_rule("at least two weights", remedy=f"write [{names}]")
        return _each_once(parts, "each weight once")

    @model_validator(mode="after")
    def _can_sum(self) -> Self:
        count, total = len(self.simplex), self.sum
        equal = f"{total / count:g}"
        if self.low > self.high:
            raise broken_rule(f"at most high {self.high:g}", field=("low",), remedy="swap them")
        if count * self.low >= total:
            rule = f"below {equal}, so that {count} weights can sum to {total:g}"
            raise broken_rule(rule, field=("low",), remedy=f"take low below {equal}, or a larger sum")
        if count * self.high <= total:
            rule = f"above {equal}, so that {count} weights can sum to {total:g}"
            raise broken_rule(rule, field=("high",), remedy=f"take high above {equal}, or a smaller sum")
        return self


def _each_once(items: tuple[T, ...], rule: str) -> tuple[T, ...]:
    for index, item in enumerate(items):
        if item in items[:index]:
            raise broken_rule(rule, field=(index,), remedy="remove one of the two")
    return items


@functools.cache
def form_of(form: type[F], field: str) -> type[F]:
    """A form with the types and bounds of a trial's dotted field."""
    annotation = leaves(TrialConfig)[field].rebuild_annotation()
    if issubclass(form, RangeForm):
        annotation = without_null(annotation)
    return cast("type[F]", form.__class_getitem__(annotation))


def range_form(field: str) -> type[RangeForm[Any]]:
    """The form of a range of a trial's dotted field, which holds numbers."""
    is_whole = value_type(leaves(TrialConfig)[field].annotation) is int
    return form_of(WholeRangeForm if is_whole else RangeForm, field)


@functools.cache
def simplex_form(group: str) -> type[SimplexForm[Any]]:
    """The form of weights of a group."""
    weights = StrEnum(group, {name: name for name in weights_of(group)})  # type: ignore[misc]
    return cast("type[SimplexForm[Any]]", SimplexForm.__class_getitem__(weights))


def weights_of(group: str) -> tuple[str, ...]:
    """The fields of a group, where all of them are numbers; none where it is no such group."""
    inside = {name: kind for name, kind in field_types(TrialConfig).items() if name.startswith(f"{group}.")}
    weights = tuple(name.removeprefix(f"{group}.") for name in inside)
    return weights if all(kind is float for kind in inside.values()) and "." not in "".join(weights) else ()
