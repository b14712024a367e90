"""The runs of a search in the tracking store: a parent run, and a child run for each trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace
from hico_platform.errors import ConfigError, command
from hico_platform.masking import masked
from hico_platform.search.drivers import DriverRecord, driver_at, starter
from hico_platform.search.ledger.base import (
    Ending,
    Ledger,
    ReportRecord,
    SearchRecord,
    TrialRecord,
    TrialState,
    config_of,
)
from hico_platform.search.state import TrialStatus
from hico_platform.tracking.base import USER_TAG, Point, Run, RunStatus, Tracker, TrackingRefused, TrainedModel
from hico_platform.tracking.best_score import BEST_STEP_TAG
from hico_platform.tracking.dataset_inputs import inputs_of
from hico_platform.tracking.metric_names import MetricNames
from hico_platform.tracking.notes import note_tags
from hico_platform.tracking.search_labels import label_tags
from hico_platform.tracking.source import source_tags
from hico_platform.tracking.uploads import KEPT, TAG_CHARACTERS

STATE_TAG = "hico.state"
METRICS_TAG = "hico.metrics"
"""Of a run that ended while metrics of it were ``refused``: whether a later driver had them ``kept``."""

STANDARD_ERROR = "_standard_error"
"""What the name of a score's standard error ends with."""

VALIDATION = "validation"
"""The split that a search's trials are scored on."""

_STATUS = {
    TrialState.COMPLETE: RunStatus.FINISHED,
    TrialState.PRUNED: RunStatus.FINISHED,
    TrialState.FAILED: RunStatus.FAILED,
    TrialState.RUNNING: RunStatus.KILLED,
}


class SearchRuns:
    """Opens, writes and ends the runs of one search; each method is one write or a few, made at once.

    ``parent`` is the id of the search's own run, empty until it is open; ``ids`` are those of the trials' runs, by
    number; ``names`` are those of its metrics.

    Args:
        ledger: where the ids of runs are recorded.
        space: gives the configuration of each trial.
        tracker: the store.
    """

    def __init__(self, *, ledger: Ledger, space: CheckedSpace, tracker: Tracker) -> None:
        self.parent = ""
        self.ids: dict[int, str] = {}
        self.names = MetricNames()
        self._ledger = ledger
        self._space = space
        self._tracker = tracker
        self._search = ledger.search
        self._drivers = ledger.drivers()
        self._metrics: dict[int, str] = {}  # values of METRICS_TAG
        self._last: dict[int, ReportRecord] = {}
        facts = self._search.facts
        self._datasets = inputs_of(
            {name: masked(str(value)) for name, value in facts.more.items() if value is not None},
            digest=facts.data_digest,
            protocol=facts.protocol,
            scored_on=VALIDATION,
            target_protocol=space.settings.transfer_protocol,
        )

    def open_search(self, *, fresh: bool, by_number: bool, note: str | None = None) -> None:
        """Opens the search's own run; ``by_number``: an earlier version wrote its best score."""
        facts, first = self._search.facts, starter(self._drivers)
        self.parent = self._tracker.open_run(
            experiment=self._search.name,
            key=key_of(self._search),
            name=self._search.name,
            parent=None,
            params=flatten(self._space.base),
            tags={
                **self._tags(),
                **_user_tag(first),
                **source_tags(
                    "search", code_version=facts.code_version, command=None if first is None else first.command
                ),
                "hico.kind": "search",
                "hico.trials": str(self._search.limit),
                "hico.sampler": str(self._space.settings.sampler.name),
                "hico.scheduler": str(self._space.settings.scheduler.name),
                "hico.signal": str(self._space.settings.signal),
                **label_tags(self._ledger),
                **({} if by_number else {BEST_STEP_TAG: "trials that have ended"}),
                **{f"hico.{name}": masked(str(value)) for name, value in facts.more.items()},
            },
            at_s=self._search.began_at_s,
            fresh=fresh,
            note=note,
            datasets=self._datasets,
        )
        self._ledger.set_note("run", self.parent)

    def begin(self, trial: TrialRecord, *, fresh: bool, note: str | None = None) -> None:
        """Opens a trial's run; ``fresh`` promises that there is none yet. Its reports are not written."""
        driver = driver_at(self._drivers, trial.began_at_s)
        run_id = self._tracker.open_run(
            experiment=self._search.name,
            key=key_of(self._search, trial.number),
            name=_run_name(self._search, trial.number),
            parent=self.parent or None,
            params=self._params(trial),
            tags={
                **self._tags(),
                **_user_tag(driver),
                **source_tags(
                    "search",
                    code_version=self._search.facts.code_version,
                    command=None if driver is None else driver.command,
                ),
                "hico.kind": "trial",
                "hico.trial": str(trial.number),
                "hico.origin": str(trial.origin),
                STATE_TAG: str(TrialState.RUNNING),
            },
            at_s=trial.began_at_s,
            fresh=fresh and trial.number not in self.ids,
            note=note,
            datasets=self._datasets,
        )
        if trial.run_id != run_id:
            self._ledger.record_run(trial.number, run_id)
        self.ids[trial.number] = run_id

    def report(self, number: int, *reports: ReportRecord) -> None:
        """Writes the metrics of one or more reports, and the losses of the epochs before them, in one request."""
        run_id = self.id_of(number)
        points: list[Point] = []
        for report in reports:
            points += [
                Point(epoch=epoch, at_s=report.at_s, metrics=self.names.of_trial(losses))
                for epoch, losses in report.history
            ]
            errors = {f"{name}{STANDARD_ERROR}": error for name, error in report.standard_errors.items()}
            metrics = self.names.of_trial({**report.metrics, **errors})
            points.append(Point(epoch=report.epoch, at_s=report.at_s, metrics=metrics))
            self._last[number] = dataclasses.replace(report, history=())
        try:
            self._tracker.log_points(run_id, points)
        except TrackingRefused as error:
            self._metrics[number] = f"refused: {error}"[:TAG_CHARACTERS]
            raise

    def write_metrics_again(self, number: int) -> None:
        """Says that refused metrics of a run that has ended are written again before it is ended again."""
        self._metrics[number] = KEPT

    def end(self, number: int, ending: Ending, *, tags: Mapping[str, str]) -> None:
        """Ends a trial's run with its state, its last metrics and further ``tags``."""
        run_id = self.id_of(number)
        tags = {STATE_TAG: str(ending.state), **tags}
        if ending.reason is not None:
            tags["hico.reason"] = ending.reason[:TAG_CHARACTERS]
        if number in self._metrics:
            tags[METRICS_TAG] = self._metrics[number]
        last = self._last.get(number)
        reported = last.metrics if last is not None and last.epoch == ending.epoch else {}
        new = {name: value for name, value in ending.metrics.items() if name not in reported}
        metrics = self.names.of_trial(new)
        self._tracker.close_run(
            run_id,
            status=_STATUS[ending.state],
            points=[Point(epoch=ending.epoch, at_s=ending.at_s, metrics=metrics)] if metrics else [],
            tags=tags,
            at_s=ending.at_s,
        )

    def forget(self, number: int) -> None:
        """Once all of a trial's end is written: until then it may be written again, and has to be the same."""
        self._last.pop(number, None)

    def trained_model(self, trial: TrialRecord) -> TrainedModel | None:
        """The model of a trial that has ended with a checkpoint, if its run has its scores: with these scores."""
        ending, refused = trial.ending, self._metrics.get(trial.number, KEPT) != KEPT
        if ending is None or ending.checkpoint is None or not trial.reports or refused:
            return None
        last = trial.reports[-1]
        new = {name: value for name, value in ending.metrics.items() if name not in last.metrics}
        points = [
            Point(epoch=last.epoch, at_s=last.at_s, metrics=self.names.of_trial(last.metrics)),
            Point(epoch=ending.epoch, at_s=ending.at_s, metrics=self.names.of_trial(new)),
        ]
        see = command("show", self._search.name, str(trial.number))
        return TrainedModel(
            name=_run_name(self._search, trial.number),
            points=points,
            scored_on=next((one for one in self._datasets if one.split == VALIDATION), None),
            params=self._params(trial),
            tags={"hico.search": self._search.name, "hico.trial": str(trial.number)},
            note=f"The encoder of trial {trial.number} of {self._search.name} after {ending.epoch} epochs. Its files "
            f"are the artifact `checkpoint` of its run, its scores are of validation subjects.\n\nMore: `{see}`",
        )

    def interrupt(self, number: int, *, at_s: float) -> None:
        """Ends the run of a trial that has not ended as killed."""
        if number in self.ids:
            self._tracker.close_run(
                self.ids[number],
                status=RunStatus.KILLED,
                points=[],
                tags={STATE_TAG: str(TrialStatus.INTERRUPTED)},
                at_s=at_s,
            )

    def note_tags(self, run_id: str, note: str) -> Mapping[str, str]:
        """The tags that give a run a note; none where a person wrote the one that it has. Makes one request."""
        own = (self._space.settings.description,)
        return note_tags(note, self._tracker.run(run_id).tags, also_ours=own)

    def page(self, run_id: str | None) -> str | None:
        """The address of a run's page."""
        return self._tracker.page(self._search.name, run_id) if run_id else None

    def end_search(self, status: RunStatus, *, tags: Mapping[str, str], at_s: float) -> None:
        """Ends the search's own run."""
        at_s = max(at_s, self._search.began_at_s)  # a clock may have been set back
        self._tracker.close_run(self.parent, status=status, points=[], tags=tags, at_s=at_s)

    def id_of(self, number: int) -> str:
        """The id of a trial's run.

        Raises:
            TrackingRefused: the run could not be opened.
        """
        if number not in self.ids:
            raise TrackingRefused(f"the run of trial {number} could not be opened")
        return self.ids[number]

    def _params(self, trial: TrialRecord) -> Mapping[str, Scalar | None]:
        """The whole configuration; the drawn values alone where they break a rule between fields."""
        try:
            return flatten(config_of(trial, self._space))
        except ConfigError:
            return trial.values

    def _tags(self) -> Mapping[str, str]:
        facts = self._search.facts
        return {
            **self.names.tags,
            "hico.search": self._search.name,
            "hico.data_digest": facts.data_digest,
            "hico.protocol": facts.protocol,
            "hico.split": self._space.settings.signal.scored_on,
            "hico.code_version": facts.code_version,
            "hico.seed": str(self._space.base.budget.seed),
            "hico.budget_epochs": str(self._space.base.budget.epochs),
        }


def key_of(search: SearchRecord, number: int | None = None) -> str:
    """The key of a search's run, or of a trial's; a new search of an old name has other keys, a renamed one its own."""
    key = f"{search.first_name}@{search.began_at_s:.6f}"
    return key if number is None else f"{key}/{number}"


def _run_name(search: SearchRecord, number: int) -> str:
    return f"{search.name}-{number:04d}"


def is_complete(run: Run, ending: Ending) -> bool:
    """Whether a run has ended as its trial has, with all metrics."""
    has_ended = run.status is not RunStatus.RUNNING and run.tags.get(STATE_TAG) == str(ending.state)
    return has_ended and run.tags.get(METRICS_TAG, KEPT) == KEPT


def _user_tag(driver: DriverRecord | None) -> Mapping[str, str]:
    """The user who began a run, whichever driver logs it; none where that is not known."""
    return {} if driver is None else {USER_TAG: driver.user}
