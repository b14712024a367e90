"""What people asked of a search, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from hico_platform.cli.terminal import plain_line
from hico_platform.search.status import SearchStatus

MOST_REQUESTS = 5
"""The most requests that a status shows; `show` has all of them."""


def steering_lines(status: SearchStatus, *, most: int = MOST_REQUESTS) -> Iterator[str]:
    """What is paused, and the last requests with their answers."""
    if status.is_paused:
        yield "paused: no trial runs; go on by: hico-platform continue " + plain_line(status.search.name)
    elif status.paused_trials:
        yield f"paused: trials {', '.join(map(str, status.paused_trials))}"
    if len(status.requests) > most:
        yield f"asked: {len(status.requests) - most} earlier requests are not shown"
    for request in status.requests[-most:]:
        yield f"asked: {plain_line(request.sentence)}"
