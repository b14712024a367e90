"""The guard of the test split.

A search and a pretraining choose by validation subjects, so the test split is closed to them. ``Split`` gives test
indices for a named purpose alone, a store that was opened for them refuses the test sequences' poses and hides their
labels, and inside :func:`closed_test_split` no purpose opens them by which one could score or train.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path

from hico_platform.errors import HicoError, Problem


class Purpose(StrEnum):
    """What test indices are opened for; every reader of them names one."""

    RETRAINING = "retraining"
    """The chosen configuration is scored, once."""

    EVALUATION = "evaluation"
    """A user scores a finished encoder."""

    COUNTS = "counts"
    """How many sequences and classes there are, for descriptions and checks."""

    OVERLAP = "overlap"
    """Whether a test sequence is also trained on."""

    MERGE = "merge"
    """The parts of a dataset are carried over into a merged one."""


_WHILE_CLOSED = frozenset({Purpose.COUNTS, Purpose.OVERLAP})
"""Purposes that score nothing and train nothing, which a search has too."""

_closed_by: ContextVar[str | None] = ContextVar("closed_by", default=None)


class ClosedTestSplitError(HicoError):
    """What may not read the test split tried to."""


@contextmanager
def closed_test_split(by: str) -> Iterator[None]:
    """Closes the test split of every dataset to the code inside; usable as a decorator too.

    ``by`` says what runs inside, such as ``a search``. It holds for this thread, as ``run_task`` does on a worker.
    """
    token = _closed_by.set(by)
    try:
        yield
    finally:
        _closed_by.reset(token)


def require_open(purpose: Purpose) -> None:
    """Raises ClosedTestSplitError where the test split is closed to ``purpose``."""
    by = _closed_by.get()
    if by is not None and purpose not in _WHILE_CLOSED:
        raise ClosedTestSplitError(
            Problem(field="test split", rule="a reader after the search: retraining or evaluation", value=by,
                    remedy="leave the test split to retraining, and take validation subjects here")
        )  # fmt: skip


def refuse_sequence(name: str, *, directory: Path) -> ClosedTestSplitError:
    """The error for a test sequence of a store that was opened without its test split."""
    return ClosedTestSplitError(
        Problem(file=directory, field="test split", rule="a sequence of the training part", value=name,
                remedy="leave test sequences to retraining and evaluation, which open them")
    )  # fmt: skip
