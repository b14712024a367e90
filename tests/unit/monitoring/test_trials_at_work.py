from __future__ import annotations

from typing import Any

import pytest

from hico_platform.monitoring.registry import SearchRegistry
from hico_platform.monitoring.trials_at_work import TrialsAtWork
from hico_platform.search.execution_events import WorkerAssigned
from hico_platform.search.ledger.base import TrialState
from tests.unit.monitoring.scraped import scraped
from tests.unit.search.handmade import report, trial

WORKER: dict[str, Any] = {"host": "gpu7", "address": "10.0.0.7", "pid": 42}
LOSSES = {"loss": 9.0, "loss_clip": 4.0, "loss_instance": 0.0, "sequences_per_s": 80.0}


class Watched:
    """The series, of trials that report after 1, 3 and 9 epochs."""

    def __init__(self) -> None:
        self.metrics = SearchRegistry("toy")
        self.at_work = TrialsAtWork(self.metrics, report_epochs=(1, 3, 9))

    def __getitem__(self, name: str) -> dict[tuple[str, ...], float]:
        return scraped(self.metrics.registry).get(f"hico_trial_{name}", {})

    def names(self) -> set[str]:
        return {name.removeprefix("hico_trial_") for name in scraped(self.metrics.registry)}


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_trial_that_is_handed_out_for_the_first_time(watched: Watched) -> None:
    watched.at_work.begin(trial(3, TrialState.RUNNING, curve={}), now_s=50.0)
    assert watched["epoch"] == {("3",): 0}
    assert watched["next_report_epoch"] == {("3",): 1}
    assert watched["last_report_timestamp_seconds"] == watched["last_heartbeat_timestamp_seconds"] == {("3",): 50}
    assert watched["level_weight"] == {(level, "3"): 1 for level in ("clip", "part", "domain", "instance")}
    assert not watched.names() & {"score", "knn_top1", "loss", "info"}


def test_one_that_is_resumed_has_what_it_reported(watched: Watched) -> None:
    weights = {"clip": 0.5, "part": 2}
    one = trial(3, TrialState.RUNNING, curve={1: 0.25, 3: 0.5}, config={"contrast": {"level_weights": weights}})
    watched.at_work.begin(one, now_s=50.0)
    assert (watched["epoch"], watched["score"]) == ({("3",): 3}, {("3",): 0.5})
    assert watched["next_report_epoch"] == {("3",): 9}
    assert watched["level_weight"] == {("clip", "3"): 0.5, ("part", "3"): 2.0}
    for config in (None, {}, {"contrast": None}, {"contrast": {}}):
        Watched().at_work.begin(trial(4, TrialState.RUNNING, config=config), now_s=1.0)


def test_a_report_shows_the_last_epoch_of_it(watched: Watched) -> None:
    history = ((1, {"loss": 99.0, "sequences_per_s": 1.0}), (2, LOSSES))
    metrics = {"knn_top1": 0.4, "feature_spread": 0.75, "retrieval_map": 0.1}
    watched.at_work.report(3, report(3, 0.5, metrics=metrics, history=history), now_s=70.0)
    assert watched["score"] == {("3",): 0.5}, "what the search goes by need not be kNN"
    assert (watched["knn_top1"], watched["feature_spread"]) == ({("3",): 0.4}, {("3",): 0.75})
    assert (watched["loss"], watched["sequences_per_second"]) == ({("3",): 9.0}, {("3",): 80.0})
    assert watched["level_loss"] == {("clip", "3"): 4.0, ("instance", "3"): 0.0}
    assert (watched["epoch"], watched["next_report_epoch"]) == ({("3",): 3}, {("3",): 9})
    assert watched["last_report_timestamp_seconds"] == watched["last_heartbeat_timestamp_seconds"] == {("3",): 70}
    watched.at_work.report(3, report(9, 0.6, metrics={}), now_s=80.0)
    assert watched["next_report_epoch"] == {}, "it is evaluated downstream"
    assert (watched["score"], watched["knn_top1"], watched["loss"]) == ({("3",): 0.6}, {("3",): 0.4}, {("3",): 9.0})


def test_the_speeds_of_all_are_added(watched: Watched) -> None:
    assert watched.at_work.sequences_per_second == 0.0
    for number, speed in ((3, 80.0), (4, 20.5)):
        watched.at_work.report(number, report(1, 0.5, history=((1, {"sequences_per_s": speed}),)), now_s=1.0)
    assert watched.at_work.sequences_per_second == 100.5
    watched.at_work.lose_worker(3)
    assert watched.at_work.sequences_per_second == 20.5
    assert watched["sequences_per_second"] == {("4",): 20.5}


def test_a_worker_has_a_series_for_each_gpu_and_only_the_last_worker_has(watched: Watched) -> None:
    watched.at_work.assign(WorkerAssigned(number=3, **WORKER, gpus=("GPU-a", "GPU-b")))
    assert watched["info"] == {(gpu, "10.0.0.7", "gpu7", "42", "3"): 1 for gpu in ("GPU-a", "GPU-b")}
    watched.at_work.assign(WorkerAssigned(number=3, **(WORKER | {"pid": 43})))
    assert watched["info"] == {("", "10.0.0.7", "gpu7", "43", "3"): 1}


def test_a_heartbeat_counts_while_a_worker_has_the_trial(watched: Watched) -> None:
    watched.at_work.hear(3, now_s=5.0)
    assert watched["last_heartbeat_timestamp_seconds"] == {}
    watched.at_work.assign(WorkerAssigned(number=3, **WORKER))
    watched.at_work.hear(3, now_s=6.0)
    assert watched["last_heartbeat_timestamp_seconds"] == {("3",): 6}
    assert watched["last_report_timestamp_seconds"] == {}
    watched.at_work.lose_worker(3)
    watched.at_work.hear(3, now_s=7.0)
    assert watched["last_heartbeat_timestamp_seconds"] == {}


def test_of_one_that_lost_its_worker_nothing_is_expected_and_its_scores_stay(watched: Watched) -> None:
    full(watched)
    watched.at_work.lose_worker(3)
    assert watched.names() == {
        "score", "knn_top1", "feature_spread", "epoch", "loss", "level_loss", "level_weight"
    }  # fmt: skip


def test_the_series_of_one_that_has_ended_end_and_the_others_stay(watched: Watched) -> None:
    full(watched)
    watched.at_work.begin(trial(4, TrialState.RUNNING, curve={1: 0.3}), now_s=1.0)
    watched.at_work.end(3)
    series = scraped(watched.metrics.registry)
    assert {labels[-1] for values in series.values() for labels in values} == {"4"}
    watched.at_work.end(4)
    watched.at_work.end(99)
    assert scraped(watched.metrics.registry) == {}


def test_the_names_of_labels_are_those_by_which_boards_and_rules_join(watched: Watched) -> None:
    full(watched)
    names = {
        sample.name.removeprefix("hico_trial_"): set(sample.labels) - {"search", "trial"}
        for family in watched.metrics.registry.collect()
        for sample in family.samples
        if "trial" in sample.labels
    }
    assert len(names) == 12
    assert {name: labels for name, labels in names.items() if labels} == {
        "info": {"node", "ip", "pid", "gpu"}, "level_loss": {"level"}, "level_weight": {"level"},
    }  # fmt: skip


def full(watched: Watched) -> None:
    """Trial 3 with every series that there is."""
    watched.at_work.begin(trial(3, TrialState.RUNNING, curve={}), now_s=50.0)
    watched.at_work.assign(WorkerAssigned(number=3, **WORKER))
    metrics = {"knn_top1": 0.4, "feature_spread": 0.75}
    watched.at_work.report(3, report(1, 0.5, metrics=metrics, history=((1, LOSSES),)), now_s=70.0)
    assert len(watched.names()) == 12
