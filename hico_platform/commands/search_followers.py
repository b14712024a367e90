"""What follows a search beside its trials: its tracking store, its rule for checkpoints, and the store they are in."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path

from hico_platform.checkpoint_store import CheckpointStore
from hico_platform.commands.checkpoints_option import IN_THE_HOME, CheckpointsOption
from hico_platform.config.space import CheckedSpace
from hico_platform.environment.record import keep_environment
from hico_platform.home import HomePaths
from hico_platform.interruptions import time_left_s
from hico_platform.search.checkpoint_keeper import CheckpointKeeper
from hico_platform.search.checkpoint_place import checkpoints_of, claim_store
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.phases import DriverWatch, Phase
from hico_platform.search.stored_checkpoints import StoredCheckpoints
from hico_platform.search.task import TrialFunction
from hico_platform.search.trials_folder import compared_trials
from hico_platform.tracking.base import RunStatus, Tracker
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger
from hico_platform.worker.staging import bring_what_waits, run_staged

# How long the end of a search waits for a tracking store, or a store of checkpoints, that is away.
PATIENCE_S, PATIENCE_WHEN_CUT_OFF_S = 30.0, 5.0
# And, when it is interrupted, for one that is there and slow.
MOST_WHEN_CUT_OFF_S = 10.0

_log = logging.getLogger(__name__)


class SearchFollowers:
    """Writes a search to its tracking store, applies its rule to checkpoints, and brings them to their store.

    Args:
        ledger: the search's.
        space: of the search.
        paths: the home's.
        tracker: where it is logged.
        checkpoints: where they are to be.

    Raises:
        UsageError: the checkpoints of the search are elsewhere.
        HicoError: their store does not take what is written.
    """

    def __init__(
        self,
        ledger: Ledger,
        space: CheckedSpace,
        *,
        paths: HomePaths,
        tracker: Tracker,
        checkpoints: CheckpointsOption = IN_THE_HOME,
    ) -> None:
        self.store: CheckpointStore | None = claim_store(ledger, url=checkpoints.url, default=checkpoints.default)
        self.logger = SearchLogger(
            ledger=ledger,
            space=space,
            tracker=tracker,
            outbox=Outbox(),
            checkpoint=functools.partial(paths.checkpoint, ledger.search),
            folders=_environments(paths, ledger),
            kept_first=space.settings.keep is not None,
            stored=None if self.store is None else StoredCheckpoints(self.store).where,
        )
        self.keeper = CheckpointKeeper(
            trials=ledger.trials(),
            keep=space.settings.keep,
            objectives=space.settings.objectives,
            checkpoints=checkpoints_of(ledger, paths),
            on_kept=self.logger.keep,
            referred=functools.partial(compared_trials, paths.home, ledger.search.name),
        )

    def on_worker(self, function: TrialFunction) -> TrialFunction:
        """The function that trains a trial, with its checkpoints in their store."""
        return function if self.store is None else functools.partial(run_staged, function=function, store=self.store)

    def close(self, status: RunStatus, *, watch: DriverWatch) -> int:
        """Ends the runs, once they have what is kept; returns how many writes did not reach the tracking store.

        An interrupted search waits little for a store, whatever state that is in.
        """
        watch.on_phase(Phase.CLOSING)
        finished = status is RunStatus.FINISHED
        self._bring(PATIENCE_S if finished else time_left_s(PATIENCE_WHEN_CUT_OFF_S))
        self.keeper.close(finish=finished)
        if finished:
            return self.logger.close(status=status, patience_s=PATIENCE_S)
        patience_s, at_most_s = time_left_s(PATIENCE_WHEN_CUT_OFF_S), time_left_s(MOST_WHEN_CUT_OFF_S)
        untracked = self.logger.close(status=status, patience_s=patience_s, at_most_s=at_most_s)
        if untracked:
            _log.warning("%d writes did not reach the tracking store; --resume makes up for them", untracked)
        return untracked

    def _bring(self, patience_s: float) -> None:
        """Uploads the checkpoints that workers of this machine left."""
        if self.store is None:
            return
        if waiting := bring_what_waits(self.store, patience_s=patience_s):
            numbers, address = ", ".join(waiting), self.store.address()
            _log.warning("the checkpoints of trials %s wait for %s; --resume makes up for them", numbers, address)


def _environments(paths: HomePaths, ledger: Ledger) -> Sequence[Path]:
    """Records the environment of this driver in the search's folder; returns the folders of all its drivers."""
    driver = ledger.drivers()[-1]
    return keep_environment(paths.search(ledger.search.name), command=driver.command, at_s=driver.began_at_s)
