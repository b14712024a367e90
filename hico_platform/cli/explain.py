"""Turns the error that ended a command into problems that name field, rule, value and remedy.

Errors of the operating system and of libraries name none of these, so each kind gets a problem of its own here. Any
other error is a bug of this package, and is reported as one. Libraries are recognised by the modules of their errors'
classes, so that no library is imported to explain an error.
"""

from __future__ import annotations

from collections.abc import Iterator

from hico_platform.cli.explain_database import database, tracking_store
from hico_platform.cli.explain_system import encoding, full_disk, missing_package, no_memory, operating_system
from hico_platform.cli.explanation import FAILED, Explanation, Scene, one_problem, short
from hico_platform.errors import HicoError, Problem

__all__ = ["Explanation", "Scene", "explain"]

_KINDS = (full_disk, no_memory, database, tracking_store, operating_system, encoding, missing_package)


def explain(error: BaseException, scene: Scene) -> Explanation:
    """The problems that explain an error; a HicoError has its own."""
    if isinstance(error, HicoError):
        return Explanation(problems=error.problems, exit_code=error.exit_code)
    chain = tuple(_chain(error))
    for kind in _KINDS:
        for link in chain:
            found = kind(link, chain, scene)
            if found is not None:
                return found
    for link in chain:
        if isinstance(link, HicoError):  # raised by this package, wrapped by a library
            return Explanation(problems=link.problems, exit_code=link.exit_code)
    return _unknown(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, then its causes, outermost first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _unknown(error: BaseException) -> Explanation:
    problem = Problem(
        rule="an error that hico-platform knows",
        value=f"{type(error).__name__}: {short(error)}",
        remedy="run again with --traceback and report it",
    )
    return one_problem(problem, FAILED)
