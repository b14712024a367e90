from __future__ import annotations

from hico_platform.cli.views.phase_line import PhaseLine


def test_a_phase_says_for_how_long_or_how_much_is_done() -> None:
    now_s = [100.0]
    line = PhaseLine(timer=lambda: now_s[0])
    assert str(line) == ""
    assert line.begin("starting Ray")
    now_s[0] += 12
    assert not line.begin("starting Ray")
    assert str(line) == "starting Ray (0:12)"
    line.begin("making the embedded dataset")
    now_s[0] += 10
    line.progress(1200, 2880)
    assert str(line) == "making the embedded dataset: 1,200 of 2,880, 0:14 left"
    line.progress(2880, 2880)
    assert str(line) == "making the embedded dataset: 2,880 of 2,880"
    line.end()
    assert (str(line), line.name) == ("", "")
