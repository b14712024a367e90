from __future__ import annotations

from pathlib import Path

import pytest

import hico_platform as hico
from tests.small import small_store


def test_a_plan_is_made_and_nothing_is_begun(tmp_path: Path) -> None:
    home = tmp_path / "home"
    plan = hico.plan_search("level_weights", trials=7, set={"budget.epochs": 9}, home=home, cpus=2)
    assert (plan.limit, plan.hours, plan.epochs_without_stopping) == (7, None, 63)
    assert plan.as_dict()["trials"] == 7
    assert not home.exists()


@pytest.mark.slow
def test_with_data_it_has_hours(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=72)
    space = {
        "name": "small",
        "base": {
            "model": {"encoder": "gru", "hidden_width": 8},
            "contrast": {"queue_size": 16},
            "views": {"frames": 16},
            "budget": {"epochs": 3, "batch_size": 8},
        },
        "search": {"contrast.temperature": {"low": 0.05, "high": 0.5}},
        "trials": 2,
        "transfer": None,
        "protocol": "odd-subjects",
    }
    plan = hico.plan_search(space, data=store.directory, home=tmp_path / "home", cpus=1)
    assert plan.hours is not None
    assert plan.hours > 0


def test_what_could_not_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(hico.UsageError, match="trials: expected at least 1"):
        hico.plan_search("level_weights", trials=0, home=tmp_path)
    with pytest.raises(hico.ConfigError):
        hico.plan_search("level_weights", set={"budget.epoch": 9}, home=tmp_path)
    with pytest.raises(hico.UsageError, match="name"):
        hico.plan_search("level_weights", name="../out", home=tmp_path)


def test_a_plan_refuses_what_a_search_refuses(tmp_path: Path) -> None:
    """Both take their arguments from ``asked_search``."""
    for run in (hico.search, hico.plan_search):
        with pytest.raises(hico.UsageError, match="take_over: expected a search that is resumed"):
            run("level_weights", take_over=True, home=tmp_path)
