from __future__ import annotations

from hico_platform.search.messages import Activity
from hico_platform.search.phases import UNWATCHED, DriverWatch, Phase
from hico_platform.search.task import TrialActivity


def test_a_phase_reads_as_what_goes_on() -> None:
    for phase in Phase:
        assert phase.split()[0].endswith("ing")
        assert phase[0].islower()
        assert len(phase) < 50, "it stands in a line with a clock"


def test_who_does_not_watch_is_told_nothing_and_who_does_is() -> None:
    activity = TrialActivity(number=3, doing=Activity.DATA, epoch=0)
    UNWATCHED.on_phase(Phase.RAY)
    UNWATCHED.on_activity(activity)
    told: list[object] = []
    watch = DriverWatch(on_phase=told.append)
    watch.on_phase(Phase.RAY)
    watch.on_activity(activity)
    assert told == [Phase.RAY]
