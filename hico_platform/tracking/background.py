"""What loggers in the background share: one outbox for metrics and tags, and one for uploads."""

from __future__ import annotations

from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.uploads import MOST_ANSWERS


class BackgroundLogger:
    """A logger whose writes are made by other threads, in order.

    Uploads have an outbox of their own, so that a slow or refused one delays no metric.
    """

    def __init__(self, *, outbox: Outbox | None = None, uploads: Outbox | None = None) -> None:
        self._outbox = outbox or Outbox()
        self._uploads = uploads or Outbox(most_answers=MOST_ANSWERS)

    @property
    def refused(self) -> int:
        """Writes that the store refused."""
        return self._outbox.refused + self._uploads.refused

    @property
    def refusal(self) -> str | None:
        """Why the first of them was refused."""
        return self._outbox.refusal or self._uploads.refusal

    def _hurry(self, *, patience_s: float, at_most_s: float = float("inf")) -> None:
        """Begins to close both outboxes with one deadline."""
        for outbox in (self._outbox, self._uploads):
            outbox.hurry(patience_s=patience_s, at_most_s=at_most_s)
