"""Mirrors the final stage into the tracking store: one run for the stage, one for each of its runs."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from hico_platform.config.schema import flatten
from hico_platform.config.trial import TrialConfig
from hico_platform.retrain.plan import Entry, PlannedRun
from hico_platform.retrain.results import RunResult, Spread
from hico_platform.tracking.base import Point, RunStatus, Tracker
from hico_platform.tracking.outbox import Outbox

PATIENCE_S = 30.0
_log = logging.getLogger(__name__)


class FinalMirror:
    """Writes what happens to the tracking store, in the background; runs are known by their keys."""

    def __init__(
        self, tracker: Tracker, *, experiment: str, key: str, tags: Mapping[str, str], config: TrialConfig
    ) -> None:
        self._tracker = tracker
        self._experiment = experiment
        self._key = key
        self._tags = dict(tags)
        self._config = config
        self._outbox = Outbox()
        self._ids: dict[str, str] = {}
        self._ended: set[str] = set()
        self._at_work: set[str] = set()

    def open(self, *, at_s: float) -> None:
        """Begins or takes up the stage's own run, and learns of those that ended before."""

        def write() -> None:
            for key, run in self._tracker.runs(self._experiment).items():
                if key.startswith(f"{self._key}/"):
                    self._ids[key] = run.run_id
                    if run.status is RunStatus.FINISHED:
                        self._ended.add(key)
            self._open(self._key, None, self._config, {"hico.kind": "final"}, at_s)

        self._outbox.submit(write)

    def begin(self, run: PlannedRun, *, at_s: float) -> None:
        """Begins or takes up a run."""
        self._outbox.submit(functools.partial(self._begin, run, at_s))

    def losses(self, run: PlannedRun, history: Sequence[tuple[int, Mapping[str, float]]], *, at_s: float) -> None:
        """Losses by epoch, in one request."""
        points = [Point(epoch=epoch, at_s=at_s, metrics=metrics) for epoch, metrics in history]
        self._outbox.submit(lambda: self._tracker.log_points(self._ids[self.key_of(run)], points))

    def end(self, run: PlannedRun, result: RunResult, *, at_s: float) -> None:
        """Test metrics and checkpoint."""
        self._outbox.submit(functools.partial(self._end, run, result, at_s))

    def settle(self, run: PlannedRun, result: RunResult, *, at_s: float) -> None:
        """Writes a result of an earlier process, unless that one got to write it."""

        def write() -> None:
            if self.key_of(run) not in self._ended:
                self._begin(run, at_s)
                self._end(run, result, at_s)

        self._outbox.submit(write)

    def fail(self, run: PlannedRun, reason: str, traceback: str | None, *, at_s: float) -> None:
        """Why a run could not go on."""

        def write() -> None:
            run_id = self._ids[self.key_of(run)]
            if traceback is not None:
                self._tracker.log_text(run_id, traceback, name="traceback.txt")
            self._tracker.close_run(
                run_id, status=RunStatus.FAILED, points=[], tags={"hico.reason": reason[:5000]}, at_s=at_s
            )
            self._at_work.discard(self.key_of(run))

        self._outbox.submit(write)

    def close(self, summary: Mapping[Entry, Mapping[str, Spread]] | None, *, epoch: int, at_s: float) -> None:
        """The summary; without one the stage was cut off, and its runs are taken up when it is run again."""

        def write() -> None:
            if summary is None:
                for key in self._at_work:
                    run_id = self._ids[key]
                    self._tracker.close_run(run_id, status=RunStatus.KILLED, points=[], tags={}, at_s=at_s)
                return
            run_id = self._ids[self._key]
            metrics = {
                f"{entry.replace(' ', '_')}_{part}_test_{name}": value
                for entry, spreads in summary.items()
                for name, spread in spreads.items()
                for part, value in (("mean", spread.mean), ("std", spread.deviation))
                if value is not None
            }
            points = [Point(epoch=epoch, at_s=at_s, metrics=metrics)]
            self._tracker.close_run(run_id, status=RunStatus.FINISHED, points=points, tags={}, at_s=at_s)

        self._outbox.submit(write)
        given_up = self._outbox.close(patience_s=PATIENCE_S)
        if given_up:
            _log.warning("%d writes did not reach the tracking store; the results are on disk", given_up)

    def key_of(self, run: PlannedRun) -> str:
        """The tracking key of a run."""
        return f"{self._key}/{run.key}"

    def run_id(self, run: PlannedRun) -> str | None:
        """The id of a run in the tracking store, once it is open."""
        return self._ids.get(self.key_of(run))

    def _begin(self, run: PlannedRun, at_s: float) -> None:
        tags = {"hico.kind": "final run", "hico.entry": str(run.entry), "hico.seed": str(run.seed)}
        self._open(self.key_of(run), self._ids[self._key], run.config, tags, at_s)

    def _end(self, run: PlannedRun, result: RunResult, at_s: float) -> None:
        run_id = self._ids[self.key_of(run)]
        if result.checkpoint is not None:
            self._tracker.log_folder(run_id, Path(result.checkpoint), name="checkpoint")
        points = [Point(epoch=result.epoch, at_s=at_s, metrics=_test_names(result.metrics))]
        self._tracker.close_run(run_id, status=RunStatus.FINISHED, points=points, tags={}, at_s=at_s)
        self._at_work.discard(self.key_of(run))

    def _open(self, key: str, parent: str | None, config: TrialConfig, tags: Mapping[str, str], at_s: float) -> None:
        self._at_work.add(key)
        self._ids[key] = self._tracker.open_run(
            experiment=self._experiment,
            key=key,
            name=key.rpartition("/")[2] if parent else "retraining",
            parent=parent,
            params=flatten(config),
            tags={**self._tags, **tags},
            at_s=at_s,
        )


def _test_names(metrics: Mapping[str, float]) -> dict[str, float]:
    return {f"test_{name}": value for name, value in metrics.items()}
