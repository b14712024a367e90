"""What a search had spent when, and the best score by then."""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.report.content import ReportContent, ReportedTrial

HOUR_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A report or an ending, in the order in which they happened, and what all trials had spent by then.

    Args:
        trial: whose it is.
        at_s: Unix time.
        epochs: of all trials together.
        worker_s: seconds that workers had given to trials, downstream evaluation included.
        ended: trials that had ended.
        best: the best score among complete trials; None before the first.
        any_best: the best score of any report.
        is_end: whether the trial ended here.
    """

    trial: ReportedTrial
    at_s: float
    epochs: int
    worker_s: float
    ended: int
    best: float | None
    any_best: float
    is_end: bool


def moments(content: ReportContent) -> list[Moment]:
    """All reports and endings. A trial without times, of a handmade content, happens after the one before it."""
    events: list[tuple[float, int, int, ReportedTrial]] = []
    later = 0.0
    for trial in content.trials:
        for epoch in trial.curve:
            later = trial.at_s.get(epoch, later)
            events.append((later, trial.number, epoch, trial))
        if trial.ended_at_s is not None or trial.seconds is not None:
            later = later if trial.ended_at_s is None else trial.ended_at_s
            events.append((later, trial.number, _END, trial))
    found: list[Moment] = []
    reached: dict[int, int] = {}
    spent: dict[int, float] = {}
    epochs, worker_s, ended = 0, 0.0, 0
    best: float | None = None
    any_best = 0.0
    for at_s, number, epoch, trial in sorted(events, key=lambda event: event[:3]):
        if epoch == _END:
            ended += 1
            now_s = trial.busy_s if trial.busy_s is not None else spent.get(number, 0.0)
            if trial.is_complete and trial.value is not None:
                best = trial.value if best is None else max(best, trial.value)
        else:
            epochs += epoch - reached.get(number, 0)
            reached[number] = epoch
            now_s = trial.spent_s.get(epoch, spent.get(number, 0.0))
            any_best = max(any_best, trial.curve[epoch])
        worker_s += max(0.0, now_s - spent.get(number, 0.0))
        spent[number] = max(now_s, spent.get(number, 0.0))
        found.append(
            Moment(
                trial=trial,
                at_s=at_s,
                epochs=epochs,
                worker_s=worker_s,
                ended=ended,
                best=best,
                any_best=any_best,
                is_end=epoch == _END,
            )
        )
    return found


_END = 2**62
"""Sorts after every epoch of a trial at the same moment."""
