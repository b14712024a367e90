"""Shows a search while it runs: a live screen on a terminal, a few lines elsewhere, and everything in its log."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Group, RenderableType

from hico_platform.cli.views.clock import clock
from hico_platform.cli.views.live_or_lines import LiveOrLines
from hico_platform.cli.views.output import Output
from hico_platform.cli.views.phase_line import INTERRUPTED, PhaseLine
from hico_platform.cli.views.search_picture import SearchPicture, shown_score, shown_values
from hico_platform.config.space import CheckedSpace
from hico_platform.enums import Decision
from hico_platform.interruptions import is_interrupted
from hico_platform.search.eta import ExpectedEpochs, seconds_left
from hico_platform.search.events import Event, TrialBegan, TrialEnded, TrialReported
from hico_platform.search.ledger.base import SearchRecord, TrialRecord, best_trial
from hico_platform.search.messages import Activity
from hico_platform.search.objectives import pareto_front
from hico_platform.search.phases import DriverWatch, Phase
from hico_platform.search.state import search_progress, trial_status
from hico_platform.search.task import TrialActivity

NOW_BEST = ", now the best trial"


class SearchView:
    """Shows a search as it goes; an observer of its events and a context in which it is shown.

    Where the screen is not redrawn there is a line when a phase begins, when a trial begins or ends, at a decision (a
    rung that stops a trial, or lets it go on), at a new best score, and now and then for the whole. The log has every
    report.
    """

    def __init__(self, *, space: CheckedSpace, limit: int, name: str, output: Output) -> None:
        self._space = space
        self._limit = limit
        self._name = name
        self._output = output
        self._trials: dict[int, TrialRecord] = {}
        self._activities: dict[int, TrialActivity] = {}
        self._training: set[int] = set()  # trials that were handed out and have not begun to train
        self._began_at_s, self._began_s = time.time(), time.monotonic()
        self._has_driver, self._has_ended = True, False  # this process is the driver
        self._has_reports = False
        self._phase = PhaseLine()
        self._showing = LiveOrLines(output, render=self._render, beat=self._beat, on_interrupt=self._say_interrupted)
        self.has_begun = False
        """Whether there is a search in the ledger, to be resumed."""
        self.watch = DriverWatch(on_phase=self.phase, on_activity=self.activity)
        """What the driver tells of its work besides events."""

    def __enter__(self) -> SearchView:
        """Begins to show."""
        self._showing.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves every trial on the terminal, with the state in which the search is left."""
        self._has_driver, self._has_ended = False, error is None
        self._phase.end()
        self._showing.end()  # a live screen is drawn a last time, with every trial

    def phase(self, phase: str) -> None:
        """A phase in which no trial reports has begun."""
        if phase == Phase.CLOSING and not self.has_begun:
            return
        if self._phase.begin(str(phase)):
            self._line(f"{phase}", style="dim")

    def making(self, what: str, done: int, total: int) -> None:
        """So much of a generated dataset is made."""
        self.phase(f"making the {what} dataset")
        self._phase.progress(done, total)
        if done >= total:
            self._line(f"made the {what} dataset: {total:,} recordings in {clock(self._phase.elapsed_s)}", style="dim")

    def activity(self, activity: TrialActivity) -> None:
        """A running trial does something else, or has ended an epoch."""
        before = self._activities.get(activity.number)
        self._activities[activity.number] = activity
        if activity.doing is Activity.TRAINING and activity.number in self._training:
            # For the time left it begins now: a worker takes long to start, and is used again for the next trial.
            self._training.discard(activity.number)
            trial = self._trials[activity.number]
            self._trials[activity.number] = dataclasses.replace(trial, began_at_s=time.time())
        if not self._has_reports:
            self.phase(Phase.REPORTS if activity.doing is Activity.TRAINING else activity.doing or Phase.WORKERS)
        if before is None or before.doing != activity.doing:
            self._output.note(f"trial {activity.number} {activity.doing} after epoch {activity.epoch or 0}")

    def on_start(self, search: SearchRecord, trials: Sequence[TrialRecord]) -> None:
        """Takes over the limit and the trials of earlier drivers, so that counts and the best are right."""
        self.has_begun = True
        self._limit = search.limit
        self._trials |= {trial.number: trial for trial in trials}

    def __call__(self, event: Event) -> None:
        """Shows an event."""
        number = event.trial.number if isinstance(event, TrialBegan) else event.number
        known, best = number in self._trials, best_trial(list(self._trials.values()))
        if isinstance(event, TrialBegan):
            self._activities.pop(number, None)
            self._training.add(number)
            self._trials[number] = dataclasses.replace(event.trial, began_at_s=time.time())
        elif isinstance(event, TrialReported):
            trial = self._trials[number]
            self._trials[number] = dataclasses.replace(trial, reports=(*trial.reports, event.report))
            self._has_reports = True
            self._phase.end()
        else:
            self._activities.pop(number, None)
            self._trials[number] = dataclasses.replace(
                self._trials[number], state=event.ending.state, ending=event.ending
            )
        self._show(event, self._trials[number], known=known, is_best=self._is_new(best))

    def _is_new(self, before: TrialRecord | None) -> bool:
        """Whether another trial is the best now, by a score that is as good.

        While no trial is complete, the one that trained the longest is the best so far, whatever its score.
        """
        best = best_trial(list(self._trials.values()))
        if best is None or (before is not None and best.number == before.number):
            return False
        return before is None or best.ending is not None or (best.value or 0.0) >= (before.value or 0.0)

    def _show(self, event: Event, trial: TrialRecord, *, known: bool, is_best: bool) -> None:
        """The line of an event, with a style; a report without a decision or a best score is in the log alone."""
        line = f"trial {trial.number} "
        if isinstance(event, TrialBegan):
            # Only the worker knows from which epoch it resumes: a checkpoint may be missing.
            line += "taken up again" if known or trial.reports else "begins"
            line += f", last report at epoch {trial.epoch}" if trial.reports else ""
            self._line(f"{line}: {shown_values(trial.values)}")
        elif isinstance(event, TrialEnded):
            line += trial_status(trial, has_driver=True).word
            line += f": {event.ending.reason}" if event.ending.reason else ""
            self._output.note(line + "".join(f" {name} {value:.4f}" for name, value in event.ending.metrics.items()))
            line += f" at epoch {trial.epoch}"
            if trial.value is not None:
                line += f" {self._signal} {shown_score(trial.value, trial.standard_error)}"
            line += NOW_BEST if is_best else ""
            self._line(f"{line} | {self._how_far()}", style=None if event.ending.reason is None else "red", kept=True)
        else:
            line += f"epoch {trial.epoch}/{self._epochs} {self._signal} "
            line += f"{shown_score(event.report.value, event.report.standard_error)} {event.report.decision}"
            line += NOW_BEST if is_best else ""
            decided = event.report.decision is Decision.STOP or trial.epoch in self._decision_epochs
            if is_best or decided:
                self._line(line, style="bold" if is_best else None)
            else:
                self._output.note(line)

    def _line(self, text: str, *, style: str | None = None, kept: bool = False) -> None:
        """A line with the time since the beginning; in the log alone where the screen is redrawn.

        ``kept``: the log has it in other words already.
        """
        if not self._showing.is_live and not self._output.quiet:
            self._output.say(f"[{clock(time.monotonic() - self._began_s)}] {text}", style=style)
        elif not kept:
            self._output.note(text)

    def _beat(self) -> None:
        if is_interrupted():
            return
        if self._phase.name:
            self._line(f"{self._name}: {self._phase}, {self._how_far()}", style="dim")
        else:
            self._line(self.picture().headline, style="dim")

    def _say_interrupted(self) -> None:
        self._line(INTERRUPTED if self._trials else "interrupted: ending", style="magenta")

    def _how_far(self) -> str:
        """``5 of 20 trials ended, ETA 4:05``."""
        picture = self.picture()
        left = [] if picture.left_s is None else [f"ETA {clock(picture.left_s)}"]
        return ", ".join([*picture.progress.parts[:1], *left])

    @property
    def _epochs(self) -> int:
        return self._space.base.budget.epochs

    @property
    def _signal(self) -> str:
        return str(self._space.settings.objectives[0])

    @property
    def _decision_epochs(self) -> frozenset[int]:
        """The epochs at which a scheduler may stop a trial; the regular reports between them are not shown."""
        settings = self._space.settings.scheduler
        epoch, found = settings.grace_epochs, set()
        while epoch < self._epochs:
            found.add(epoch)
            epoch *= max(2, settings.reduction_factor)
        return frozenset(found)

    def picture(self) -> SearchPicture:
        """The search at this moment."""
        trials = [self._trials[number] for number in sorted(self._trials)]
        now_s, objectives = time.time(), self._space.settings.objectives
        progress = search_progress(
            trials,
            limit=self._limit,
            max_failures=self._space.settings.resources.max_failures,
            has_driver=self._has_driver,
            has_ended=self._has_ended,
        )
        is_over = progress.begun >= self._limit and progress.ended == progress.begun
        left_s = None
        if self._has_driver and not is_over:
            left_s = seconds_left(
                trials,
                limit=self._limit,
                now_s=now_s,
                sessions=(self._began_at_s,),
                expected=ExpectedEpochs.of(self._space, limit=self._limit),
                epochs={number: one.epoch for number, one in self._activities.items() if one.epoch is not None},
            )
        interrupted = INTERRUPTED if trials else "interrupted: ending"
        return SearchPicture(
            name=self._name,
            progress=progress,
            trials=trials,
            epochs=self._epochs,
            best=best_trial(trials),
            has_driver=self._has_driver,
            objectives=objectives,
            front=pareto_front(trials, objectives),
            elapsed_s=time.monotonic() - self._began_s,
            left_s=left_s,
            phase=interrupted if is_interrupted() and self._has_driver else str(self._phase),
            activities=self._activities,
        )

    def _render(self) -> RenderableType:
        picture = self.picture()
        return picture if self._has_driver else Group(*(picture.whole() if self._trials else []))
