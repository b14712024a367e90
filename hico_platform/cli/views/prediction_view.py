"""What a model says of a recording, in words and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hico_platform.cli.terminal import plain_line

if TYPE_CHECKING:
    from hico_platform.commands.predict import Prediction


def as_text(found: Prediction, *, classes: int) -> str:
    """The recording's name, its most probable classes, and a line for each neighbour."""
    likely = list(found.probabilities.items())[:classes]
    lines = [
        f"{plain_line(found.name)}: " + ", ".join(f"{plain_line(name)} {share:.1%}" for name, share in likely),
        *(f"  {each.distance:.4f}  {plain_line(each.label)}  {plain_line(each.name)}" for each in found.neighbours),
    ]
    return "\n".join(lines)


def as_line(found: Prediction) -> dict[str, Any]:
    """The same as plain values: ``name``, ``class`` (the most probable), ``probabilities`` and ``neighbours``."""
    return {
        "name": found.name,
        "class": next(iter(found.probabilities)),
        "probabilities": found.probabilities,
        "neighbours": [asdict(neighbour) for neighbour in found.neighbours],
    }
