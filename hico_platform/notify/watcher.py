"""Watches a search and says when people are told: of its end, failures, a new best, silence, disk and budget."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hico_platform.config.space import StopConfig
from hico_platform.errors import HicoError, command
from hico_platform.notify.notification import Notification, Occasion
from hico_platform.search.events import Event, TrialBegan, TrialReported
from hico_platform.search.execution_events import ExecutionEvent, WorkerReleased
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.result import SearchResult

LOOK_EVERY_S = 30.0
MOST_OFTEN_S = 300.0
"""At most one message of a new best in this time: the last of them."""

SILENCE_S, SILENCE_TIMES = 1800.0, 6.0
"""A search is silent after six times the longest pause between two of its reports, and not before half an hour."""

FREE_SHARE, FREE_BYTES = 0.1, 2 * 2**30
"""A disk is nearly full with less than a tenth of it and less than 50 GiB free, or less than 2 GiB."""
_PLENTY_BYTES = 50 * 2**30
BUDGET_SHARE = 0.9


class SearchWatcher:
    """An observer of a search's events.

    Args:
        name: the search's.
        metric: the score that it goes by.
        stop: its stop rules.
        gpus: what a trial holds.
        home: the folder whose disk is watched.
        submit: takes each message.
        clock: Unix time in seconds.
        timer: seconds since any moment.
    """

    def __init__(
        self,
        *,
        name: str,
        metric: str,
        stop: StopConfig,
        gpus: float,
        home: Path,
        submit: Callable[[Notification], None],
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._metric, self._stop, self._gpus, self._home = name, metric, stop, gpus, home
        self._submit, self._clock, self._timer = submit, clock, timer
        self._lock = threading.Lock()
        self._began_s = self._heard_s = timer()
        self._longest_pause_s = 0.0
        self._scores: dict[int, tuple[float, float | None]] = {}  # the last report of each running trial
        self._running: dict[int, float] = {}  # since when
        self._spent_s = 0.0
        self._best: float | None = None
        self._unsent_best: tuple[int, float, float | None] | None = None
        self._best_sent_s = -MOST_OFTEN_S
        self._said: set[Occasion] = set()

    def resumed(self, trials: Sequence[TrialRecord], *, spent_s: float) -> None:
        """What there was before this driver; ``spent_s`` are the seconds that trials have taken."""
        values = [trial.value for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
        with self._lock:
            self._best = max(values, default=None)
            for trial in trials:
                if trial.ending is None and trial.value is not None:
                    self._scores[trial.number] = trial.value, trial.standard_error
            self._spent_s = spent_s

    def __call__(self, event: Event) -> None:
        """Takes note of an event, and sends what follows from it."""
        with self._lock:
            self._hear()
            if isinstance(event, TrialBegan):
                self._count_worker(event.trial.number)  # it may have lost a worker before
                self._running[event.trial.number] = self._timer()
            elif isinstance(event, TrialReported):
                self._scores[event.number] = event.report.value, event.report.standard_error
            else:
                self._count_worker(event.number)
                score = self._scores.pop(event.number, None)
                if event.ending.state is TrialState.FAILED:
                    self._trial_failed(event.number, event.ending.reason)
                elif event.ending.state is TrialState.COMPLETE and score is not None:
                    self._complete(event.number, *score)
            self._send_best()

    def on_execution(self, event: ExecutionEvent) -> None:
        """A paused trial gives its worker back."""
        if isinstance(event, WorkerReleased):
            with self._lock:
                self._count_worker(event.number)

    def look(self) -> None:
        """What time alone brings: a best that waited, silence, the disk, the budget."""
        with self._lock:
            self._send_best()
            self._check_silence()
            self._check_disk()
            self._check_budget()

    def done(self, result: SearchResult) -> None:
        """The search has come to its end."""
        with self._lock:
            self._send_best(at_once=True)
            best, states = result.best, result.progress.counts
            counts = ", ".join(f"{count} {state}" for state, count in states.items() if count)
            lines = [f"{len(result.trials)} trials: {counts}."]
            if result.ended_by is not None:
                lines.append(f"Ended because {result.ended_by}.")
            scored = "no trial was scored"
            facts: dict[str, Any] = {"trials": len(result.trials), "ended_by": result.ended_by}
            if best is not None and best.value is not None:
                scored = f"best {self._metric} {shown(best.value, best.standard_error)} (trial {best.number})"
                facts |= self._score(best.number, best.value, best.standard_error)
            lines.append(f"Next: {result.next_command}")
            occasion = Occasion.FAILED if result.without_score else Occasion.DONE
            self._tell(occasion, f"{occasion}, {scored}", lines, facts)

    def failed(self, error: BaseException) -> None:
        """The search ended by an error."""
        with self._lock:
            self._send_best(at_once=True)
            again = command("search", "--resume", "--name", self._name)
            self._tell(Occasion.FAILED, "failed", [_said(error), f"Go on with: {again}"])

    def interrupted(self) -> None:
        """The search was interrupted."""
        with self._lock:
            self._send_best(at_once=True)
            again = command("search", "--resume", "--name", self._name)
            self._tell(Occasion.INTERRUPTED, "interrupted", [f"Go on with: {again}"])

    def _count_worker(self, number: int) -> None:
        """Counts what a trial's worker has spent, which it has no longer."""
        now_s = self._timer()
        self._spent_s += now_s - self._running.pop(number, now_s)

    def _hear(self) -> None:
        now_s = self._timer()
        self._longest_pause_s = max(self._longest_pause_s, now_s - self._heard_s)
        self._heard_s = now_s
        self._said.discard(Occasion.SILENT)

    def _trial_failed(self, number: int, reason: str | None) -> None:
        self._tell(
            Occasion.FAILED, f"trial {number} failed", [reason or "for no known reason"], {"trial": number}
        )  # the search goes on

    def _complete(self, number: int, value: float, standard_error: float | None) -> None:
        if self._best is None or value > self._best:
            self._best, self._unsent_best = value, (number, value, standard_error)

    def _send_best(self, *, at_once: bool = False) -> None:
        now_s = self._timer()
        if self._unsent_best is None or not (at_once or now_s - self._best_sent_s >= MOST_OFTEN_S):
            return
        number, value, standard_error = self._unsent_best
        self._unsent_best, self._best_sent_s = None, now_s
        self._tell(
            Occasion.NEW_BEST,
            f"new best {self._metric} {shown(value, standard_error)} (trial {number})",
            [f"Watch it: {command('status', self._name)}"],
            self._score(number, value, standard_error),
        )

    def _check_silence(self) -> None:
        quiet_s = self._timer() - self._heard_s
        if quiet_s >= max(SILENCE_S, SILENCE_TIMES * self._longest_pause_s):
            minutes = f"{quiet_s / 60:.0f} minutes"
            lines = [f"The longest pause before was {self._longest_pause_s / 60:.0f} minutes.",
                     f"See: {command('status', self._name)}"]  # fmt: skip
            self._once(Occasion.SILENT, f"no report for {minutes}", lines, {"seconds": quiet_s})

    def _check_disk(self) -> None:
        try:
            usage = shutil.disk_usage(self._home)
        except OSError:
            return
        if usage.free < FREE_BYTES or (usage.free < FREE_SHARE * usage.total and usage.free < _PLENTY_BYTES):
            free = f"{usage.free / 2**30:.1f} GiB"
            line = "A full disk ends the search; it can be resumed once there is space."
            self._once(Occasion.DISK, f"{free} left on the disk of its home", [line], {"free_bytes": usage.free})

    def _check_budget(self) -> None:
        now_s = self._timer()
        hours = (now_s - self._began_s) / 3600
        gpu_hours = self._gpus * (self._spent_s + sum(now_s - since for since in self._running.values())) / 3600
        for spent, limit, unit in ((hours, self._stop.hours, "hours"), (gpu_hours, self._stop.gpu_hours, "GPU-hours")):
            if limit is not None and spent >= BUDGET_SHARE * limit:
                line = "Trials end at their next report when all of it is used up."
                title = f"{spent:.1f} of {limit:g} {unit} are used up"
                self._once(Occasion.BUDGET, title, [line], {"spent": spent, "limit": limit, "unit": unit})

    def _once(self, occasion: Occasion, title: str, lines: Sequence[str], facts: dict[str, Any]) -> None:
        if occasion not in self._said:
            self._said.add(occasion)
            self._tell(occasion, title, lines, facts)

    def _score(self, number: int, value: float, standard_error: float | None) -> dict[str, Any]:
        return {"trial": number, "metric": self._metric, "value": value, "standard_error": standard_error}

    def _tell(self, occasion: Occasion, title: str, lines: Sequence[str], facts: dict[str, Any] | None = None) -> None:
        self._submit(
            Notification(
                occasion=occasion,
                search=self._name,
                machine=socket.gethostname(),
                at_s=self._clock(),
                title=f"{self._name}: {title}",
                text="\n".join(lines),
                facts=facts or {},
            )
        )


def shown(value: float, standard_error: float | None) -> str:
    """A score with its standard error, as ``status`` shows it."""
    return f"{value:.3f}" if standard_error is None else f"{value:.3f}±{standard_error:.3f}"


def _said(error: BaseException) -> str:
    """What an error says, without the traceback that Ray puts into the text of one that it hands on."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        if isinstance(one, HicoError):
            return str(one)
        seen.add(id(one))
        handed_on = getattr(one, "cause", None)
        one = handed_on if isinstance(handed_on, BaseException) else one.__cause__ or one.__context__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    has_traceback = any(line.startswith("Traceback") for line in lines)
    return (lines[-1] if has_traceback else "\n".join(lines)) if lines else type(error).__name__
