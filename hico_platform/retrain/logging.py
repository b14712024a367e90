"""Logs a retraining to the tracking store: one parent run, and one for each run of its plans."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from hico_platform.checkpoint_store import is_in_a_store
from hico_platform.config.schema import flatten
from hico_platform.config.trial import TrialConfig
from hico_platform.interruptions import time_left_s
from hico_platform.retrain.candidates import CandidateRun
from hico_platform.retrain.comparison import Comparison
from hico_platform.retrain.comparison_metrics import comparison_metrics, further_metrics, summary_metrics
from hico_platform.retrain.further_scores import NOTHING_FURTHER, FurtherScores
from hico_platform.retrain.further_tasks import TaskScores
from hico_platform.retrain.notes import retraining_note, run_note
from hico_platform.retrain.plan import Entry, PlannedRun
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import RunResult, Spread
from hico_platform.tracking.background import BackgroundLogger
from hico_platform.tracking.base import Point, RunStatus, Tracker, TrackingRefused, TrainedModel
from hico_platform.tracking.dataset_inputs import DatasetInput, inputs_of
from hico_platform.tracking.metric_names import MetricNames
from hico_platform.tracking.notes import note_tags
from hico_platform.tracking.source import source_tags
from hico_platform.tracking.uploads import (
    CHECKPOINT_TAG,
    TAG_CHARACTERS,
    UPLOADS_TAG,
    WAITING,
    are_missing,
    keep_files,
)

TASKS_TAG = "hico.tasks"
"""The tag of a run with the further tasks whose scores it has."""

PATIENCE_S = 30.0
# When retraining is interrupted: how long a store that is away is waited for, and one that is slow.
PATIENCE_WHEN_CUT_OFF_S, MOST_WHEN_CUT_OFF_S = 5.0, 10.0


class RetrainLogger(BackgroundLogger):
    """Writes to the tracking store in the background; runs are known by their keys.

    ``config`` is None until candidates have been compared. Once it is closed, ``untracked`` counts the writes that were
    given up because the store was away. ``is_away`` says that runs or their metrics are among them, ``trouble`` why
    they are missing. ``folders`` are kept with the parent run, under their names.
    """

    def __init__(
        self,
        tracker: Tracker,
        *,
        experiment: str,
        key: str,
        tags: Mapping[str, str],
        config: TrialConfig | None,
        folders: Sequence[Path] = (),
    ) -> None:
        super().__init__()
        self._tracker = tracker
        self._experiment = experiment
        self._key = key
        self._tags = dict(tags)
        self._config = config
        self._folders = {folder.name: folder for folder in folders}
        self.untracked = 0
        self.is_away = False
        self.trouble: str | None = None
        self._names = MetricNames()
        self._comparison: Comparison | None = None
        self._promotion: Promotion | None = None
        self._further = NOTHING_FURTHER
        self._scored: dict[str, list[str]] = {}
        self._ids: dict[str, str] = {}
        self._ended: set[str] = set()
        self._incomplete: set[str] = set()
        self._open_runs: set[str] = set()

    def open(self, *, at_s: float) -> None:
        """Opens the parent run, and looks up which runs have ended before."""

        def write() -> None:
            known = self._tracker.runs(self._experiment)
            self._names = MetricNames.of_runs(known, key=self._key)
            for key, run in known.items():
                if key.startswith(f"{self._key}/"):
                    self._ids[key] = run.run_id
                    self._scored[key] = [one for one in run.tags.get(TASKS_TAG, "").split(", ") if one]
                    if run.status is RunStatus.FINISHED:
                        self._ended.add(key)
                        if are_missing(run):
                            self._incomplete.add(key)
            self._open_parent(self._config, at_s)
            if self._folders:
                run_id = self._id(self._key)
                self._uploads.submit(functools.partial(keep_files, self._tracker, run_id, self._folders))

        self._outbox.submit(write)

    def chosen(self, config: TrialConfig, tags: Mapping[str, str], *, at_s: float) -> None:
        """Logs what is compared on the test split, once the candidates have been: its parameters and tags."""
        self._tags |= tags
        self._outbox.submit(lambda: self._open_parent(config, at_s))

    def begin(self, run: PlannedRun, *, at_s: float) -> None:
        """Opens a run, new or interrupted."""
        self._outbox.submit(functools.partial(self._begin, run, at_s))

    def losses(self, run: PlannedRun, history: Sequence[tuple[int, Mapping[str, float]]], *, at_s: float) -> None:
        """Logs losses by epoch, in one request."""

        def write() -> None:
            points = [
                Point(epoch=epoch, at_s=at_s, metrics=self._names.of_trial(metrics)) for epoch, metrics in history
            ]
            self._tracker.log_points(self._id(self.key_of(run)), points)

        self._outbox.submit(write)

    def end(self, run: PlannedRun, result: RunResult, *, at_s: float) -> None:
        """Logs test metrics and the checkpoint, and ends the run."""
        self._outbox.submit(functools.partial(self._end, run, result, at_s))

    def settle(self, run: PlannedRun, result: RunResult, *, at_s: float) -> None:
        """Logs a result of an earlier process, unless that process did."""

        def write() -> None:
            if self.key_of(run) not in self._ended:
                self._begin(run, at_s)
                self._end(run, result, at_s)
            elif self.key_of(run) in self._incomplete:
                self._upload(run, _files(result))

        self._outbox.submit(write)

    def scored(self, run: PlannedRun, tasks: Sequence[TaskScores], *, epoch: int, at_s: float) -> None:
        """Logs the scores of further tasks to a run that has ended, those that it does not have yet."""

        def write() -> None:
            key, part = self.key_of(run), str(run.entry.part)
            there = self._scored.setdefault(key, [])
            new = [one for one in tasks if one.values and one.task not in there]
            if not new:
                return
            metrics = {self._names.of_part(part, name): value for one in new for name, value in one.values.items()}
            names = sorted([*there, *(one.task for one in new)])
            points = [Point(epoch=epoch, at_s=at_s, metrics=metrics)]
            self._tracker.log_points(self._id(key), points, tags={TASKS_TAG: ", ".join(names)})
            self._scored[key] = names

        self._outbox.submit(write)

    def fail(self, run: PlannedRun, reason: str, traceback: str | None, *, at_s: float) -> None:
        """Logs why a run failed, and ends it."""

        def write() -> None:
            files: dict[str, Path | str] = {} if traceback is None else {"traceback.txt": traceback}
            self._tracker.close_run(
                self._id(self.key_of(run)),
                status=RunStatus.FAILED,
                points=[],
                tags={"hico.reason": reason[:TAG_CHARACTERS], **_waiting(files)},
                at_s=at_s,
            )
            self._upload(run, files)
            self._open_runs.discard(self.key_of(run))

        self._outbox.submit(write)

    def compared(self, comparison: Comparison, promotion: Promotion, further: FurtherScores = NOTHING_FURTHER) -> None:
        """What the parent run gets beside the summary: intervals, differences with their p, the verdict, other tasks'
        scores."""
        self._comparison, self._promotion, self._further = comparison, promotion, further

    def close(self, summary: Mapping[Entry, Mapping[str, Spread]] | None, *, epoch: int, at_s: float) -> None:
        """Logs the summary and ends the parent run; without a summary, ends open runs as killed: they are resumed."""

        def write() -> None:
            if summary is None:
                for key in self._open_runs & self._ids.keys():
                    run_id = self._ids[key]
                    self._tracker.close_run(run_id, status=RunStatus.KILLED, points=[], tags={}, at_s=at_s)
                return
            run_id = self._id(self._key)
            metrics = summary_metrics(summary, self._names)
            if self._comparison is not None:
                metrics |= comparison_metrics(self._comparison, self._names)
            metrics |= further_metrics(self._further, self._names)
            tags: dict[str, str] = {}
            if self._promotion is not None:
                tags["hico.verdict"] = self._promotion.sentence[:TAG_CHARACTERS]
            with self._outbox.leaving_out_what_is_refused():
                note = retraining_note(self._experiment, self._facts, summary=summary, promotion=self._promotion)
                tags |= note_tags(note, self._tracker.run(run_id).tags)
            self._tracker.close_run(
                run_id,
                status=RunStatus.FINISHED,
                points=[Point(epoch=epoch, at_s=at_s, metrics=metrics)],
                tags=tags,
                at_s=at_s,
            )

        self._outbox.submit(write)
        if summary is None:
            self._hurry(patience_s=PATIENCE_WHEN_CUT_OFF_S, at_most_s=time_left_s(MOST_WHEN_CUT_OFF_S))
        else:
            self._hurry(patience_s=PATIENCE_S)
        self.untracked = self._outbox.close(patience_s=PATIENCE_S)
        self.is_away = self.untracked > 0
        if self.is_away:
            self.trouble = f"the tracking store was away: {self._outbox.trouble}"
        elif self._outbox.refusal is not None:
            self.trouble = f"the tracking store refused it: {self._outbox.refusal}"
        self.untracked += self._uploads.close(patience_s=PATIENCE_S)

    def key_of(self, run: PlannedRun) -> str:
        """The tracking key of a run."""
        return f"{self._key}/{run.key}"

    def run_id(self, run: PlannedRun) -> str | None:
        """The id of a run in the tracking store, once it is open."""
        return self._ids.get(self.key_of(run))

    def _begin(self, run: PlannedRun, at_s: float) -> None:
        tags = {
            "hico.kind": "final run",
            "hico.entry": str(run.entry),
            "hico.seed": str(run.seed),
        }
        if isinstance(run, CandidateRun):
            tags |= {"hico.kind": "candidate", "hico.split": str(run.entry.part), "hico.trial": str(run.trial)}
        self._open(
            self.key_of(run),
            self._ids.get(self._key),
            run.config,
            tags,
            at_s,
            note=run_note(self._experiment, run, self._facts),
            datasets=self._datasets("validation" if str(run.entry.part) == "val" else "test"),
        )

    def _end(self, run: PlannedRun, result: RunResult, at_s: float) -> None:
        part = str(result.entry.part)
        metrics = {self._names.of_part(part, name): value for name, value in result.metrics.items()}
        points = [Point(epoch=result.epoch, at_s=at_s, metrics=metrics)]
        files = _files(result)
        self._tracker.close_run(
            self._id(self.key_of(run)),
            status=RunStatus.FINISHED,
            points=points,
            tags={
                **_waiting(files),
                **({"hico.precision": result.precision} if result.precision else {}),
                **({CHECKPOINT_TAG: str(result.checkpoint)} if is_in_a_store(result.checkpoint) else {}),
            },
            at_s=at_s,
        )
        self._open_runs.discard(self.key_of(run))
        self._upload(run, files)
        if result.checkpoint is not None and result.entry is not Entry.CANDIDATE:
            model = self._model(run, result, points)
            self._uploads.submit(functools.partial(self._tracker.log_model, self._id(self.key_of(run)), model))

    def _model(self, run: PlannedRun, result: RunResult, points: Sequence[Point]) -> TrainedModel:
        return TrainedModel(
            name=f"{self._experiment}-{run.key}",
            points=points,
            scored_on=next((one for one in self._datasets("test") if one.split == "test"), None),
            params=flatten(run.config),
            tags={
                "hico.search": self._facts.get("search", ""),
                "hico.entry": str(run.entry),
                "hico.seed": str(run.seed),
            },
            note=f"The encoder of {run.key} after {result.epoch} epochs on the whole training split. Its files are "
            f"{_where(result)}, its scores are of the test split.",
        )

    def _upload(self, run: PlannedRun, files: Mapping[str, Path | str]) -> None:
        if files:
            self._uploads.submit(functools.partial(keep_files, self._tracker, self._id(self.key_of(run)), files))

    def _id(self, key: str) -> str:
        if key not in self._ids:
            raise TrackingRefused(f"the run {key} could not be opened")
        return self._ids[key]

    @property
    def _facts(self) -> Mapping[str, str]:
        """What the runs are tagged with, by the names of facts."""
        return {name.removeprefix("hico."): value for name, value in self._tags.items()}

    def _datasets(self, scored_on: str) -> tuple[DatasetInput, ...]:
        facts = self._facts
        if scored_on == "validation":  # these numbers are of the whole training split
            facts = {name: value for name, value in facts.items() if not name.endswith("_sequences")}
        digest, protocol = facts.get("data_digest", ""), facts.get("protocol", "")
        return inputs_of(facts, digest=digest, protocol=protocol, scored_on=scored_on) if digest else ()

    def _open_parent(self, config: TrialConfig | None, at_s: float) -> None:
        self._open(
            self._key,
            None,
            config,
            {"hico.kind": "final"},
            at_s,
            note=retraining_note(self._experiment, self._facts),
            datasets=self._datasets("test"),
        )

    def _open(
        self,
        key: str,
        parent: str | None,
        config: TrialConfig | None,
        tags: Mapping[str, str],
        at_s: float,
        *,
        note: str,
        datasets: Sequence[DatasetInput],
    ) -> None:
        self._open_runs.add(key)
        self._ids[key] = self._tracker.open_run(
            experiment=self._experiment,
            key=key,
            name="retraining" if key == self._key else key.rpartition("/")[2],
            parent=parent,
            params={} if config is None else flatten(config),
            tags={
                **self._tags,
                **self._names.tags,
                **source_tags("retrain", code_version=self._tags.get("hico.code_version", "")),
                **tags,
            },
            at_s=at_s,
            note=note,
            datasets=datasets,
        )


def _files(result: RunResult) -> Mapping[str, Path | str]:
    """What is kept in the tracking store; checkpoints of candidates, and those in a store, stay where they are."""
    if result.checkpoint is None or result.entry is Entry.CANDIDATE or is_in_a_store(result.checkpoint):
        return {}
    return {"checkpoint": Path(result.checkpoint)}


def _where(result: RunResult) -> str:
    if is_in_a_store(result.checkpoint):
        return f"at `{result.checkpoint}`"
    return "the artifact `checkpoint` of its run"


def _waiting(files: Mapping[str, Path | str]) -> Mapping[str, str]:
    return {UPLOADS_TAG: WAITING} if files else {}
