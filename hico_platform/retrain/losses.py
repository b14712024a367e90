"""The losses of a run by epoch, kept beside its result: a figure needs them when the tracking store is away too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

LOSSES = "losses.jsonl"


def append_losses(directory: Path, history: Sequence[tuple[int, Mapping[str, float]]]) -> None:
    """Adds epochs to a run's file, a line each; an epoch that is trained again comes a second time."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOSSES).open("a") as file:
        file.writelines(json.dumps([epoch, dict(losses)]) + "\n" for epoch, losses in history)


def read_losses(directory: Path) -> dict[int, dict[str, float]]:
    """Losses by name of each epoch, ascending, the last ones that were added; a line that is torn is left out."""
    try:
        lines = (directory / LOSSES).read_text().splitlines()
    except FileNotFoundError:
        return {}
    found: dict[int, dict[str, float]] = {}
    for line in lines:
        try:
            epoch, losses = json.loads(line)
        except ValueError:
            continue
        found[int(epoch)] = losses
    return dict(sorted(found.items()))
