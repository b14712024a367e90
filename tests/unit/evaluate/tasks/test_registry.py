from __future__ import annotations

import pytest

from hico_platform.errors import UsageError
from hico_platform.evaluate.tasks import registry


def test_a_task_of_another_package_comes_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        name, quick = "other", True

    monkeypatch.setattr(registry, "plug_ins", lambda group: {"other": None})
    monkeypatch.setattr(registry, "made", lambda group, name: Other())
    assert list(registry.tasks()) == [*(task.name for task in registry.OWN), "other"]
    assert [task.name for task in registry.chosen(["other", "knn"])] == ["knn", "other"]


def test_an_unknown_task_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"names of knn.*got 'knnn'"):
        registry.chosen(["knnn"])
