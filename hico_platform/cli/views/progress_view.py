"""A view with bars of rich: shown from ``with`` on, and left as they are at its end."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import Progress


class ProgressView:
    """What views with bars share."""

    _progress: Progress

    def __enter__(self) -> Self:
        """Shows the bars from here on."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the last state on the screen."""
        self._progress.stop()
