"""What other packages bring by entry points: encoders, tasks, readers, samplers, schedulers; named, and not imported.

``plug_ins.py`` loads them. A name of this package is not given away.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import Self


class PlugInGroup(StrEnum):
    """A group of entry points; docs/api.md says what each of them names."""

    ENCODERS = "hico_platform.encoders"
    TASKS = "hico_platform.evaluation_tasks"
    READERS = "hico_platform.readers"
    SAMPLERS = "hico_platform.samplers"
    SCHEDULERS = "hico_platform.schedulers"

    @property
    def noun(self) -> str:
        """One of them, in words."""
        return {
            PlugInGroup.ENCODERS: "encoder",
            PlugInGroup.TASKS: "task",
            PlugInGroup.READERS: "reader",
            PlugInGroup.SAMPLERS: "sampler",
            PlugInGroup.SCHEDULERS: "scheduler",
        }[self]


@dataclass(frozen=True, kw_only=True)
class PlugIn:
    """An entry point, with the package that brings it."""

    group: PlugInGroup
    name: str
    package: str
    version: str
    point: EntryPoint

    def __str__(self) -> str:
        """``encoder mine of hico-extras 1.2``, as it is recorded with what it was used for."""
        return f"{self.group.noun} {self.name} of {self.package} {self.version}"


@functools.cache
def plug_ins(group: PlugInGroup) -> Mapping[str, PlugIn]:
    """The plug-ins of a group by name; of several of one name the first package by its name counts."""
    found = [
        PlugIn(
            group=group,
            name=point.name,
            package="an unknown package" if point.dist is None else point.dist.name,
            version="unknown" if point.dist is None else point.dist.version,
            point=point,
        )
        for point in entry_points(group=group.value)
    ]
    by_name: dict[str, PlugIn] = {}
    for one in sorted(found, key=lambda one: (one.name, one.package)):
        by_name.setdefault(one.name, one)
    return by_name


_missing: ContextVar[set[tuple[PlugInGroup, str]] | None] = ContextVar("missing", default=None)


@contextlib.contextmanager
def missing_plug_ins_named() -> Iterator[set[tuple[PlugInGroup, str]]]:
    """In the block names of plug-ins that are not installed pass, and are collected: of records that are looked at.

    What is recorded can be shown without the code. What trains asks for it outside such a block, and is refused.
    """
    found: set[tuple[PlugInGroup, str]] = set()
    token = _missing.set(found)
    try:
        yield found
    finally:
        _missing.reset(token)


class NamesWithPlugIns(StrEnum):
    """Names of this package's own, which are its members; a plug-in's name is a value of the type and no member.

    So iterating over the type gives what this package has, and a plug-in's name passes wherever an own one does.
    """

    @classmethod
    def group(cls) -> PlugInGroup:
        """Where plug-ins of this kind are named."""
        raise NotImplementedError

    @classmethod
    def all_names(cls) -> tuple[str, ...]:
        """The package's own, then the plug-ins'."""
        own = tuple(member.value for member in cls)
        return (*own, *(name for name in plug_ins(cls.group()) if name not in own))

    @property
    def is_plug_in(self) -> bool:
        """Whether another package brings it."""
        return self.value not in type(self).__members__.values()

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """A value for a plug-in's name; the same one each time, so that it can be compared by ``is``."""
        if not isinstance(value, str):
            return None
        known = cls._value2member_map_.get(value)
        if known is not None:
            return known  # type: ignore[return-value]
        if value not in plug_ins(cls.group()):
            missing = _missing.get()
            if missing is None:
                return None
            missing.add((cls.group(), value))
            return cls._made(value)  # not kept: outside the block the name is refused
        made = cls._made(value)
        cls._value2member_map_[value] = made
        return made

    @classmethod
    def _made(cls, value: str) -> Self:
        made = str.__new__(cls, value)
        made._name_ = value
        made._value_ = value
        return made
