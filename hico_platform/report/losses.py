"""The losses of a pretraining over its epochs as a picture: the total, and each level's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hico_platform.report.picture import COLOURS, MARKERS, picture, plain, png

TOTAL = "loss"
_MARKED_EPOCHS = 60


def loss_lines(losses: Mapping[int, Mapping[str, float]]) -> dict[str, dict[int, float]]:
    """By name each loss's value by epoch, the total first; other numbers of an epoch are left out."""
    lines: dict[str, dict[int, float]] = {}
    for epoch, values in losses.items():
        for name, value in values.items():
            if name == TOTAL or name.startswith(f"{TOTAL}_"):
                lines.setdefault(name, {})[epoch] = value
    return dict(sorted(lines.items(), key=lambda line: line[0] != TOTAL))


def draw_losses(losses: Mapping[int, Mapping[str, float]], *, title: str) -> bytes:
    """A PNG of the losses by epoch: the weighted total on the left, those of the levels, not weighted, on the right."""
    lines = loss_lines(losses)
    figure = picture(height_inches=5.0)
    figure.suptitle(plain(title), fontsize=12)
    left, right = figure.subplots(1, 2)
    for number, (name, line) in enumerate(lines.items()):
        axis: Any = left if name == TOTAL else right
        axis.plot(
            list(line),
            list(line.values()),
            color="#444444" if name == TOTAL else COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)] if len(line) <= _MARKED_EPOCHS else "",
            linestyle=("solid", "dashed", "dashdot", "dotted")[number % 4],
            markersize=4,
            label=name.removeprefix(f"{TOTAL}_"),
        )
    left.set_title("total, weighted", fontsize=11)
    right.set_title("by level", fontsize=11)
    if right.lines:
        right.legend(frameon=False, fontsize=10)
    for axis in (left, right):
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(axis="y", color="#E3E3E3")
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    left.set_ylabel("contrastive loss")
    return png(figure)
