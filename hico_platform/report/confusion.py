"""A confusion matrix as a picture: how often each class was taken for each other."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MOST_NAMED = 60
"""Classes whose names are written at the axes; more would lie over one another."""
_NUMBERED = 20
_INCHES_A_CLASS, _LEAST_INCHES, _MOST_INCHES, _DPI = 0.3, 6.0, 20.0, 110


def draw_confusion(counts: npt.NDArray[np.int64], class_names: Sequence[str], *, title: str) -> bytes:
    """A PNG of counts (classes, classes): rows are true classes, columns answers, each row as shares of its sum."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    inches = min(_MOST_INCHES, max(_LEAST_INCHES, 2.0 + _INCHES_A_CLASS * classes))
    figure = Figure(figsize=(inches, inches), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    image = axis.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
    figure.colorbar(image, ax=axis, shrink=0.6, label="share of the true class")
    axis.set(xlabel="answer", ylabel="true class", title=_plain(title))
    axis.title.set_fontsize(10)
    if classes <= MOST_NAMED:
        names = [_plain(name) for name in class_names]
        axis.set_xticks(range(classes), names, rotation=90, fontsize=7)
        axis.set_yticks(range(classes), names, fontsize=7)
    if classes <= _NUMBERED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axis.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=colour)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI)
    return stream.getvalue()


def _plain(text: str) -> str:
    """A name with its dollar signs escaped, between which matplotlib would read mathematics."""
    return text.replace("$", r"\$")
