"""Features by class as a picture: each sequence a point, each class a colour and a marker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hico_platform.report.picture import COLOURS, MARKERS, picture, plain, png, short

MOST_CLASSES = 20
"""Classes that have a colour and a name: the largest ones."""
_OTHERS = "#C8C8C8"


def named_classes(labels: npt.NDArray[np.int64]) -> list[int]:
    """Up to MOST_CLASSES of the classes of ``labels`` (m,), those with most sequences, in ascending order."""
    classes, counts = np.unique(labels, return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    return sorted(int(found) for found in classes[largest])


def other_classes(labels: npt.NDArray[np.int64], named: Sequence[int]) -> str:
    """What a legend calls the classes without a name: smaller ones only where none is as large as a named one."""
    classes, counts = np.unique(labels, return_counts=True)
    is_named = np.isin(classes, named)
    count = int((~is_named).sum())
    smaller = "smaller" if counts[~is_named].max() < counts[is_named].min() else "other"
    return f"{count} {smaller} class{'' if count == 1 else 'es'}"


def draw_feature_map(
    positions: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], class_names: Sequence[str], *, title: str
) -> bytes:
    """A PNG of positions (m, 2) of sequences with their classes ``labels`` (m,); ``class_names`` are of all classes."""
    figure = picture(height_inches=7.5)
    axis = figure.add_subplot()
    named = named_classes(labels)
    others = ~np.isin(labels, named)
    if others.any():
        axis.scatter(
            positions[others, 0],
            positions[others, 1],
            s=10,
            color=_OTHERS,
            label=other_classes(labels, named),
            linewidths=0,
        )
    for number, found in enumerate(named):
        axis.scatter(
            positions[labels == found, 0],
            positions[labels == found, 1],
            s=26 if len(positions) > 400 else 50,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number // len(COLOURS)],
            label=short(class_names[found]),
            alpha=0.8,
            linewidths=0,
        )
    axis.set_title(plain(title), fontsize=12)
    axis.set(xticks=[], yticks=[], xlabel="t-SNE, whose axes and distances between groups mean nothing")
    axis.set_aspect("equal", adjustable="datalim")
    figure.legend(loc="outside right upper", fontsize=10, frameon=False)
    return png(figure)
