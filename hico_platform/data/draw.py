"""Draws skeletons: a strip of frames for each sequence (PNG), or animated side by side (GIF)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.sequence import UNLABELLED
from hico_platform.data.store import Store
from hico_platform.errors import Problem, UsageError, reason

_STRIP_FRAMES = 6
_GIF_FRAMES = 60
_FRAMES_A_SECOND = 15
_EVERY = 2  # Kinect records 30 frames a second; every second one is drawn, at real speed
_COLOURS = ("tab:blue", "tab:orange")


def draw(store: Store, path: Path, *, count: int = 4) -> list[str]:
    """Draws ``count`` sequences of different classes to ``path``, ``.png`` or ``.gif``; returns their names.

    Raises UsageError for another suffix, fewer than one sequence, or a file that cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".gif"):
        raise UsageError(
            Problem(field="draw", rule="a .png or .gif file", value=path.name, remedy="give a name that ends so")
        )
    if count < 1 or not len(store):
        raise UsageError(
            Problem(field="draw-count", rule=f"at least 1, of the {len(store)} sequences that there are", value=count,
                    remedy="give another number")
        )  # fmt: skip
    chosen = _spread(store, count)
    try:
        if suffix == ".png":
            _strip(store, chosen, path)
        else:
            _moving(store, chosen, path)
    except OSError as error:
        raise UsageError(
            Problem(
                file=path,
                field="draw",
                rule="a file that can be written",
                value=reason(error),
                remedy="give another path",
            )
        ) from None
    return [store.names[i] for i in chosen]


def _spread(store: Store, count: int) -> list[int]:
    """Indices of ``count`` sequences, spread evenly over the classes, or over the store where there are no labels."""
    _, first = np.unique(store.labels, return_index=True)
    if not store.labelled.any():
        first = np.arange(len(store))
    at = np.unique(np.linspace(0, len(first) - 1, min(count, len(first))).round().astype(int))
    return [int(i) for i in first[at]]


def _strip(store: Store, chosen: list[int], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.2 * _STRIP_FRAMES, 2.4 * len(chosen)))
    axes = figure.subplots(len(chosen), _STRIP_FRAMES, squeeze=False)
    for row, i in zip(axes, chosen, strict=True):
        pose = store.pose(i)
        for axis, frame in zip(row, np.linspace(0, len(pose) - 1, _STRIP_FRAMES).round().astype(int), strict=True):
            draw_skeleton(axis, store, pose, int(frame))
            axis.set_title(f"frame {frame}", fontsize=7)
        _title(row[0], store, i, ", frame 0")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def _moving(store: Store, chosen: list[int], path: Path) -> None:
    from matplotlib.animation import FuncAnimation, PillowWriter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.6 * len(chosen), 2.8))
    axes = figure.subplots(1, len(chosen), squeeze=False)[0]
    poses = [store.pose(i) for i in chosen]
    frames = min(_GIF_FRAMES, -(-max(map(len, poses)) // _EVERY))

    def step(frame: int) -> list[Any]:
        for axis, i, pose in zip(axes, chosen, poses, strict=True):
            axis.clear()
            draw_skeleton(axis, store, pose, frame * _EVERY % len(pose))
            _title(axis, store, i)
        return []

    FuncAnimation(figure, step, frames=frames).save(path, writer=PillowWriter(fps=_FRAMES_A_SECOND))


def _title(axis: Any, store: Store, i: int, more: str = "") -> None:
    label = store.labels[i]
    text = f"{store.names[i]}\n{'no label' if label == UNLABELLED else store.class_names[label]}{more}"
    axis.set_title(text, fontsize=7, parse_math=False)  # a name may contain dollar signs


def draw_skeleton(axis: Any, store: Store, pose: npt.NDArray[np.float32], frame: int) -> None:
    """Draws one frame from the front: x to the right, and upwards the axis of the spine, or y of poses in an image."""
    across, up = (0, store.coordinates - 1) if store.normalisation else (0, 1)
    for m, colour in zip(range(pose.shape[1]), _COLOURS, strict=False):
        body = pose[frame, m]
        shown = body.any(axis=-1)
        if store.normalisation is not None and m == 0 and store.layout.centre_joint is not None:
            shown[store.layout.centre_joint] = True  # normalisation moves it to zero, which also marks missing joints
        for child, parent in enumerate(store.layout.parents):
            if shown[child] and shown[parent]:
                bone = body[[child, parent]]
                axis.plot(bone[:, across], bone[:, up], color=colour, linewidth=1)
    reach = pose[pose.any(axis=-1)]
    if len(reach):
        low, high = reach.min(axis=0), reach.max(axis=0)
        axis.set_xlim(low[across] - 0.1, high[across] + 0.1)
        axis.set_ylim(low[up] - 0.1, high[up] + 0.1)
    axis.set_aspect("equal")
    axis.axis("off")
