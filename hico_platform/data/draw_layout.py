"""Draws a layout: a standing person with numbered joints, and head, hand and foot enlarged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.anatomy import joint_key, rest_pose
from hico_platform.data.layout import Layout
from hico_platform.errors import Problem, UsageError, reason

_COLOURS = {"left": "tab:blue", "right": "tab:orange", "": "0.3"}
_CLOSE_UPS = {  # name, and the region of the standing person: x from and to, y from and to, in metres
    "head": (-0.13, 0.13, 1.44, 1.72),
    "right hand": (0.44, 0.62, 0.78, 0.99),
    "right foot": (0.07, 0.23, -0.01, 0.13),
}
_FEWEST_IN_CLOSE_UP = 3
_JOINTS_A_COLUMN = 36


def draw_layout(layout: Layout, path: Path) -> None:
    """Draws ``layout`` as a person seen as a Kinect does, the person's right on the right, to ``path``, a ``.png``.

    Raises UsageError for another suffix, joints whose names are not known, or a file that cannot be written.
    """
    from matplotlib.figure import Figure

    if path.suffix.lower() != ".png":
        raise UsageError(Problem(field="draw", rule="a .png file", value=path.name, remedy="give a name that ends so"))
    pose = rest_pose(layout)
    unknown = [name for name, place in zip(layout.joints, pose, strict=True) if np.isnan(place).any()]
    if unknown:
        raise UsageError(
            Problem(field="layout.joints", rule="a name that built-in layouts have, for each joint",
                    value=unknown, remedy="name them shoulder_left, knee_right and the like")
        )  # fmt: skip
    regions = {name: box for name, box in _CLOSE_UPS.items() if _inside(pose, box).sum() >= _FEWEST_IN_CLOSE_UP}
    figure = Figure(figsize=(13, 9), layout="constrained")
    grid = figure.add_gridspec(max(len(regions), 1), 3, width_ratios=(2.4, 1.4, 1.2))
    whole = figure.add_subplot(grid[:, 0])
    _person(whole, layout, pose, shown=np.ones(len(pose), bool))
    _axes(whole, layout, pose)
    whole.set_title(f"{layout.name}, {len(layout.joints)} joints", parse_math=False)
    for row, (name, box) in enumerate(regions.items()):
        axis = figure.add_subplot(grid[row, 1])
        _person(axis, layout, pose, shown=_inside(pose, box))
        axis.set_xlim(box[:2])
        axis.set_ylim(box[2:])
        axis.set_title(name, fontsize=8)
    _names(figure.add_subplot(grid[:, 2]), layout)
    try:
        figure.savefig(path, dpi=100)
    except OSError as error:
        raise UsageError(
            Problem(file=path, field="draw", rule="a file that can be written", value=reason(error),
                    remedy="give another path")
        ) from None  # fmt: skip


def _inside(pose: npt.NDArray[np.float64], box: tuple[float, float, float, float]) -> npt.NDArray[np.bool_]:
    left, right, low, high = box
    x, y = pose[:, 0], pose[:, 1]
    return (left <= x) & (x <= right) & (low <= y) & (y <= high)


def _side(name: str) -> str:
    side = joint_key(name).rpartition("_")[2]
    return side if side in _COLOURS else ""


def _person(axis: Any, layout: Layout, pose: npt.NDArray[np.float64], *, shown: npt.NDArray[np.bool_]) -> None:
    for joint, parent in enumerate(layout.parents):
        bone = pose[[joint, parent]]
        axis.plot(bone[:, 0], bone[:, 1], color=_COLOURS[_side(layout.joints[joint])], linewidth=1.5, clip_on=True)
    for joint in np.flatnonzero(shown).tolist():
        x, y, _ = pose[joint]
        axis.plot(x, y, "o", color=_COLOURS[_side(layout.joints[joint])], markersize=4)
        axis.annotate(str(joint), (x, y), xytext=(3, 3), textcoords="offset points", fontsize=9)
    axis.set_aspect("equal")
    axis.axis("off")


def _axes(axis: Any, layout: Layout, pose: npt.NDArray[np.float64]) -> None:
    x, y, _ = layout.centre_of(pose)
    axis.plot(x, y, "s", markersize=11, markerfacecolor="none", color="tab:red", label="centre")
    for name, line, start in (
        ("z axis", layout.z_line(pose), layout.z_axis[0]),
        ("x axis", layout.x_line(pose), layout.x_axis[0]),
    ):
        from_x, from_y, _ = layout.position(pose, start)
        axis.annotate(
            "", (from_x + line[0], from_y + line[1]), (from_x, from_y),
            arrowprops={"arrowstyle": "->", "color": "tab:red", "linestyle": ":" if name == "x axis" else "-"},
        )  # fmt: skip
    axis.plot([], [], color="tab:red", label="z axis")
    axis.plot([], [], ":", color="tab:red", label="x axis")
    axis.legend(loc="lower left", fontsize=8)


def _names(axis: Any, layout: Layout) -> None:
    lines = [
        f"{joint:>3} {name}" + ("  (root)" if parent == joint else f"  from {parent}")
        for joint, (name, parent) in enumerate(zip(layout.joints, layout.parents, strict=True))
    ]
    for row, line in enumerate(lines[: 2 * _JOINTS_A_COLUMN]):
        name = layout.joints[row]
        axis.text(row // _JOINTS_A_COLUMN, 1 - (row % _JOINTS_A_COLUMN) / _JOINTS_A_COLUMN, line, fontsize=8,
                  family="monospace", color=_COLOURS[_side(name)], parse_math=False)  # fmt: skip
    axis.axis("off")
