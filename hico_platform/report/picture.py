"""What the pictures of an evaluation share: their size, their colours, and how they become a PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_INCHES, DPI = 12.0, 100
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Of Okabe and Ito (2008), which colour-blind readers tell apart; without the yellow, which white swallows."""
MARKERS = ("o", "^", "s")
RIGHT, WRONG = COLOURS[2], COLOURS[1]
_LONGEST_NAME = 26


def picture(*, height_inches: float) -> Figure:
    """An empty figure 1,200 pixels wide, drawn by Agg."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    return stream.getvalue()


def plain(text: str) -> str:
    """A text with its dollar signs escaped, between which matplotlib would read mathematics."""
    return text.replace("$", r"\$")


def short(name: str, *, most: int = _LONGEST_NAME) -> str:
    """A name that fits a legend, with an ellipsis where it is longer."""
    return plain(name if len(name) <= most else name[: most - 1] + "…")
