"""Applies a rule to the checkpoints of a search that no driver has: says what would go, and removes it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hico_platform.checkpoint_store import StoreAwayError
from hico_platform.commands.search_labels import opened
from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.config.space_settings import KeepConfig
from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.home import HomePaths
from hico_platform.plug_in_names import missing_plug_ins_named
from hico_platform.search.at_rest import at_rest, check_owner
from hico_platform.search.checkpoint_place import checkpoints_of, store_of
from hico_platform.search.keep_rule import Verdict, verdicts
from hico_platform.search.ledger.base import Ledger, TrialRecord
from hico_platform.search.stored_checkpoints import StoredCheckpoints
from hico_platform.search.trials_folder import compared_trials
from hico_platform.tracking.base import Tracker, TrackingError, TrackingRefused
from hico_platform.tracking.check import lost_store
from hico_platform.tracking.search_labels import RUN_NOTE
from hico_platform.tracking.search_runs import key_of
from hico_platform.tracking.uploads import CHECKPOINT, CHECKPOINT_TAG, is_outdated, keep_files

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What becomes of one trial's checkpoints: the bytes that they take, and that are left."""

    number: int
    verdict: Verdict
    bytes: int
    bytes_after: int


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What a rule takes away of a search's checkpoints.

    Attributes:
        name: of the search.
        keep: the rule that is applied.
        trials: all that have ended, by number.
        unfinished: how many trials have not ended, whose checkpoints a resume needs.
        untracked: why the tracking store does not show it; None where it does, or has nothing of the search.
    """

    name: str
    keep: KeepConfig
    trials: tuple[Removal, ...]
    unfinished: int
    untracked: str | None = None

    @property
    def bytes(self) -> int:
        """What is free on the disk afterwards."""
        return sum(one.bytes - one.bytes_after for one in self.trials)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "name": self.name,
            "keep": self.keep.model_dump(mode="json"),
            "bytes": self.bytes,
            "bytes_before": sum(one.bytes for one in self.trials),
            "unfinished": self.unfinished,
            "untracked": self.untracked,
            "trials": [
                {
                    "trial": one.number,
                    "kept": str(one.verdict.kept),
                    "why": one.verdict.why,
                    "bytes": one.bytes,
                    "bytes_after": one.bytes_after,
                }
                for one in self.trials
            ],
        }


def collection_of(paths: HomePaths, name: str, *, keep: Mapping[str, Any] | None = None) -> Collection:
    """What a rule would take away; changes nothing, also while the search runs.

    Args:
        paths: where the search is.
        name: the search's.
        keep: goes before the rule of its space; what it leaves out has the defaults of a space.

    Raises:
        UsageError: there is no such search, or neither it nor the call has a rule.
        ConfigError: the rule has an unknown key or an invalid value.
    """
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    ledger = StudyLedger.open(open_storage(paths.storage_url, create=False), name=name, settle=False)
    return _collection(paths, ledger, _space(ledger, keep))


def collect(paths: HomePaths, name: str, *, keep: Mapping[str, Any] | None = None, force: bool = False) -> Collection:
    """Removes what a rule does not keep; returns what was removed. Interrupted, the same call goes on.

    Raises:
        UsageError: the search runs, is another person's and nothing is forced, or there is no rule.
        ConfigError: the rule has an unknown key or an invalid value.
    """
    from hico_platform.search.ledger.optuna_ledger import open_storage

    ledger = opened(paths, name)
    check_owner(ledger, force=force)
    space = _space(ledger, keep)
    with at_rest(paths, ledger, open_storage(paths.storage_url)):
        found = _collection(paths, ledger, space)
        checkpoints, now_s = checkpoints_of(ledger, paths), time.time()
        trials = {trial.number: trial for trial in ledger.trials()}
        for one in found.trials:
            try:
                checkpoints.apply(one.number, one.verdict, last=_last(trials[one.number]), at_s=now_s)
            except StoreAwayError:
                raise
            except (OSError, HicoError) as error:
                _log.warning("the checkpoint of trial %d stays as it is: %s", one.number, error)
        return Collection(
            name=found.name,
            keep=found.keep,
            trials=tuple(
                Removal(
                    number=one.number,
                    verdict=one.verdict,
                    bytes=one.bytes,
                    bytes_after=checkpoints.size(one.number),
                )
                for one in found.trials
            ),
            unfinished=found.unfinished,
            untracked=_follow(paths, ledger),
        )


def _space(ledger: Ledger, keep: Mapping[str, Any] | None) -> CheckedSpace:
    """The search's space, with a rule for its checkpoints."""
    words = [] if keep is None else [f"keep.{key}={value}" for key, value in keep.items()]
    source = {**ledger.search.source, **({"keep": {}} if keep is not None else {})}
    with missing_plug_ins_named():  # nothing is trained
        space = space_from(source, assignments=words)
    if space.settings.keep is None:
        raise UsageError(
            Problem(
                field="--keep",
                rule="a rule, or a search whose space has one",
                value=ledger.search.name,
                remedy="give one: --keep best=5,per_rung=1,encoder_only=rest",
            )
        )
    return space


def _collection(paths: HomePaths, ledger: Ledger, space: CheckedSpace) -> Collection:
    trials, keep = ledger.trials(), space.settings.keep or KeepConfig()
    last = {trial.number: _last(trial) for trial in trials}
    checkpoints = checkpoints_of(ledger, paths)
    found = verdicts(
        trials,
        keep,
        objectives=space.settings.objectives,
        now_s=time.time(),
        referred=compared_trials(paths.home, ledger.search.name),
    )
    return Collection(
        name=ledger.search.name,
        keep=keep,
        trials=tuple(
            Removal(
                number=number,
                verdict=verdict,
                bytes=checkpoints.size(number),
                bytes_after=checkpoints.size_after(number, verdict, last=last[number]),
            )
            for number, verdict in sorted(found.items())
        ),
        unfinished=len(trials) - len(found),
    )


def _last(trial: TrialRecord) -> str | None:
    """The checkpoint with which a trial ended."""
    return None if trial.ending is None else trial.ending.checkpoint


def _follow(paths: HomePaths, ledger: Ledger) -> str | None:
    """Makes the runs of the tracking store show what is left; returns why not, where it could not."""
    if not ledger.note(RUN_NOTE):
        return None
    if lost := lost_store(paths.tracking_uri):
        return lost
    from hico_platform.tracking.mlflow_tracker import MlflowTracker

    try:
        follow(MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts), paths, ledger)
    except (TrackingError, TrackingRefused) as error:
        return str(error)
    return None


def follow(tracker: Tracker, paths: HomePaths, ledger: Ledger) -> None:
    """Makes the runs of a search show what is left of its checkpoints; may be done again.

    Raises:
        TrackingError: the store is away; what is done is done.
        TrackingRefused: it does not let artifacts be removed.
    """
    search = ledger.search
    runs, store = tracker.runs(search.name), store_of(ledger)
    for trial in ledger.trials():
        run, last = runs.get(key_of(search, trial.number)), _last(trial)
        if run is None or last is None:
            continue
        if store is not None:
            words = StoredCheckpoints(store).where(trial.number, last)
            if run.tags.get(CHECKPOINT_TAG) != words:
                tracker.set_tags(run.run_id, {CHECKPOINT_TAG: words})
            continue
        files = {CHECKPOINT: paths.checkpoint(search, last)}
        if is_outdated(run, files):
            keep_files(tracker, run.run_id, files)
