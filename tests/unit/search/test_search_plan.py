from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.search.cost import Machine, Timing
from hico_platform.search.search_plan import plan_search, workers_of
from hico_platform.worker.timing import time_trials
from tests.small import small_config, small_split, small_store
from tests.toy import toy_space
from tests.unit.worker.test_gpu_memory import Data

TWO_CPUS = Machine(cpus=2, gpus=0)


def test_the_plan() -> None:
    def timing(configs: object) -> Timing:
        return Timing(epoch_s=30.0, report_s=1.0, evaluation_s=10.0)

    plan = plan_search(toy_space(trials=12), machine=TWO_CPUS, time_trial=timing)
    assert plan.first[0] == {"contrast.temperature": 0.2, "model.encoder": "transformer"}
    assert len(plan.first) == 5
    assert plan.rungs[1] == 12
    assert 12 > plan.rungs[3] > plan.rungs[9] >= 1
    assert plan.epochs_without_stopping == 108
    assert 12 < plan.epochs < 108
    assert plan.workers == 2
    reports = sum(plan.rungs.values())
    assert plan.hours == pytest.approx((plan.epochs * 30 + reports + 12 * 10) / 2 / 3600)
    assert plan.gpu_hours == 0
    assert plan.as_dict()["seconds_per_epoch"] == 30.0


def test_without_data_there_is_no_time() -> None:
    plan = plan_search(toy_space(trials=2, scheduler={"name": "none"}), machine=Machine(cpus=1, gpus=0))
    assert (plan.hours, plan.gpu_hours) == (None, None)
    assert plan.epochs == plan.epochs_without_stopping == 18


def test_checkpoints_are_counted_by_the_rule() -> None:
    machine = Machine(cpus=1, gpus=0)

    def timed(configs: object) -> Timing:
        return Timing(epoch_s=1.0, report_s=0.0, evaluation_s=0.0, checkpoint_bytes=1000.0, encoder_bytes=100.0)

    whole = plan_search(toy_space(trials=7, scheduler={"name": "none"}), machine=machine, time_trial=timed)
    assert (whole.kept, whole.bytes_on_disk, whole.bytes_at_most) == ((7.0, 0.0), 14_000.0, 16_000.0)
    space = toy_space(trials=7, scheduler={"name": "none"}, keep={"best": 2, "per_rung": 0})
    less = plan_search(space, machine=machine, time_trial=timed)
    assert (less.kept, less.bytes_on_disk, less.bytes_at_most) == ((2.0, 5.0), 2_500.0, 4_500.0)
    none = toy_space(trials=7, scheduler={"name": "none"}, keep={"best": 2, "per_rung": 0, "encoder_only": "none"})
    assert plan_search(none, machine=machine, time_trial=timed).as_dict()["checkpoints"]["bytes_on_disk"] == 2_000.0
    assert plan_search(none, machine=machine).bytes_on_disk is None


def test_gpus_are_counted() -> None:
    space = toy_space(trials=4, scheduler={"name": "none"}, resources={"gpus": 0.5, "max_concurrent": 4})
    plan = plan_search(
        space,
        machine=Machine(cpus=8, gpus=2),
        time_trial=lambda configs: Timing(epoch_s=100.0, report_s=0.0, evaluation_s=0.0),
    )
    assert plan.workers == 4
    assert plan.gpu_hours == pytest.approx(4 * 9 * 100 * 0.5 / 3600)


@pytest.mark.parametrize(
    ("resources", "machine", "workers"),
    [
        ({"cpus": 2}, Machine(cpus=8, gpus=4), 4),
        ({"gpus": 0.25}, Machine(cpus=8, gpus=1), 4),
        ({"gpus": 0.25}, Machine(cpus=8, gpus=0), 4),  # as if on one GPU elsewhere
        ({"gpus": 0.25}, Machine(cpus=3, gpus=1), 3),
        ({"gpus": 2}, Machine(cpus=8, gpus=4), 2),
        ({"gpus": "auto"}, Machine(cpus=32, gpus=2, gpus_per_trial=0.1), 20),
        ({"gpus": "auto"}, Machine(cpus=8, gpus=0, gpus_per_trial=0.0), 8),
        ({"gpus": "auto", "max_concurrent": 3}, Machine(cpus=8, gpus=0), 3),
    ],
)
def test_trials_at_once(resources: dict, machine: Machine, workers: int) -> None:
    assert workers_of(toy_space(resources=resources), machine=machine) == workers


def test_points_of_earlier_searches_are_shown() -> None:
    point = {"contrast.temperature": 0.07, "model.encoder": "gru"}
    plan = plan_search(toy_space(trials=3), machine=TWO_CPUS, warm_points=[point])
    assert point in plan.first


def test_trials_are_timed(tmp_path: Path) -> None:
    data = Data(small_split(small_store(tmp_path / "store")))
    timing = time_trials([small_config(), small_config(model__encoder="lstm")], data=data, cpus=1, gpus=0)
    assert timing.epoch_s > 0
    assert timing.report_s > 0
    assert timing.evaluation_s > 0


def test_a_grid_has_no_more_trials_than_points() -> None:
    space = toy_space(trials=50, search={"model": {"encoder": {"choice": ["gru", "lstm"]}}}, sampler={"name": "grid"})
    assert plan_search(space, machine=TWO_CPUS).limit == 2


def test_where_the_first_trials_come_from() -> None:
    space = toy_space(
        trials=9,
        base={"contrast": {"temperature": 0.1}, "budget": {"epochs": 9}},
        points=[{"contrast.temperature": 0.3}],
    )
    plan = plan_search(space, machine=TWO_CPUS, warm_points=[{"contrast.temperature": 0.4, "model.encoder": "gru"}])
    assert plan.origins == ("released", "base", "listed", "warm start", "sampler")
    assert plan.first[0] == {"contrast.temperature": 0.2, "model.encoder": "transformer"}
    assert plan.as_dict()["origins"] == list(plan.origins)


def test_several_objectives() -> None:
    space = toy_space(trials=12, objectives=["knn_top1", "parameters"], sampler={"name": "nsga2"})
    assert plan_search(space, machine=TWO_CPUS).rungs[1] == 12


@pytest.mark.slow
def test_no_ray_and_no_mlflow() -> None:
    code = (
        "import sys; from hico_platform.cli.main import main;"
        "assert main(['search', '--space', 'queue', '--dry-run']) == 0;"
        "assert not {'ray', 'mlflow', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "expected epochs" in done.stdout


def test_gpus_that_are_still_to_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["search", "--space", "queue", "--dry-run", "--set", "resources.gpus=auto", "--home", str(tmp_path)]
    assert main(words) == 0
    assert "GPUs: measured when the search begins" in capsys.readouterr().out
