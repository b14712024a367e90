from __future__ import annotations

import subprocess
import sys

import pytest

from hico_platform.stages.dry_run import plan_search
from tests.toy import toy_space


def test_the_plan() -> None:
    plan = plan_search(toy_space(trials=12), cpus=2, time_epoch=lambda config: 30.0)
    assert plan.first[0] == {"contrast.temperature": 0.2, "model.encoder": "transformer"}
    assert len(plan.first) == 5
    assert plan.rungs[1] == 12
    assert 12 > plan.rungs[3] > plan.rungs[9] >= 1
    assert plan.epochs_without_stopping == 108
    assert 12 < plan.epochs < 108
    assert plan.workers == 2
    assert plan.hours == pytest.approx(plan.epochs * 30 / 2 / 3600)
    assert plan.gpu_hours == 0
    assert plan.as_dict()["seconds_per_epoch"] == 30.0


def test_without_data_there_is_no_time() -> None:
    plan = plan_search(toy_space(trials=2, scheduler={"name": "none"}), cpus=1)
    assert (plan.hours, plan.gpu_hours) == (None, None)
    assert plan.epochs == plan.epochs_without_stopping == 18


def test_gpus_are_counted() -> None:
    space = toy_space(trials=4, scheduler={"name": "none"}, resources={"gpus": 0.5, "max_concurrent": 4})
    plan = plan_search(space, time_epoch=lambda config: 100.0)
    assert plan.workers == 4
    assert plan.gpu_hours == pytest.approx(4 * 9 * 100 * 0.5 / 3600)


def test_a_grid_has_no_more_trials_than_points() -> None:
    space = toy_space(trials=50, search={"model": {"encoder": {"choice": ["gru", "lstm"]}}}, sampler={"name": "grid"})
    assert plan_search(space, cpus=1).limit == 2


def test_where_the_first_trials_come_from() -> None:
    space = toy_space(
        trials=9,
        base={"contrast": {"temperature": 0.1}, "budget": {"epochs": 9}},
        points=[{"contrast.temperature": 0.3}],
    )
    plan = plan_search(space, cpus=1, warm_points=[{"contrast.temperature": 0.4, "model.encoder": "gru"}])
    assert plan.origins == ("released", "base", "listed", "warm start", "sampler")
    assert plan.first[0] == {"contrast.temperature": 0.2, "model.encoder": "transformer"}
    assert plan.as_dict()["origins"] == list(plan.origins)


def test_several_objectives() -> None:
    space = toy_space(trials=12, objectives=["knn_top1", "parameters"], sampler={"name": "nsga2"})
    assert plan_search(space, cpus=2).rungs[1] == 12


def test_no_ray_and_no_mlflow() -> None:
    code = (
        "import sys; from hico_platform.cli.main import main;"
        "assert main(['search', '--space', 'queue', '--dry-run']) == 0;"
        "assert not {'ray', 'mlflow', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "expected epochs" in done.stdout
