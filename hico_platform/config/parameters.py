"""What a search varies: ranges, choices and weights on a simplex, each with its conditions.

A sampler sees *coordinates*: independent ranges and choices. A range or a choice is its own coordinate; K
weights that keep their sum are K-1 shares in [0, 1] (:class:`Simplex`).
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from hico_platform.config.schema import Scalar


@dataclass(frozen=True, kw_only=True)
class ActiveWhen:
    """A parameter is varied only where ``name`` has one of ``values``; elsewhere it keeps the base's value."""

    name: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """Base of what a search varies; ``name`` is a dotted field of the trial configuration, or a group."""

    name: str
    when: tuple[ActiveWhen, ...] = ()

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The dotted fields that this parameter sets."""

    @abstractmethod
    def coordinates(self) -> tuple[Range | Choice, ...]:
        """What a sampler draws."""

    @abstractmethod
    def decode(self, drawn: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Values of :attr:`fields` from values of the coordinates."""

    @abstractmethod
    def encode(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The coordinates of the nearest point to ``values``, the inverse of :meth:`decode`."""

    @abstractmethod
    def extremes(self) -> tuple[Mapping[str, Scalar], ...]:
        """Values of the fields at the corners: each choice, each end of a range."""


@dataclass(frozen=True, kw_only=True)
class FieldParameter(Parameter):
    """A parameter of one field."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The field itself."""
        return (self.name,)

    def decode(self, drawn: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The drawn value."""
        return {self.name: drawn[self.name]}


@dataclass(frozen=True, kw_only=True)
class Range(FieldParameter):
    """Numbers from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    integer: bool = False

    def coordinates(self) -> tuple[Range | Choice, ...]:
        """The range itself."""
        return (self,)

    def encode(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The nearest number in the range; its middle where there is no value."""
        given = values.get(self.name)
        if given is None:
            given = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        value = min(max(float(given), self.low), self.high)
        if self.step is not None:
            value = self._number(min(round((value - self.low) / self.step), self.size - 1))
        return {self.name: round(value) if self.integer else value}

    @property
    def size(self) -> int:
        """How many numbers a stepped or whole range has."""
        low, high, step = (Decimal(str(number)) for number in (self.low, self.high, self.step or 1))
        return int((high - low) // step) + 1

    def grid(self) -> tuple[Scalar, ...]:
        """Every number of a stepped or whole range."""
        numbers = [self._number(index) for index in range(self.size)]
        return tuple(round(number) for number in numbers) if self.integer else tuple(numbers)

    def _number(self, index: int) -> float:
        """The number ``index`` steps above the lowest, computed in decimal as a file writes it.

        In binary 0.1 + 2 * 0.1 lies above 0.3, where Optuna finds it outside of the range.
        """
        return float(Decimal(str(self.low)) + index * Decimal(str(self.step or 1)))

    def extremes(self) -> tuple[Mapping[str, Scalar], ...]:
        """Both ends."""
        kind = int if self.integer else float
        return ({self.name: kind(self.low)}, {self.name: kind(self.high)})


@dataclass(frozen=True, kw_only=True)
class Choice(FieldParameter):
    """One of some values, in no order; a field that may be unset may have null among them."""

    choices: tuple[Scalar, ...]

    def coordinates(self) -> tuple[Range | Choice, ...]:
        """The choice itself."""
        return (self,)

    def encode(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The value itself where it is a choice; else the nearest number, or the first choice."""
        value = values.get(self.name)
        if value in self.choices:
            return {self.name: self.choices[self.choices.index(value)]}
        numbers = [choice for choice in self.choices if choice is not None and _is_number(choice)]
        if value is not None and _is_number(value) and numbers:
            return {self.name: min(numbers, key=lambda number: abs(float(number) - float(value)))}
        return {self.name: self.choices[0]}

    @property
    def size(self) -> int:
        """How many choices there are."""
        return len(self.choices)

    def grid(self) -> tuple[Scalar, ...]:
        """Every choice."""
        return self.choices

    def extremes(self) -> tuple[Mapping[str, Scalar], ...]:
        """Every choice."""
        return tuple({self.name: choice} for choice in self.choices)


@dataclass(frozen=True, kw_only=True)
class Fixed(FieldParameter):
    """One value, for the search at hand or only where its conditions hold."""

    value: Scalar

    def coordinates(self) -> tuple[Range | Choice, ...]:
        """None: nothing is drawn."""
        return ()

    def decode(self, drawn: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The value."""
        return {self.name: self.value}

    def encode(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Nothing."""
        return {}

    def extremes(self) -> tuple[Mapping[str, Scalar], ...]:
        """The value."""
        return ({self.name: self.value},)


@dataclass(frozen=True, kw_only=True)
class Simplex(Parameter):
    """K weights ``parts`` of the group ``name``, each in [low, high], that always sum to ``total``.

    The map from K-1 shares, uniform in [0, 1], is stick-breaking: with m weights still to give, weight i
    takes of what is left (above the lower bounds) the part 1 - (1 - u_i)^(1/(m-1)), whose law is
    Beta(1, m-1); the last weight is the rest. Uniform shares are uniform weights on the simplex, that is
    Dirichlet(1, ..., 1), truncated share by share where ``high`` binds. The map has one point for each
    weight vector, so any given weights can be put to the sampler, and no coordinate is redundant, as one
    of K normalised weights would be.
    """

    parts: tuple[str, ...]
    total: float
    low: float = 0.0
    high: float = math.inf

    @property
    def fields(self) -> tuple[str, ...]:
        """The group's weights."""
        return tuple(f"{self.name}.{part}" for part in self.parts)

    def coordinates(self) -> tuple[Range | Choice, ...]:
        """Shares of all weights but the last, named ``GROUP.PART.share``."""
        return tuple(Range(name=f"{field}.share", low=0.0, high=1.0) for field in self.fields[:-1])

    def decode(self, drawn: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Weights that sum to ``total``."""
        weights: dict[str, Scalar] = {}
        left = self.total
        for index, field in enumerate(self.fields[:-1]):
            floor, free, first, last, power = self._stick(index, left)
            mass = first + float(drawn[f"{field}.share"]) * (last - first)
            weight = floor + free * (1 - (1 - mass) ** (1 / power))
            weights[field] = weight
            left -= weight
        weights[self.fields[-1]] = min(max(left, self.low), self.high)
        return weights

    def encode(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Shares of the given weights, after scaling them to ``total`` and clipping to the bounds."""
        given = sum(float(values[field]) for field in self.fields)
        scale = self.total / given if given > 0 else 0.0
        shares: dict[str, Scalar] = {}
        left = self.total
        for index, field in enumerate(self.fields[:-1]):
            floor, free, first, last, power = self._stick(index, left)
            taken = (float(values[field]) * scale - floor) / free if free > 0 else 0.0
            mass = min(max(1 - (1 - min(max(taken, 0.0), 1.0)) ** power, first), last)
            shares[f"{field}.share"] = (mass - first) / (last - first) if last > first else 0.5
            left -= floor + free * (1 - (1 - mass) ** (1 / power))
        return shares

    def extremes(self) -> tuple[Mapping[str, Scalar], ...]:
        """Each weight in turn at its largest with the others equal, and all weights equal."""
        count = len(self.parts)
        most = min(self.high, self.total - (count - 1) * self.low)
        rest = (self.total - most) / (count - 1)
        peaks = [{field: most if field == peak else rest for field in self.fields} for peak in self.fields]
        return (*peaks, dict.fromkeys(self.fields, self.total / count))

    def _stick(self, index: int, left: float) -> tuple[float, float, float, float, int]:
        """Floor, mass above the floors, the cumulative law at both bounds, and its power, of weight ``index``."""
        remaining = len(self.parts) - index
        free = max(left - remaining * self.low, 0.0)
        if free <= 0:
            return self.low, 0.0, 0.0, 0.0, remaining - 1
        least = max(left - (remaining - 1) * self.high - self.low, 0.0) / free
        most = min((self.high - self.low) / free, 1.0)
        power = remaining - 1
        return self.low, free, 1 - (1 - least) ** power, 1 - (1 - most) ** power, power


def uniform(axis: Range | Choice, *, draw: random.Random) -> Scalar:
    """A value drawn uniformly on the coordinate's scale (linear or logarithmic)."""
    if isinstance(axis, Choice):
        return draw.choice(axis.choices)
    if axis.log:
        value = math.exp(draw.uniform(math.log(axis.low), math.log(axis.high)))
    else:
        value = draw.uniform(axis.low, axis.high)
    return axis.encode({axis.name: value})[axis.name]


def _is_number(value: Scalar | None) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
