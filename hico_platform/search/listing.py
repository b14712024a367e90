"""All searches of a home in a few numbers each: who, state, trials, best, cost, disk and age."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hico_platform.checkpoint_store import CheckpointStore
from hico_platform.config.document import LEDGER, Document
from hico_platform.config.schema import parse
from hico_platform.config.space import Objective, ResourcesConfig
from hico_platform.errors import ConfigError, HicoError
from hico_platform.home import HomePaths
from hico_platform.search.checkpoint_place import stores_of
from hico_platform.search.disk_use import folder_bytes, stored_bytes
from hico_platform.search.heartbeat import DRIVER
from hico_platform.search.ledger.base import SearchRecord, TrialState
from hico_platform.search.notes import ARCHIVED, CHECKPOINTS, ENDED_BY, GPUS, PAUSED, PERSONS_NOTE, SESSIONS
from hico_platform.search.running import driver_of
from hico_platform.search.state import SearchState, search_state
from hico_platform.search.stopping import HOUR_S, spans_between
from hico_platform.search.tags import PersonsNote

if TYPE_CHECKING:
    from hico_platform.search.ledger.overview import SearchOverview

ARCHIVED_STATE = "archived"
PAUSED_STATE = "paused"


@dataclass(frozen=True, kw_only=True)
class ListedSearch:
    """One search of a list.

    Attributes:
        name: of the search.
        problem: why it cannot be read; then nothing below is known.
        owner: the account that ran it last.
        state: running, interrupted, finished or failed; None where it cannot be read.
        is_paused: whether its driver was asked to run no trial for the time being.
        is_archived: whether it is hidden.
        ended: trials that have ended.
        begun: trials that have begun.
        limit: the number of trials after which it ends.
        signal: what the best is best in.
        best: the best value of the first objective so far.
        standard_error: of that value, where it is known.
        best_trial: the number of that trial.
        trial_seconds: seconds for which trials ran on workers.
        gpu_hours: those hours times the GPUs that a trial holds.
        bytes_on_disk: of the search's folder in this home; None where this home has none.
        stored_bytes: of what the search and its retrainings have in stores of checkpoints; None where one does not say.
        began_at_s: Unix time.
        tags: what people tagged it with.
        note: what a person wrote about it.
    """

    name: str
    problem: str | None = None
    owner: str | None = None
    state: SearchState | None = None
    is_paused: bool = False
    is_archived: bool = False
    ended: int = 0
    begun: int = 0
    limit: int = 0
    signal: str = ""
    best: float | None = None
    standard_error: float | None = None
    best_trial: int | None = None
    trial_seconds: float = 0.0
    gpu_hours: float = 0.0
    bytes_on_disk: int | None = None
    stored_bytes: int | None = 0
    began_at_s: float = 0.0
    tags: tuple[str, ...] = ()
    note: str | None = None

    @property
    def word(self) -> str:
        """The state as a list shows it: archived and paused searches are called so."""
        if self.is_archived:
            return ARCHIVED_STATE
        return PAUSED_STATE if self.is_paused else str(self.state or "unreadable")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "name": self.name,
            "error": self.problem,
            "owner": self.owner,
            "state": None if self.state is None else str(self.state),
            "paused": self.is_paused,
            "archived": self.is_archived,
            "trials": {"ended": self.ended, "begun": self.begun, "limit": self.limit},
            "signal": self.signal or None,
            "best": None
            if self.best is None
            else {"trial": self.best_trial, "value": self.best, "standard_error": self.standard_error},
            "cost": {"trial_seconds": self.trial_seconds, "gpu_hours": self.gpu_hours},
            "bytes": self.bytes_on_disk,
            "stored_bytes": self.stored_bytes,
            "began_at_s": self.began_at_s,
            "tags": list(self.tags),
            "note": self.note,
        }


def listed_searches(
    paths: HomePaths, *, archived: bool = False, tags: Sequence[str] = (), at_s: float | None = None
) -> tuple[ListedSearch, ...]:
    """The searches of a home's database, the newest first.

    Args:
        paths: the home's.
        archived: whether archived ones are listed too.
        tags: only searches that have all of these.
        at_s: the moment, Unix time; by default now.

    Raises:
        UsageError: there is no study database.
    """
    from hico_platform.search.ledger.engine import looking_at
    from hico_platform.search.ledger.overview import search_overviews
    from hico_platform.search.ledger.serialization import readable

    now_s = time.time() if at_s is None else at_s
    found = []
    stores: dict[str, list[CheckpointStore]] = {}
    with looking_at(paths.storage_url) as connection:
        overviews = search_overviews(connection)
    for overview in overviews:
        names = {tag.name for tag in overview.tags}
        if (overview.notes.get(ARCHIVED) and not archived) or not names.issuperset(tags):
            continue
        if overview.search is None:
            found.append(ListedSearch(name=overview.name, problem=overview.problem))
            continue
        try:
            with readable(overview.name, written_by=overview.search.facts.code_version):
                found.append(_listed(paths, overview.search, overview, now_s=now_s))
            stores[overview.name] = stores_of(paths, overview.search.name, overview.notes.get(CHECKPOINTS))
        except HicoError as error:
            found.append(ListedSearch(name=overview.name, problem=str(error.problems[0])))
    found = _with_stored_bytes(found, stores)
    return tuple(sorted(found, key=lambda one: (-one.began_at_s, one.name)))


def _with_stored_bytes(
    found: Sequence[ListedSearch], stores: Mapping[str, Sequence[CheckpointStore]]
) -> list[ListedSearch]:
    asked = stored_bytes([store for of_one in stores.values() for store in of_one])

    def bytes_of(name: str) -> int | None:
        known = [asked[store.address()] for store in stores.get(name, ()) if store.address() in asked]
        return None if None in known else sum(one for one in known if one is not None)

    return [dataclasses.replace(one, stored_bytes=bytes_of(one.name)) for one in found]


def _listed(paths: HomePaths, search: SearchRecord, overview: SearchOverview, *, now_s: float) -> ListedSearch:
    notes: Mapping[str, Any] = overview.notes
    try:
        resources = parse(ResourcesConfig, Document(data=search.source.get("resources", {}), file=LEDGER))
    except ConfigError as error:
        return ListedSearch(name=search.name, problem=str(error.problems[0]), began_at_s=search.began_at_s)
    has_driver = driver_of(paths, search.name, notes.get(DRIVER), now_s=now_s) is not None
    counts: Mapping[TrialState, int] = overview.counts
    begun, open_trials = sum(counts.values()), counts.get(TrialState.RUNNING, 0)
    failed = counts.get(TrialState.FAILED, 0) - overview.excused
    state = search_state(
        running=open_trials > 0 and has_driver,
        interrupted=open_trials > 0 and not has_driver,
        no_more=begun >= search.limit or notes.get(ENDED_BY) is not None,
        too_many_failed=failed > resources.max_failures,
        has_driver=has_driver,
    )
    sessions = notes.get(SESSIONS) or ()
    seconds = sum(
        end - begin
        for span in overview.spans
        if span.ended or has_driver
        for begin, end in spans_between(
            span.marks if span.ended else (*span.marks, now_s), sessions=sessions, pauses=span.pauses
        )
    )
    measured = notes.get(GPUS)
    gpus = resources.given_gpus if measured is None else float(measured)
    note = PersonsNote.from_plain(notes.get(PERSONS_NOTE))
    paused = notes.get(PAUSED)
    return ListedSearch(
        name=search.name,
        owner=overview.drivers[-1].user if overview.drivers else None,
        state=state,
        is_paused=state is SearchState.RUNNING and isinstance(paused, Mapping) and bool(paused.get("search")),
        is_archived=bool(notes.get(ARCHIVED)),
        ended=begun - open_trials,
        begun=begun,
        limit=search.limit,
        signal=str(next(iter(search.source.get("objectives", ())), Objective.KNN)),
        best=None if overview.best is None else overview.best.value,
        standard_error=None if overview.best is None else overview.best.standard_error,
        best_trial=None if overview.best is None else overview.best.number,
        trial_seconds=seconds,
        gpu_hours=seconds / HOUR_S * gpus,
        bytes_on_disk=folder_bytes(paths.search(search.name)),
        began_at_s=search.began_at_s,
        tags=tuple(tag.name for tag in overview.tags),
        note=None if note is None else note.text,
    )
