"""The metrics of one running search, from the same events that its tracking gets.

Trials count as the ledger has them: a search that is resumed goes on with the counts of its earlier drivers. Nothing
here may hold up or end a search: events only set numbers, what takes time is looked at by other threads, and an error
is a warning.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, assert_never

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hico_platform.config.space import CheckedSpace
from hico_platform.enums import Decision
from hico_platform.monitoring.best import BestOfSearch, Scored
from hico_platform.monitoring.registry import PREFIX, SEARCH, SearchRegistry
from hico_platform.monitoring.sampler import Sampler, sample
from hico_platform.monitoring.timed_ledger import timed_ledger
from hico_platform.monitoring.trials_at_work import KNN, TrialsAtWork
from hico_platform.search.eta import ExpectedEpochs, Work, seconds_left_by
from hico_platform.search.events import Event, TrialBegan, TrialEnded, TrialReported
from hico_platform.search.execution_events import (
    DriverChecked,
    ExecutionEvent,
    LossCause,
    MachineExcluded,
    WorkerAssigned,
    WorkerLost,
    WorkerProgressed,
    WorkerReleased,
)
from hico_platform.search.ledger.base import Ending, Ledger, ReportRecord, TrialRecord
from hico_platform.search.notes import SESSIONS
from hico_platform.search.state import SearchState, TrialStatus, trial_status
from hico_platform.search.stopping import busy_s

_log = logging.getLogger(__name__)

HOUR_S = 3600.0
_WRITE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_CHECKPOINT_BYTES = tuple(float(4**power) for power in range(8, 18))  # 64 KiB to 16 GiB
# At most a factor 1.5 apart, so that the median in "3 times the median epoch" is one.
_EPOCH_S = tuple(
    round(base * 2.0**power, 4) for power in range(-5, 13) for base in (1.0, 1.5) if base * 2.0**power < 10_000
)
WRITES, UPLOADS = "writes", "uploads"


class TrackingQueue(Protocol):
    """What waits for the tracking store (:class:`~hico_platform.tracking.background.BackgroundLogger`)."""

    @property
    def waiting(self) -> tuple[int, int]:
        """Writes and uploads that are not made yet."""

    @property
    def behind_s(self) -> float:
        """For how long the oldest of them has waited."""

    @property
    def store_is_away(self) -> bool:
        """Whether the store took nothing when it was last tried."""

    @property
    def refused(self) -> int:
        """Writes that the store refused."""


class SearchMetrics:
    """An observer of a search and of its workers that keeps their numbers for Prometheus.

    Args:
        search: the name of the search, which every series has as a label.
        home: the folder whose disk is looked at.
        clock: Unix time in seconds.
    """

    def __init__(self, search: str, *, home: Path, clock: Callable[[], float] = time.time) -> None:
        self._metrics = metrics = SearchRegistry(search)
        self.registry = metrics.registry
        self._clock = clock
        self._sampler = Sampler(lambda: sample(home))
        self._warned = False
        self._state = metrics.gauge("search_state", "1 for the state that the search is in, else 0.", "state")
        self._trials = metrics.gauge("trials", "Trials of the search by state.", "state")
        self._ended = metrics.counter("trials_ended", "Trials that have ended, by how.", "state")
        self._limit = metrics.gauge("trials_limit", "Trials after which the search ends.")
        self._best_score = metrics.gauge(
            "best_score", "Validation score of the best trial so far, by which the search goes.", "signal"
        )
        self._best_knn = metrics.gauge("best_knn_top1", "Validation kNN top-1 (0 to 1) of the best trial so far.")
        self._since_best = metrics.gauge("trials_since_best", "Complete trials since the best of them.")
        self._reached = metrics.counter("rung_reached", "Trials that reported after this epoch.", "epoch")
        self._stopped = metrics.counter("rung_stopped", "Trials that were stopped early after this epoch.", "epoch")
        self._epochs = metrics.counter("epochs", "Epochs that trials have trained, as they reported.")
        self._epoch_s = metrics.histogram(
            "epoch_seconds", "Seconds of an epoch of a trial, without validation.", unit="seconds", buckets=_EPOCH_S
        )
        self._lost = metrics.counter("workers_lost", "Workers that a trial lost, by why.", "reason")
        self._retries = metrics.counter("retries", "Trials that were handed out again, by why.", "reason")
        self._excluded = metrics.gauge("machines_excluded", "Machines that get no further trial.")
        self._ledger_s = metrics.histogram(
            "ledger_write_seconds", "Seconds of a write to the study, by what is written.", "operation",
            unit="seconds", buckets=_WRITE_S,
        )  # fmt: skip
        self._checkpoint_s = metrics.histogram(
            "checkpoint_write_seconds", "Seconds of writing a checkpoint, on a worker.",
            unit="seconds", buckets=_WRITE_S,
        )  # fmt: skip
        self._checkpoint_bytes = metrics.histogram(
            "checkpoint_bytes", "Size of each checkpoint that was written.", unit="bytes", buckets=_CHECKPOINT_BYTES
        )
        self._budget = metrics.gauge(
            "gpu_budget_seconds", "GPU-seconds after which the search ends (stop.gpu_hours).", unit="seconds"
        )
        self._info = metrics.gauge(
            "search_info", "What the search is; always 1.",
            "protocol", "dataset", "signal", "scheduler", "sampler", "version",
        )  # fmt: skip
        self._counts: Counter[TrialStatus] = Counter()
        self._best = BestOfSearch()
        self._at_work: TrialsAtWork | None = None
        self._tracking: TrackingQueue | None = None
        self._gpus: Callable[[], float] = lambda: 0.0
        self._signal = ""
        self._trials_limit = 0
        self._checked_s: float | None = None
        self._lock = threading.Lock()
        self._spent_s = self._ended_spent_s = 0.0
        self._ended_epochs = 0
        self._expected: ExpectedEpochs | None = None
        self._spent_before: dict[int, float] = {}
        self._since_s: dict[int, float] = {}
        self._epoch_of: dict[int, int] = {}
        self.registry.register(_Measured(self))

    def timed(self, ledger: Ledger) -> Ledger:
        """The ledger, with the seconds of its writes measured."""
        return timed_ledger(ledger, written=lambda what, seconds: self._ledger_s(what).observe(seconds))

    def begin(
        self,
        ledger: Ledger,
        *,
        space: CheckedSpace,
        report_epochs: Sequence[int],
        tracking: TrackingQueue,
        gpus: Callable[[], float],
    ) -> None:
        """The search begins or is resumed.

        Args:
            ledger: its record, after this driver has noted its beginning.
            space: its space.
            report_epochs: the epochs after which trials report.
            tracking: what waits for the tracking store.
            gpus: the GPUs that each trial holds, once that is known.
        """
        with _Guarded(self):
            self._begin(ledger, space=space, report_epochs=tuple(report_epochs), tracking=tracking, gpus=gpus)

    def __call__(self, event: Event) -> None:
        """What happened to a trial."""
        with _Guarded(self):
            self._observe(event)

    def on_execution(self, event: ExecutionEvent) -> None:
        """What happened to a worker."""
        with _Guarded(self):
            self._observe_execution(event)

    def end(self, state: SearchState) -> None:
        """The driver leaves the search in this state: no trial is at work any more."""
        with _Guarded(self):
            self._checked_s = None
            for number in list(self._since_s):
                self._stop_counting(number, at_s=self._clock())
                if self._at_work is not None:
                    self._at_work.end(number)
            self._counts[TrialStatus.INTERRUPTED] += self._counts.pop(TrialStatus.RUNNING, 0)
            self._show_counts()
            self._show_state(state)

    def close(self) -> None:
        """Ends the thread that looks at the machine."""
        self._sampler.close()

    def warn_once(self, error: Exception) -> None:
        """An error here is no reason to end a search."""
        if not self._warned:
            self._warned = True
            _log.warning("the metrics are not right from here on, the search goes on: %s", error)

    def measured(self) -> Iterator[Metric]:
        """The metrics that are computed when they are asked for."""
        now_s = self._clock()
        with self._lock:
            since = dict(self._since_s)
            spent_s, ended_spent_s, before = self._spent_s, self._ended_spent_s, dict(self._spent_before)
            ended_epochs, epoch_of = self._ended_epochs, dict(self._epoch_of)
        running = {number: before.get(number, 0.0) + now_s - since_s for number, since_s in since.items()}
        busy = spent_s + sum(now_s - since_s for since_s in since.values())
        yield self._count("busy_seconds", "Seconds for which trials have held workers.", busy, unit="seconds")
        yield self._count(
            "gpu_seconds", "GPU-seconds that trials have held, as stop.gpu_hours counts them.", busy * self._gpus(),
            unit="seconds",
        )  # fmt: skip
        counts = self._counts.copy()
        ended = sum(count for state, count in counts.items() if state is not TrialStatus.RUNNING)
        left = None
        if ended and self._expected is not None:
            left = seconds_left_by(
                done=Work(ended_spent_s, ended_epochs),
                ended=ended,
                running=[Work(seconds, epoch_of.get(number, 0)) for number, seconds in running.items()],
                to_begin=max(self._trials_limit - sum(counts.values()), 0),
                expected=self._expected,
            )
        if left is not None:
            yield self._value("eta_seconds", "Estimated seconds until the last trial has ended.", left, unit="seconds")
        if self._at_work is not None:
            yield self._value(
                "sequences_per_second", "Sequences that all trials at work together trained on a second.",
                self._at_work.sequences_per_second,
            )  # fmt: skip
        yield self._value(
            "driver_heartbeat_timestamp_seconds",
            "Unix time at which the driver last went through its loop.",
            now_s if self._checked_s is None else self._checked_s,
            unit="seconds",
        )
        yield from self._tracking_metrics()
        yield from self._machine_metrics()

    def _tracking_metrics(self) -> Iterator[Metric]:
        if self._tracking is None:
            return
        waiting = GaugeMetricFamily(
            f"{PREFIX}tracking_waiting", "Writes and uploads that the tracking store has not got yet.",
            labels=[SEARCH, "queue"],
        )  # fmt: skip
        for queue, count in zip((WRITES, UPLOADS), self._tracking.waiting, strict=True):
            waiting.add_metric([self._metrics.search, queue], count)
        yield waiting
        yield self._value(
            "tracking_behind_seconds", "For how long the oldest of them has waited.", self._tracking.behind_s,
            unit="seconds",
        )  # fmt: skip
        yield self._value(
            "tracking_away", "1 while the tracking store takes nothing, else 0.", float(self._tracking.store_is_away)
        )
        yield self._count("tracking_refused", "Writes that the tracking store refused.", self._tracking.refused)

    def _machine_metrics(self) -> Iterator[Metric]:
        now = self._sampler.latest
        if now.disk_size_bytes:
            yield self._value(
                "disk_free_bytes", "Bytes that this account may still write on the disk of the home.",
                now.disk_free_bytes or 0, unit="bytes",
            )  # fmt: skip
            yield self._value("disk_size_bytes", "Size of the disk of the home.", now.disk_size_bytes, unit="bytes")
        yield self._value(
            "driver_resident_memory_bytes", "Memory of the driver's process.", now.resident_bytes, unit="bytes"
        )
        yield self._count("driver_cpu_seconds", "CPU time of the driver's process.", now.cpu_s, unit="seconds")
        yield self._value("driver_open_files", "Files that the driver's process has open.", now.open_files)
        yield self._value("driver_open_files_limit", "Files that it may have open.", now.most_open_files)

    def _value(self, name: str, help: str, value: float, *, unit: str = "") -> Metric:
        family = GaugeMetricFamily(f"{PREFIX}{name}", help, labels=[SEARCH], unit=unit)
        family.add_metric([self._metrics.search], value)
        return family

    def _count(self, name: str, help: str, value: float, *, unit: str = "") -> Metric:
        family = CounterMetricFamily(f"{PREFIX}{name}", help, labels=[SEARCH], unit=unit)
        family.add_metric([self._metrics.search], value)
        return family

    def _begin(
        self,
        ledger: Ledger,
        *,
        space: CheckedSpace,
        report_epochs: tuple[int, ...],
        tracking: TrackingQueue,
        gpus: Callable[[], float],
    ) -> None:
        search, trials = ledger.search, ledger.trials()
        self._at_work = TrialsAtWork(self._metrics, report_epochs=report_epochs)
        self._tracking, self._gpus = tracking, gpus
        self._signal, self._trials_limit = space.settings.signal.metric, search.limit
        self._limit().set(search.limit)
        if space.settings.stop.gpu_hours is not None:
            self._budget().set(space.settings.stop.gpu_hours * HOUR_S)
        self._expected = ExpectedEpochs.of(space, limit=search.limit)
        facts = search.facts
        self._info(
            facts.protocol,
            facts.more.get("dataset", ""),
            self._signal,
            space.settings.scheduler.name,
            space.settings.sampler.name,
            facts.code_version,
        ).set(1)
        # A counter that is there from the beginning shows its first increase.
        for state in (TrialStatus.COMPLETE, TrialStatus.PRUNED, TrialStatus.FAILED):
            self._ended(state).inc(0)
        for cause in LossCause:
            self._lost(cause).inc(0)
            self._retries(cause).inc(0)
        for epoch in report_epochs:
            self._reached(epoch).inc(0)
            self._stopped(epoch).inc(0)
        self._excluded().set(0)
        sessions = ledger.note(SESSIONS) or []
        for trial in sorted(trials, key=lambda one: (one.ending.at_s if one.ending else float("inf"), one.number)):
            self._take_over(trial, sessions=sessions)
        self._show_counts()
        self._show_best()
        self._show_state(SearchState.RUNNING)

    def _take_over(self, trial: TrialRecord, *, sessions: Sequence[float]) -> None:
        """A trial that an earlier driver began."""
        self._counts[trial_status(trial, has_driver=True)] += 1
        self._epoch_of[trial.number] = trial.epoch
        self._epochs().inc(trial.epoch)
        for report in trial.reports:
            self._count_report(trial.number, report)
        spent_s = busy_s(trial, now_s=self._clock(), sessions=sessions)
        self._spent_s += spent_s
        if trial.ending is None:
            self._spent_before[trial.number] = spent_s
            return
        self._ended_spent_s += spent_s
        self._ended_epochs += trial.epoch
        self._ended(trial.ending.state).inc()
        self._best.end(trial.number, trial.ending.state)

    def _observe(self, event: Event) -> None:
        assert self._at_work is not None
        now_s = self._clock()
        if isinstance(event, TrialBegan):
            number = event.trial.number
            if number not in self._epoch_of:
                self._counts[TrialStatus.RUNNING] += 1
                self._epoch_of[number] = event.trial.epoch
            with self._lock:
                self._since_s.setdefault(number, now_s)
            self._at_work.begin(event.trial, now_s=now_s)
        elif isinstance(event, TrialReported):
            before = self._epoch_of.get(event.number, 0)
            self._epochs().inc(max(0, event.report.epoch - before))
            self._epoch_of[event.number] = max(before, event.report.epoch)
            self._count_report(event.number, event.report)
            for write in event.report.checkpoint_writes:
                self._checkpoint_s().observe(write.seconds)
                self._checkpoint_bytes().observe(write.size_bytes)
            self._at_work.report(event.number, event.report, now_s=now_s)
            self._show_best()
        elif isinstance(event, TrialEnded):
            self._counts[TrialStatus.RUNNING] -= 1
            self._counts[TrialStatus(event.ending.state)] += 1
            self._epoch_of.pop(event.number, None)
            self._stop_counting(event.number, at_s=max(now_s, event.ending.at_s), ending=event.ending)
            self._ended(event.ending.state).inc()
            self._best.end(event.number, event.ending.state)
            self._at_work.end(event.number)
            self._show_best()
        self._show_counts()

    def _observe_execution(self, event: ExecutionEvent) -> None:
        if self._at_work is None:
            return
        match event:
            case WorkerAssigned():
                self._at_work.assign(event)
            case WorkerProgressed():
                for seconds in event.epochs_s:
                    self._epoch_s().observe(seconds)
                if event.number in self._since_s:
                    self._at_work.hear(event.number, now_s=self._clock())
            case WorkerLost():
                self._lost(event.cause).inc()
                if event.retried:
                    self._retries(event.cause).inc()
                self._at_work.lose_worker(event.number)
            case WorkerReleased():
                self._pause_counting(event.number)
                self._at_work.lose_worker(event.number)
            case MachineExcluded():
                self._excluded().inc()
            case DriverChecked():
                self._checked_s = self._clock()
            case _:
                assert_never(event)

    def _stop_counting(self, number: int, *, at_s: float, ending: Ending | None = None) -> None:
        with self._lock:
            spent_s = at_s - self._since_s.pop(number, at_s)
            before_s = self._spent_before.pop(number, 0.0)
            self._spent_s += spent_s
            if ending is not None:
                self._ended_spent_s += before_s + spent_s
                self._ended_epochs += ending.epoch

    def _pause_counting(self, number: int) -> None:
        """A paused trial holds no worker until it is handed out again."""
        with self._lock:
            now_s = self._clock()
            spent_s = now_s - self._since_s.pop(number, now_s)
            self._spent_s += spent_s
            self._spent_before[number] = self._spent_before.get(number, 0.0) + spent_s

    def _count_report(self, number: int, report: ReportRecord) -> None:
        self._reached(report.epoch).inc()
        if report.decision is Decision.STOP:
            self._stopped(report.epoch).inc()
        self._best.report(number, Scored(epoch=report.epoch, value=report.value, knn=report.metrics.get(KNN)))

    def _show_counts(self) -> None:
        for status in TrialStatus:
            self._trials(status).set(self._counts[status])

    def _show_best(self) -> None:
        self._since_best().set(self._best.since_best)
        best = self._best.best
        if best is None:
            return
        self._best_score(self._signal).set(best.value)
        if best.knn is not None:
            self._best_knn().set(best.knn)

    def _show_state(self, state: SearchState) -> None:
        for one in SearchState:
            self._state(one).set(one is state)


class _Measured(Collector):
    """Asks a search's metrics for what is computed."""

    def __init__(self, metrics: SearchMetrics) -> None:
        self._of = metrics

    def collect(self) -> Iterator[Metric]:
        """The metrics, as prometheus-client wants them."""
        return self._of.measured()

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering it computes nothing."""
        return iter(())


class _Guarded:
    """A block whose errors are warned of, once."""

    def __init__(self, metrics: SearchMetrics) -> None:
        self._metrics = metrics

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        """Takes errors, not interruptions."""
        if not isinstance(error, Exception):
            return False
        self._metrics.warn_once(error)
        return True
