from __future__ import annotations

import pytest

from hico_platform.report import losses as module
from hico_platform.report.losses import draw_losses, loss_lines

LOSSES = {
    1: {"loss_clip": 1.0, "loss": 3.0, "sequences_per_s": 9.0},
    2: {"loss_clip": 0.5, "loss": 2.0, "sequences_per_s": 9.0},
}


def test_the_total_then_the_levels() -> None:
    assert list(loss_lines(LOSSES).items()) == [("loss", {1: 3.0, 2: 2.0}), ("loss_clip", {1: 1.0, 2: 0.5})]


@pytest.mark.slow
def test_the_total_is_apart_from_the_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(module, "png", lambda figure: kept.append(figure) or b"")
    draw_losses(LOSSES, title="$ 1 $")
    drawn = [[list(line.get_ydata()) for line in axis.lines] for axis in kept[0].axes]
    assert drawn == [[[3.0, 2.0]], [[1.0, 0.5]]]
