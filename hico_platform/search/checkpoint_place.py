"""Where the checkpoints of a search are: in its home, or in a store that its ledger names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.home import HomePaths
from hico_platform.search.kept_checkpoints import KeptCheckpoints
from hico_platform.search.ledger.base import Ledger, SearchRecord
from hico_platform.search.notes import CHECKPOINTS
from hico_platform.search.stored_checkpoints import StoredCheckpoints
from hico_platform.search.trial_checkpoints import TrialCheckpoints
from hico_platform.search.trials_folder import OWNER


def store_of(ledger: Ledger) -> CheckpointStore | None:
    """The store that a search's checkpoints are in; None where they are in its home."""
    return store_from(ledger.note(CHECKPOINTS))


def store_from(note: object) -> CheckpointStore | None:
    """The store that the note of a ledger names; None without one."""
    if not isinstance(note, Mapping) or not note.get("url"):
        return None
    return CheckpointStore(str(note["url"]), str(note.get("folder", "")))


def checkpoints_of(ledger: Ledger, paths: HomePaths) -> KeptCheckpoints:
    """The checkpoints of a search, wherever they are."""
    store = store_of(ledger)
    return TrialCheckpoints(paths.trials(ledger.search)) if store is None else StoredCheckpoints(store)


def claim_store(ledger: Ledger, *, url: str | None, default: str | None = None) -> CheckpointStore | None:
    """The store of a search that begins or goes on; marks its folder there, which shows that it can be written.

    Args:
        ledger: the search's; it keeps the address.
        url: that was asked for; a search that has begun with another place refuses it.
        default: for a search that begins.

    Raises:
        UsageError: the search has its checkpoints elsewhere.
        HicoError: the store does not take the mark.
    """
    search, known = ledger.search, ledger.note(CHECKPOINTS)
    has_begun = known is not None or bool(ledger.trials())
    url = url or (None if has_begun else default)
    where = str(known["url"]) if isinstance(known, Mapping) else "its home"
    if has_begun and url is not None and url != where:
        raise UsageError(
            Problem(
                field="--checkpoints",
                rule=f"the place of the checkpoints of {search.name}, {where}",
                value=url,
                remedy="leave it out: a search goes on where its checkpoints are",
            )
        )
    store = store_from(known) if url is None or has_begun else CheckpointStore(url, _folder(search))
    if store is None:
        return None
    try:
        store.write_json(OWNER, _mark(search))
    except StoreAwayError as error:
        raise HicoError(
            Problem(
                field="--checkpoints",
                rule="a store that takes what is written",
                value=str(error),
                remedy="check the address, and that this machine may write there (its cloud credentials)",
            )
        ) from error
    ledger.set_note(CHECKPOINTS, {"url": store.url, "folder": store.folder})
    return store


def _folder(search: SearchRecord) -> str:
    """Below the address, a folder that no other search has."""
    return f"{search.first_name}-{search.key[:12]}"


def _mark(search: SearchRecord) -> Mapping[str, Any]:
    return {"key": search.key, "name": search.name, "began_at_s": search.began_at_s}
