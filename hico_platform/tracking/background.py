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

    @property
    def waiting(self) -> tuple[int, int]:
        """Writes and uploads that are not made yet."""
        return self._outbox.waiting, self._uploads.waiting

    @property
    def behind_s(self) -> float:
        """For how long the oldest write or upload has waited."""
        return max(self._outbox.behind_s, self._uploads.behind_s)

    @property
    def store_is_away(self) -> bool:
        """Whether the store took nothing when it was last tried."""
        return self._outbox.trouble is not None or self._uploads.trouble is not None

    def _hurry(self, *, patience_s: float, at_most_s: float = float("inf")) -> None:
        """Begins to close both outboxes with one deadline."""
        for outbox in (self._outbox, self._uploads):
            outbox.hurry(patience_s=patience_s, at_most_s=at_most_s)
