"""How a search is begun or resumed in its ledger, and whether it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace, space_from, with_begun_precision
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.agreement import check_agreement, resumed_limit
from hico_platform.search.at_rest import refuse_half_changed
from hico_platform.search.drivers import DriverRecord, admitted, this_driver
from hico_platform.search.ledger.base import Facts, Ledger
from hico_platform.search.lock import already_running, holder, name_is_taken
from hico_platform.search.warm_start import warm_points

if TYPE_CHECKING:
    from hico_platform.search.ledger.optuna_ledger import Storage


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """The search that a driver was asked to begin or resume.

    Args:
        name: the search's name; one process at a time runs it.
        space: what is searched.
        facts: what results depend on besides; a resumed search must agree.
        resume: go on with a search of this name, if there is one.
        limit: trials in all; by default the space's.
        driver: this process, as the ledger names it.
        take_over: resume it also where another user ran it last.
    """

    name: str
    space: CheckedSpace
    facts: Facts
    resume: bool = False
    limit: int | None = None
    driver: DriverRecord | None = None
    take_over: bool = False


@dataclass(frozen=True, kw_only=True)
class StartedSearch:
    """A search in its ledger.

    Args:
        ledger: the search's memory.
        space: what is searched; a resumed search keeps the precision that it began with where its file says ``auto``.
        warm_points: the points of earlier searches that it tries first.
    """

    ledger: Ledger
    space: CheckedSpace
    warm_points: Sequence[Mapping[str, Scalar]]


def start_search(storage: Storage, request: SearchRequest, *, at_s: float) -> StartedSearch:
    """Begins or resumes a search; the ledger names its driver before anything else happens.

    Raises:
        UsageError: the name is taken, or a resumed search is another user's or differs in what must agree.
    """
    from hico_platform.search.ledger.optuna_ledger import StudyLedger

    name, space, driver = request.name, request.space, request.driver or this_driver(at_s=at_s)
    if request.resume and StudyLedger.exists(storage, name=name):
        before = StudyLedger.open(storage, name=name, settle=False).drivers()
        driver = admitted(driver, before=before, name=name, take_over=request.take_over)
        ledger = StudyLedger.open(storage, name=name)
        refuse_half_changed(ledger)
        space = with_begun_precision(space, begun=space_from(ledger.search.source))
        check_agreement(ledger.search, space=space, facts=request.facts)
        ledger.record_driver(driver)
        taken = space_from(ledger.search.source).settings.warm_start if ledger.trials() else ()
        points = warm_points(storage, [other for other in space.settings.warm_start if other not in taken])
        ledger.reopen(source=space.source, limit=request.limit or resumed_limit(ledger.search, space))
        return StartedSearch(ledger=ledger, space=space, warm_points=points)
    StudyLedger.forget_unbegun(storage, name=name)
    points = warm_points(storage, space.settings.warm_start)
    ledger = StudyLedger.create(
        storage,
        name=name,
        space=space,
        facts=request.facts,
        limit=request.limit or space.settings.trials,
        at_s=driver.began_at_s,
    )
    ledger.record_driver(driver)
    return StartedSearch(ledger=ledger, space=space, warm_points=points)


def check_startable(
    paths: HomePaths,
    name: str,
    space: CheckedSpace,
    *,
    facts: Facts | None,
    resume: bool,
    take_over: bool = False,
) -> None:
    """Whether a search could begin or be resumed, without changing anything.

    Args:
        paths: the home's.
        name: its name.
        space: its space.
        facts: what its results depend on besides, where it is known.
        resume: whether a search of that name would be resumed.
        take_over: whether it would be also where another user ran it last.

    Raises:
        UsageError: as :func:`start_search` would.
    """
    from hico_platform.search.ledger.names import refuse_other_study
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    _check_not_running(paths, name)
    database = paths.storage_file
    if database is not None and not database.exists():
        return
    storage = open_storage(paths.storage_url, create=False)
    refuse_other_study(storage, name=name)
    if not StudyLedger.exists(storage, name=name):
        return
    ledger = StudyLedger.open(storage, name=name, settle=False)
    if resume:
        admitted(this_driver(), before=ledger.drivers(), name=name, take_over=take_over)
        space = with_begun_precision(space, begun=space_from(ledger.search.source))
        check_agreement(ledger.search, space=space, facts=facts or ledger.search.facts)
    elif ledger.trials():
        raise name_is_taken(name, drivers=ledger.drivers())


def check_resumable(paths: HomePaths, name: str, *, take_over: bool) -> None:
    """Whether this user may resume a search, before datasets are made and libraries imported.

    Raises:
        UsageError: it runs, or is another user's and is not to be taken over.
    """
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    _check_not_running(paths, name)
    try:
        ledger = StudyLedger.open(open_storage(paths.storage_url, create=False), name=name, settle=False)
    except UsageError:  # there is none yet; any other error is raised when the search begins
        return
    admitted(this_driver(), before=ledger.drivers(), name=name, take_over=take_over)


def _check_not_running(paths: HomePaths, name: str) -> None:
    for file in paths.locks(name):
        if holder(file) is not None:
            raise already_running(file, name=name)
