"""A method of an actor, for tests without a cluster."""

from __future__ import annotations


class Remote:
    """Keeps what it is called with, and returns one answer."""

    def __init__(self, answer: object = None) -> None:
        self.calls: list[tuple[object, ...]] = []
        self._answer = answer

    def remote(self, *arguments: object) -> object:
        self.calls.append(arguments)
        return self._answer
