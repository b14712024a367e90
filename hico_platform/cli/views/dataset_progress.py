"""A progress line for each generated dataset that a command makes on first use."""

from __future__ import annotations

from collections.abc import Callable

from hico_platform.cli.views.progress_line import ProgressLine


def dataset_progress() -> Callable[[str, int, int], None]:
    """Shows how far the making of a dataset is, by its name."""
    lines: dict[str, ProgressLine] = {}

    def show(name: str, done: int, total: int) -> None:
        if name not in lines:
            lines[name] = ProgressLine(f"making the {name} dataset")
        lines[name](done, total)

    return show
