"""The numbers of a search that the toy trial runs, against its ledger."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from hico_platform.monitoring.search_metrics import SearchMetrics
from hico_platform.search.controller import SearchController
from hico_platform.search.execution_events import (
    DriverChecked,
    LossCause,
    MachineExcluded,
    WorkerAssigned,
    WorkerLost,
    WorkerProgressed,
    WorkerReleased,
)
from hico_platform.search.ledger.base import TrialState, best_trial
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.messages import CheckpointWrite
from hico_platform.search.notes import SESSIONS
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.state import SearchState
from hico_platform.search.stopping import busy_s
from tests.toy import FACTS, run_toy_task, toy_outcome, toy_report, toy_space
from tests.unit.monitoring.scraped import scraped

TRACKING = SimpleNamespace(waiting=(3, 1), behind_s=12.5, store_is_away=True, refused=2)
HISTORY = [(1, {"loss": 9.0, "loss_clip": 4.0, "loss_part": 5.0, "sequences_per_s": 80.0})]


class Run:
    """A search with its metrics, by a clock that stands still unless it is set."""

    def __init__(self, folder: Path, *, trials: int = 4, ledger: MemoryLedger | None = None, at_s: float = 1e3) -> None:
        self.now_s = at_s
        self.space = toy_space(trials=trials, stop={"gpu_hours": 2.0})
        self.ledger = ledger or MemoryLedger(name="toy", space=self.space, facts=FACTS, limit=trials, at_s=0.0)
        self.metrics = SearchMetrics("toy", home=folder, clock=self.clock)
        self.controller = SearchController(
            ledger=self.ledger,
            space=self.space,
            scheduler=make_scheduler(self.space.settings.scheduler, epochs=9),
            directory=folder,
            observe=self.metrics,
            clock=self.clock,
        )
        self.metrics.begin(
            self.ledger,
            space=self.space,
            report_epochs=self.controller.report_epochs,
            tracking=TRACKING,
            gpus=lambda: 0.5,
        )

    def clock(self) -> float:
        return self.now_s

    def begin(self) -> int:
        task = self.controller.next_task()
        assert task is not None
        return task.number

    def series(self) -> dict[str, dict[tuple[str, ...], float]]:
        return scraped(self.metrics.registry)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def run(**options: object) -> Run:
        made.append(Run(tmp_path, **options))
        return made[-1]

    yield run
    for one in made:
        one.metrics.close()


def test_the_numbers_are_those_of_the_ledger(make: Callable[..., Run]) -> None:
    run = make(trials=8)
    while task := run.controller.next_task():
        run.now_s += 10.0
        run_toy_task(run.controller, task)
    trials, found = run.ledger.trials(), run.series()
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED):
        count = sum(trial.state is state for trial in trials)
        assert found["hico_trials"][(state,)] == found["hico_trials_ended_total"][(state,)] == count
    assert found["hico_epochs_total"] == {(): sum(trial.epoch for trial in trials)}
    assert found["hico_trials_limit"] == {(): 8}
    best = best_trial(trials)
    assert best is not None
    assert found["hico_best_knn_top1"] == {(): best.reports[-1].metrics["knn_top1"]}
    assert found["hico_best_score"] == {("knn_top1",): best.value}
    for epoch in run.controller.report_epochs:
        at = [report for trial in trials for report in trial.reports if report.epoch == epoch]
        stopped = [report for report in at if report.decision == "stop"]
        assert found["hico_rung_reached_total"][(str(epoch),)] == len(at)
        assert found["hico_rung_stopped_total"][(str(epoch),)] == len(stopped)
    assert any(found["hico_rung_stopped_total"].values()), "else nothing was compared"
    assert "hico_trial_knn_top1" not in found, "no trial is at work"
    assert "hico_trial_info" not in found


def test_a_trial_at_work_has_series_until_it_ends(make: Callable[..., Run]) -> None:
    run = make()
    first, second = run.begin(), run.begin()
    run.metrics.on_execution(
        WorkerAssigned(number=first, host="gpu7", address="10.0.0.7", pid=42, gpus=("GPU-a", "GPU-b"))
    )
    run.metrics.on_execution(WorkerAssigned(number=second, host="gpu8", address="10.0.0.8", pid=43))
    run.now_s = 1060.0
    run.metrics.on_execution(WorkerProgressed(number=second, epochs_s=(2.0, 4.0)))
    run.controller.reported(first, toy_report(1, 0.4, history=HISTORY))
    found = run.series()
    assert found["hico_trial_info"] == {
        ("GPU-a", "10.0.0.7", "gpu7", "42", "0"): 1,
        ("GPU-b", "10.0.0.7", "gpu7", "42", "0"): 1,
        ("", "10.0.0.8", "gpu8", "43", "1"): 1,
    }
    assert found["hico_trial_knn_top1"] == found["hico_trial_score"] == {("0",): 0.4}
    assert found["hico_trial_epoch"] == {("0",): 1, ("1",): 0}
    assert found["hico_trial_next_report_epoch"] == {("0",): 3, ("1",): 1}
    assert found["hico_trial_last_report_timestamp_seconds"] == {("0",): 1060, ("1",): 1000}
    assert found["hico_trial_last_heartbeat_timestamp_seconds"] == {("0",): 1060, ("1",): 1060}
    assert found["hico_trial_loss"] == {("0",): 9.0}
    assert found["hico_trial_level_loss"] == {("clip", "0"): 4.0, ("part", "0"): 5.0}
    assert found["hico_trial_level_weight"][("clip", "1")] == 1.0
    assert found["hico_sequences_per_second"] == {(): 80.0}
    assert found["hico_epoch_seconds_sum"] == {(): 6.0}
    for number in (first, second):
        run.controller.finished(number, toy_outcome(1, stopped_early=True))
    gone = run.series()
    assert not [name for name in gone if name.startswith("hico_trial_")]
    assert gone["hico_sequences_per_second"] == {(): 0.0}
    assert gone["hico_trials"][("pruned",)] == 2


def test_a_trial_that_awaits_its_evaluation_awaits_no_report(make: Callable[..., Run]) -> None:
    run = make(trials=1)
    number = run.begin()
    for epoch in run.controller.report_epochs:
        run.controller.reported(number, toy_report(epoch, 0.1 * epoch))
    assert "hico_trial_next_report_epoch" not in run.series()


def test_gpu_seconds_are_those_that_the_stop_rule_counts(make: Callable[..., Run]) -> None:
    run = make(trials=3)
    for seconds in (100.0, 50.0):
        number = run.begin()
        run.now_s += seconds
        run.controller.reported(number, toy_report(1))
        run.controller.finished(number, toy_outcome(9))
    number = run.begin()
    run.now_s += 20.0
    run.controller.reported(number, toy_report(1))
    run.now_s += 5.0

    def spent(one: Run) -> float:
        sessions = one.ledger.note(SESSIONS)
        return sum(busy_s(trial, now_s=one.now_s, sessions=sessions) for trial in one.ledger.trials())

    found = run.series()
    assert found["hico_busy_seconds_total"] == {(): 175.0} == {(): spent(run)}
    assert found["hico_gpu_seconds_total"] == {(): 87.5}
    assert found["hico_gpu_budget_seconds"] == {(): 7200.0}
    assert found["hico_eta_seconds"] == {(): 75.0 - 25.0}
    resumed = make(trials=3, ledger=run.ledger, at_s=5000.0)
    resumed.begin()
    resumed.now_s = 5007.0
    assert resumed.series()["hico_busy_seconds_total"] == {(): 177.0} == {(): spent(resumed)}


def test_a_paused_trial_holds_no_gpu(make: Callable[..., Run]) -> None:
    run = make(trials=1)
    number = run.begin()
    run.now_s += 30.0
    run.metrics.on_execution(WorkerReleased(number=number))
    run.controller.paused(number)
    run.now_s += 1e5
    assert run.series()["hico_busy_seconds_total"] == {(): 30.0}
    assert run.begin() == number
    run.now_s += 12.0
    run.controller.reported(number, toy_report(9))
    run.controller.finished(number, toy_outcome(9))
    assert run.series()["hico_busy_seconds_total"] == {(): 42.0}
    assert busy_s(run.ledger.trials()[0], now_s=run.now_s, sessions=run.ledger.note(SESSIONS)) == 42.0


def test_a_resumed_search_goes_on_with_the_counts_of_its_earlier_drivers(make: Callable[..., Run]) -> None:
    run = make(trials=6)
    for _ in range(3):
        task = run.controller.next_task()
        assert task is not None
        run_toy_task(run.controller, task)
    number = run.begin()
    run.controller.reported(number, toy_report(1, 0.9))
    before = run.series()
    resumed = make(trials=6, ledger=run.ledger)
    after = resumed.series()
    for name in (
        "hico_trials", "hico_trials_ended_total", "hico_epochs_total", "hico_rung_reached_total", "hico_best_score",
        "hico_rung_stopped_total", "hico_trials_since_best",
    ):  # fmt: skip
        assert after[name] == before[name], name
    assert resumed.begin() == number
    assert resumed.series()["hico_trials"] == before["hico_trials"]
    assert resumed.series()["hico_trial_knn_top1"] == {(str(number),): 0.9}


def test_lost_workers_count_by_cause_and_only_retries_as_such(make: Callable[..., Run]) -> None:
    run = make()
    number = run.begin()
    run.metrics.on_execution(WorkerAssigned(number=number, host="a", address="", pid=1))
    assert set(run.series()["hico_retries_total"].values()) == {0.0}, "each is there before it first happens"
    run.metrics.on_execution(WorkerLost(number=number, cause=LossCause.OUT_OF_MEMORY, retried=True))
    run.metrics.on_execution(WorkerLost(number=number, cause=LossCause.OUT_OF_MEMORY, retried=False))
    run.metrics.on_execution(MachineExcluded(host="a"))
    found = run.series()
    assert found["hico_workers_lost_total"][("out_of_memory",)] == 2
    assert found["hico_retries_total"][("out_of_memory",)] == 1
    assert len(found["hico_retries_total"]) == len(LossCause)
    assert found["hico_machines_excluded"] == {(): 1}
    assert "hico_trial_info" not in found, "its worker is gone"


@pytest.mark.parametrize(
    "gone",
    [WorkerReleased(number=0), WorkerLost(number=0, cause=LossCause.PREEMPTED, retried=True)],
    ids=["paused", "lost"],
)
def test_of_a_trial_that_waits_for_a_worker_nothing_is_expected(
    make: Callable[..., Run], gone: WorkerReleased | WorkerLost
) -> None:
    run = make()
    number = run.begin()
    run.metrics.on_execution(WorkerAssigned(number=number, host="a", address="", pid=1))
    run.controller.reported(number, toy_report(1, 0.4, history=HISTORY))
    run.metrics.on_execution(gone)
    run.metrics.on_execution(WorkerProgressed(number=number))
    found = run.series()
    assert found["hico_trial_knn_top1"] == {("0",): 0.4}
    for name in ("last_heartbeat_timestamp_seconds", "last_report_timestamp_seconds", "next_report_epoch", "info"):
        assert f"hico_trial_{name}" not in found
    run.controller.lost(number, reason="gone")
    run.now_s = 9e4
    assert run.begin() == number
    assert run.series()["hico_trial_last_heartbeat_timestamp_seconds"] == {("0",): 9e4}


def test_writes_are_measured(make: Callable[..., Run]) -> None:
    run = make()
    timed = run.metrics.timed(run.ledger)
    timed.set_note("a", 1)
    number = run.begin()
    timed.record_run(number, "r")
    writes = (CheckpointWrite(seconds=0.5, size_bytes=2**20), CheckpointWrite(seconds=1.5, size_bytes=2**21))
    run.controller.reported(number, dataclasses.replace(toy_report(1), checkpoint_writes=writes))
    found = run.series()
    assert found["hico_ledger_write_seconds_count"] == {("note",): 2}
    assert found["hico_checkpoint_write_seconds_sum"] == {(): 2.0}
    assert found["hico_checkpoint_bytes_sum"] == {(): 3 * 2**20}
    assert found["hico_checkpoint_bytes_count"] == {(): 2}


def test_tracking_machine_and_heartbeat(make: Callable[..., Run]) -> None:
    run = make()
    while not run.metrics._sampler.latest.resident_bytes:
        pass
    found = run.series()
    assert found["hico_tracking_waiting"] == {("writes",): 3, ("uploads",): 1}
    assert (found["hico_tracking_behind_seconds"], found["hico_tracking_away"]) == ({(): 12.5}, {(): 1})
    assert found["hico_tracking_refused_total"] == {(): 2}
    assert 0 < found["hico_disk_free_bytes"][()] <= found["hico_disk_size_bytes"][()]
    assert found["hico_driver_resident_memory_bytes"][()] > 2**20
    assert 0 < found["hico_driver_open_files"][()] < found["hico_driver_open_files_limit"][()]
    assert found["hico_driver_heartbeat_timestamp_seconds"] == {(): 1000.0}
    run.now_s = 1100.0
    assert run.series()["hico_driver_heartbeat_timestamp_seconds"] == {(): 1100.0}, "it starts, and has no loop yet"
    run.metrics.on_execution(DriverChecked())
    run.now_s = 1200.0
    assert run.series()["hico_driver_heartbeat_timestamp_seconds"] == {(): 1100.0}


def test_at_the_end_no_trial_is_at_work(make: Callable[..., Run]) -> None:
    run = make()
    run.begin()
    assert run.series()["hico_search_state"][("running",)] == 1
    run.metrics.end(SearchState.INTERRUPTED)
    found = run.series()
    assert found["hico_search_state"] == {
        ("running",): 0, ("interrupted",): 1, ("finished",): 0, ("failed",): 0,
    }  # fmt: skip
    assert (found["hico_trials"][("running",)], found["hico_trials"][("interrupted",)]) == (0, 1)
    assert not [name for name in found if name.startswith("hico_trial_")]


def test_an_error_of_the_metrics_is_a_warning_and_no_more(
    make: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    run = make()
    run.metrics._at_work.begin = None
    with caplog.at_level(logging.WARNING):
        run.begin()
        run.begin()
    assert [record.getMessage()[:60] for record in caplog.records] == [
        "the metrics are not right from here on, the search goes on: "[:60]
    ]


def test_the_page_lists_every_metric_and_no_other(make: Callable[..., Run]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()
    listed = {
        name for line in page.splitlines() if line.startswith("| `") for name in re.findall(r"`(hico_\w+)`", line)
    }
    run = make()
    while not run.metrics._sampler.latest.resident_bytes:
        pass
    families = list(run.metrics.registry.collect())
    assert listed == {f"{one.name}_total" if one.type == "counter" else one.name for one in families} | {
        "hico_eta_seconds"
    }


def test_series_are_as_many_however_many_trials_there_were(make: Callable[..., Run]) -> None:
    def count(trials: int) -> int:
        run = make(trials=trials)
        for _ in range(trials):
            number = run.begin()
            run.controller.reported(number, toy_report(1, 0.5, history=HISTORY))
            run.controller.finished(number, toy_outcome(1, stopped_early=True))
        return sum(len(series) for name, series in run.series().items() if "disk" not in name)

    assert count(40) == count(4)


def test_names_and_units_follow_the_conventions_of_prometheus(make: Callable[..., Run]) -> None:
    run = make()
    run.begin()
    for family in run.metrics.registry.collect():
        assert family.name.startswith("hico_")
        assert family.documentation.endswith("."), family.name
        assert not family.unit or family.name.endswith(f"_{family.unit}"), family.name
        assert family.unit in {"", "seconds", "bytes"}, "base units"
    text = generate_latest(run.metrics.registry).decode()
    assert "_created" not in text
    assert "# UNIT hico_epoch_seconds seconds" in generate_openmetrics(run.metrics.registry).decode()
