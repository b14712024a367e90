from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hico_platform.config.space import StopConfig
from hico_platform.enums import Decision
from hico_platform.search.ledger.base import Ending, Origin, ReportRecord, TrialRecord, TrialState
from hico_platform.search.stopping import busy_s, good_enough, time_is_up


def trial(
    number: int, began_at_s: float, *reports: tuple[float, float], ended_at_s: float | None = None
) -> TrialRecord:
    """``reports`` are (time, value)."""
    records = tuple(
        ReportRecord(
            epoch=index + 1,
            value=value,
            metrics={},
            history=(),
            decision=Decision.CONTINUE,
            checkpoint=Path("c"),
            at_s=at_s,
        )
        for index, (at_s, value) in enumerate(reports)
    )
    ending = None
    if ended_at_s is not None:
        ending = Ending(state=TrialState.COMPLETE, epoch=len(records), at_s=ended_at_s)
    return TrialRecord(
        number=number,
        state=TrialState.RUNNING if ending is None else ending.state,
        values={},
        origin=Origin.SAMPLER,
        began_at_s=began_at_s,
        reports=records,
        ending=ending,
    )


class TestTime:
    def up(self, stop: StopConfig, *trials: TrialRecord, now_s: float) -> str | None:
        def busy(one: TrialRecord) -> float:
            return busy_s(one, now_s=now_s, sessions=[0.0])

        return time_is_up(stop, trials, running_s=now_s, gpus=2.0, busy=busy)

    def test_hours(self) -> None:
        assert self.up(StopConfig(hours=1), now_s=3599) is None
        assert self.up(StopConfig(hours=1), now_s=3600) == "1 hours are over"

    def test_gpu_hours(self) -> None:
        stop = StopConfig(gpu_hours=3)
        done, at_work = trial(0, 0.0, (1800.0, 0.1), ended_at_s=3600.0), trial(1, 3600.0)
        assert self.up(stop, done, at_work, now_s=5000) is None
        assert self.up(stop, done, at_work, now_s=5400) == "3 GPU-hours are spent"

    def test_no_rule(self) -> None:
        assert self.up(StopConfig(), trial(0, 0.0), now_s=1e9) is None

    def test_time_between_drivers_does_not_count(self) -> None:
        cut_off = trial(0, 0.0, (10.0, 0.1), (1010.0, 0.2), ended_at_s=1020.0)
        assert busy_s(cut_off, now_s=2000.0, sessions=[0.0, 1000.0]) == 10 + 10 + 10

    def test_time_in_which_a_trial_is_paused_does_not_count(self) -> None:
        held = replace(trial(0, 0.0, (10.0, 0.1), (1010.0, 0.2), ended_at_s=1020.0), pauses=((15.0, 1005.0),))
        assert busy_s(held, now_s=2000.0, sessions=[0.0]) == 10 + 5 + 5 + 10
        waits = replace(trial(1, 0.0, (10.0, 0.1)), pauses=((15.0, None),))
        assert busy_s(waits, now_s=2000.0, sessions=[0.0]) == 15
        over_two_drivers = replace(waits, pauses=((15.0, 900.0),))
        assert busy_s(over_two_drivers, now_s=1000.0, sessions=[0.0, 800.0]) == 10 + 5 + 100


class TestGoodEnough:
    def test_target(self) -> None:
        trials = [trial(0, 0.0, (1.0, 0.4))]
        assert good_enough(StopConfig(target=0.5), trials) is None
        assert good_enough(StopConfig(target=0.4), trials) == "the target 0.4 is reached"

    def test_patience_counts_complete_trials_in_the_order_of_their_ends(self) -> None:
        trials = [
            trial(0, 0.0, (1.0, 0.5), ended_at_s=30.0),
            trial(1, 0.0, (1.0, 0.4), ended_at_s=10.0),
            trial(2, 0.0, (1.0, 0.3), ended_at_s=40.0),
            trial(3, 0.0, (1.0, 0.9)),
        ]
        assert good_enough(StopConfig(patience=2), trials) is None
        trials.append(trial(4, 0.0, (1.0, 0.5), ended_at_s=50.0))
        assert good_enough(StopConfig(patience=2), trials) == "2 complete trials brought nothing better"
