"""The series of trials at work. They end with the trial: 10,000 trials would otherwise leave 10,000 series of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hico_platform.enums import Level
from hico_platform.monitoring.registry import SearchRegistry
from hico_platform.search.execution_events import WorkerAssigned
from hico_platform.search.ledger.base import ReportRecord, TrialRecord

KNN = "knn_top1"
SPREAD = "feature_spread"
SPEED = "sequences_per_s"


class TrialsAtWork:
    """One series of each metric for each trial that a worker has.

    Args:
        metrics: makes the metrics.
        report_epochs: the epochs after which trials report.
    """

    def __init__(self, metrics: SearchRegistry, *, report_epochs: tuple[int, ...]) -> None:
        self._report_epochs = report_epochs
        gauge = metrics.gauge
        self._score = gauge(
            "trial_score", "Latest validation score of a trial at work, by which its search goes.", "trial"
        )
        self._knn = gauge("trial_knn_top1", "Latest validation kNN top-1 (0 to 1) of a trial at work.", "trial")
        self._spread = gauge(
            "trial_feature_spread",
            "Spread of a trial's validation features: 1 in all directions alike, 0 where all are the same.",
            "trial",
        )
        self._epoch = gauge("trial_epoch", "Finished epochs of a trial at work, at its last report.", "trial")
        self._next_report = gauge(
            "trial_next_report_epoch", "The epoch after which a trial at work reports next.", "trial"
        )
        self._reported = gauge(
            "trial_last_report_timestamp_seconds",
            "Unix time of the last report of a trial at work, or of when it was taken up.",
            "trial",
            unit="seconds",
        )
        self._heard = gauge(
            "trial_last_heartbeat_timestamp_seconds",
            "Unix time of the last heartbeat or report of a trial at work that the driver noticed.",
            "trial",
            unit="seconds",
        )
        self._speed = gauge(
            "trial_sequences_per_second", "Sequences that a trial at work trained on a second, in its last epoch.",
            "trial",
        )  # fmt: skip
        self._loss = gauge("trial_loss", "Weighted sum of the losses of a trial at work, in its last epoch.", "trial")
        self._level_loss = gauge(
            "trial_level_loss", "Loss of one level of a trial at work, before its weight, in its last epoch.",
            "trial", "level",
        )  # fmt: skip
        self._level_weight = gauge(
            "trial_level_weight", "Weight of one level in the loss of a trial at work.", "trial", "level"
        )
        self._info = gauge(
            "trial_info",
            "The worker of a trial at work: machine, IP address, process and the UUID of a GPU; always 1.",
            "trial", "node", "ip", "pid", "gpu",
        )  # fmt: skip
        self._speeds: dict[int, float] = {}
        self._placed: dict[int, list[tuple[object, ...]]] = {}

    @property
    def sequences_per_second(self) -> float:
        """Of all of them together."""
        return math.fsum(self._speeds.copy().values())

    def begin(self, trial: TrialRecord, *, now_s: float) -> None:
        """A trial is handed to a worker, maybe not for the first time."""
        number = trial.number
        for level, weight in _level_weights(trial.config).items():
            self._level_weight(number, level).set(weight)
        self._epoch(number).set(trial.epoch)
        if trial.reports:
            self._show(number, trial.reports[-1])
        self._await_report(number, epoch=trial.epoch)
        self._reported(number).set(now_s)
        self._heard(number).set(now_s)

    def assign(self, event: WorkerAssigned) -> None:
        """A worker has taken it up; a trial that holds several GPUs has a series for each."""
        self._forget_worker(event.number)
        for gpu in event.gpus or ("",):
            labels = (event.number, event.host, event.address, event.pid, gpu)
            self._info(*labels).set(1)
            self._placed.setdefault(event.number, []).append(labels)

    def hear(self, number: int, *, now_s: float) -> None:
        """A heartbeat came; one of a worker that was given back or lost meanwhile tells nothing."""
        if number in self._placed:
            self._heard(number).set(now_s)

    def report(self, number: int, report: ReportRecord, *, now_s: float) -> None:
        """A report came."""
        self._show(number, report)
        self._await_report(number, epoch=report.epoch)
        self._reported(number).set(now_s)
        self._heard(number).set(now_s)

    def lose_worker(self, number: int) -> None:
        """Its worker is gone; the trial waits for another, and until then nothing is expected of it."""
        self._forget_worker(number)
        self._speeds.pop(number, None)
        for metric in (self._next_report, self._reported, self._heard, self._speed):
            metric.remove(number)

    def end(self, number: int) -> None:
        """It has ended, or its search has: so do its series."""
        self.lose_worker(number)
        for metric in (
            self._score, self._knn, self._spread, self._epoch, self._loss,
        ):  # fmt: skip
            metric.remove(number)
        for level in Level:
            self._level_loss.remove(number, level)
            self._level_weight.remove(number, level)

    def _show(self, number: int, report: ReportRecord) -> None:
        self._score(number).set(report.value)
        self._epoch(number).set(report.epoch)
        if KNN in report.metrics:
            self._knn(number).set(report.metrics[KNN])
        if SPREAD in report.metrics:
            self._spread(number).set(report.metrics[SPREAD])
        losses = report.history[-1][1] if report.history else {}
        if SPEED in losses:
            self._speeds[number] = losses[SPEED]
            self._speed(number).set(losses[SPEED])
        if "loss" in losses:
            self._loss(number).set(losses["loss"])
        for level in Level:
            if f"loss_{level}" in losses:
                self._level_loss(number, level).set(losses[f"loss_{level}"])

    def _await_report(self, number: int, *, epoch: int) -> None:
        """After its last report a trial is evaluated downstream, and no report is awaited."""
        following = next((one for one in self._report_epochs if one > epoch), None)
        if following is None:
            self._next_report.remove(number)
        else:
            self._next_report(number).set(following)

    def _forget_worker(self, number: int) -> None:
        for labels in self._placed.pop(number, []):
            self._info.remove(*labels)


def _level_weights(config: Mapping[str, Any] | None) -> dict[Level, float]:
    """The weights of the levels in a trial's configuration; none where an older version kept no configuration."""
    weights = ((config or {}).get("contrast") or {}).get("level_weights") or {}
    return {level: float(weights[level]) for level in Level if level in weights}
