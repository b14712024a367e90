"""Changes to a search as a whole (a rename, its deletion) that no driver and no retraining may see half done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from hico_platform.errors import Problem, UsageError, command
from hico_platform.home import HomePaths
from hico_platform.search.drivers import clock_time, is_same_person, this_driver
from hico_platform.search.heartbeat import DRIVER
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.lock import NOT_RUNNING_RULE, search_lock
from hico_platform.search.notes import DELETING, RENAMING
from hico_platform.search.running import driver_of

if TYPE_CHECKING:
    from hico_platform.search.ledger.optuna_ledger import Storage


@contextmanager
def at_rest(paths: HomePaths, ledger: Ledger, storage: Storage) -> Iterator[None]:
    """Holds everything that a driver or a retraining of a search would hold.

    Raises:
        UsageError: the search runs, here or on another machine, or is being retrained.
    """
    from hico_platform.search.ledger.driver_lock import driver_lock

    name = ledger.search.name
    found = driver_of(paths, name, ledger.note(DRIVER), now_s=time.time())
    if found is not None:
        since = clock_time(float(str(found["since_s"] or 0.0)))
        raise UsageError(
            Problem(
                field="NAME",
                rule=NOT_RUNNING_RULE,
                value=f"{name}: process {found['pid']} on {found['host']} has run it since {since}",
                remedy=f"end it first: {command('stop', name)}",
            )
        )
    with ExitStack() as stack:
        for file in paths.locks(name):
            stack.enter_context(search_lock(file, name=name, otherwise=f"stop it: {command('stop', name)}"))
        stack.enter_context(driver_lock(storage, name=name))
        retraining = paths.search(name) / "final" / "lock"
        if retraining.exists():
            rule = "a search that is not being retrained"
            stack.enter_context(search_lock(retraining, name=name, rule=rule, otherwise="interrupt it"))
        yield


def check_owner(ledger: Ledger, *, force: bool) -> None:
    """Whether this user ran the search last, as who may change it as a whole.

    Raises:
        UsageError: another person did, and nothing is forced.
    """
    drivers = ledger.drivers()
    if force or not drivers or is_same_person(drivers[-1], this_driver()):
        return
    raise UsageError(
        Problem(
            field="NAME",
            rule=f"a search that {this_driver().user} ran last",
            value=f"{ledger.search.name}, which {drivers[-1].user} did",
            remedy=f"ask {drivers[-1].user}, then add --force",
        )
    )


def refuse_half_changed(ledger: Ledger) -> None:
    """Refuses to run a search while a rename or a deletion of it is unfinished.

    Raises:
        UsageError: one was interrupted; doing it again finishes it.
    """
    name, renaming = ledger.search.name, ledger.note(RENAMING)
    if isinstance(renaming, dict) and renaming.get("to"):
        again = command("rename", name, renaming["to"])
        raise UsageError(
            Problem(
                field="name",
                rule="a search that is not half renamed",
                value=f"{name}, whose rename was interrupted",
                remedy=f"run it again: {again}",
            )
        )
    if ledger.note(DELETING):
        raise UsageError(
            Problem(
                field="name",
                rule="a search that is not half deleted",
                value=f"{name}, whose deletion was interrupted",
                remedy=f"run it again: {command('delete', name)}",
            )
        )
