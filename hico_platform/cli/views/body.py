"""One line about the bodies of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def body_line(body: Mapping[str, Any]) -> str:
    """Median height and its range, and how much bones vary, of the measures of a provenance or a description."""
    if body.get("height_m") is None:
        return "height not known"
    shortest, tallest = body["heights_m"]
    return (
        f"height {body['height_m']:.2f} m ({shortest:.2f} to {tallest:.2f}), "
        f"bones vary by {body['variation']:.1%} of their length within a recording"
    )
