"""Whether this user may go on with a search, asked before datasets are made and libraries imported."""

from __future__ import annotations

from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.drivers import admitted, this_driver
from hico_platform.search.lock import already_running, holder


def check_resumable(paths: HomePaths, name: str, *, take_over: bool) -> None:
    """Refuses a search that runs, or is another person's and is not to be taken over; none of that name begins.

    Raises:
        UsageError: it is refused.
    """
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    for file in paths.locks(name):
        if holder(file) is not None:
            raise already_running(file, name=name)
    try:
        ledger = StudyLedger.open(open_storage(paths.storage_url, create=False), name=name, settle=False)
    except UsageError:  # there is none yet; what else is wrong is said when the search begins
        return
    admitted(this_driver(), before=ledger.drivers(), name=name, take_over=take_over)
