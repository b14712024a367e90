"""Names of plug-ins beside this package's own; tests/unit/test_plug_ins.py installs and loads real ones."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from hico_platform import plug_in_names as module
from hico_platform.plug_in_names import NamesWithPlugIns, PlugInGroup, plug_ins


class Fruit(NamesWithPlugIns):
    """Names of this test's own."""

    APPLE = "apple"
    PEAR = "pear"

    @classmethod
    def group(cls) -> PlugInGroup:
        """Where others would name theirs."""
        return PlugInGroup.READERS


def point(name: str, package: str | None = "hico-fruit", version: str = "1.2") -> SimpleNamespace:
    dist = None if package is None else SimpleNamespace(name=package, version=version)
    return SimpleNamespace(name=name, dist=dist)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The groups that were asked for; readers are plum of two packages, apple, and fig of a package without a name."""
    asked: list[str] = []
    points = [point("plum", "zoo"), point("plum"), point("apple"), point("fig", None)]

    def entry_points(*, group: str) -> list[SimpleNamespace]:
        asked.append(group)
        return points if group == PlugInGroup.READERS.value else []

    monkeypatch.setattr(module, "entry_points", entry_points)
    plug_ins.cache_clear()
    yield asked
    plug_ins.cache_clear()
    for name in set(Fruit._value2member_map_) - {"apple", "pear"}:
        del Fruit._value2member_map_[name]


def test_each_with_the_package_that_brings_it(installed: list[str]) -> None:
    found = plug_ins(PlugInGroup.READERS)
    assert list(found) == ["apple", "fig", "plum"]
    assert str(found["plum"]) == "reader plum of hico-fruit 1.2", "of two packages the first by its name"
    assert str(found["fig"]) == "reader fig of an unknown package unknown"
    plug_ins(PlugInGroup.READERS)
    assert installed == ["hico_platform.readers"], "looked up once"


def test_the_groups_that_other_packages_name() -> None:
    assert {group.value: group.noun for group in PlugInGroup} == {
        "hico_platform.encoders": "encoder",
        "hico_platform.evaluation_tasks": "task",
        "hico_platform.readers": "reader",
        "hico_platform.samplers": "sampler",
        "hico_platform.schedulers": "scheduler",
    }


def test_a_plug_in_is_a_value_and_no_member() -> None:
    plum = Fruit("plum")
    assert plum.is_plug_in
    assert not Fruit.APPLE.is_plug_in
    assert Fruit("plum") is plum
    assert (plum.value, str(plum), plum.name) == ("plum", "plum", "plum")
    assert list(Fruit) == [Fruit.APPLE, Fruit.PEAR]
    assert Fruit.all_names() == ("apple", "pear", "fig", "plum"), "an own name is not given away"
    assert pickle.loads(pickle.dumps(plum)) is plum
    assert len({plum, Fruit("plum"), Fruit.PEAR}) == 2


@pytest.mark.parametrize("value", ["cherry", "", "APPLE", 3, None])
def test_what_nobody_has_is_no_name(value: object) -> None:
    with pytest.raises(ValueError, match="is not a valid Fruit"):
        Fruit(value)


def test_every_kind_says_where_its_plug_ins_are_named() -> None:
    with pytest.raises(NotImplementedError):
        NamesWithPlugIns.group()
