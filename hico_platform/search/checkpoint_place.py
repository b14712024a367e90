"""Where the checkpoints of a search are: in its home, or in a store that its ledger names."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
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

RETRAINING = "checkpoints.json"
"""In the folder of a retraining's runs: the store that their checkpoints are in."""


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
    search = ledger.search
    store = agreed_store(
        CheckpointsAsked(url=url, default=default, folder=folder_in_store(search)),
        known=store_of(ledger),
        has_begun=bool(ledger.trials()),
        whose=search.name,
    )
    if store is None:
        return None
    mark(store, {"key": search.key, "name": search.name, "began_at_s": search.began_at_s})
    ledger.set_note(CHECKPOINTS, note_of(store))
    return store


@dataclass(frozen=True, kw_only=True)
class CheckpointsAsked:
    """Where checkpoints are asked to be.

    Attributes:
        url: that was asked for.
        default: where nothing was; None is the home.
        folder: below the address; no other search or retraining has it.
    """

    url: str | None = None
    default: str | None = None
    folder: str


def agreed_store(
    asked: CheckpointsAsked, *, known: CheckpointStore | None, has_begun: bool, whose: str
) -> CheckpointStore | None:
    """The store of something that begins or goes on; None is the home.

    Args:
        asked: where it is asked to be.
        known: where it has begun, if in a store.
        has_begun: whether it has begun, in the home where no store is known.
        whose: checkpoints they are, for the message.

    Raises:
        UsageError: it has its checkpoints elsewhere.
    """
    has_begun = has_begun or known is not None
    where = "its home" if known is None else known.url
    if has_begun and asked.url is not None and asked.url != where:
        raise UsageError(
            Problem(
                field="--checkpoints",
                rule=f"the place of the checkpoints of {whose}, {where}",
                value=asked.url,
                remedy="leave it out: it goes on where its checkpoints are",
            )
        )
    url = None if has_begun else asked.url or asked.default
    return known if url is None else CheckpointStore(url, asked.folder)


def mark(store: CheckpointStore, whose: Mapping[str, Any]) -> None:
    """Writes into a folder of a store whose it is.

    Raises:
        HicoError: the store does not take it.
    """
    try:
        store.write_json(OWNER, whose)
    except StoreAwayError as error:
        raise HicoError(
            Problem(
                field="--checkpoints",
                rule="a store that takes what is written",
                value=str(error),
                remedy="check the address, and that this machine may write there (its cloud credentials)",
            )
        ) from error


def stores_of(paths: HomePaths, name: str, note: object) -> list[CheckpointStore]:
    """The store that the note of a ledger names, and those that retrainings of the search noted in this home."""
    found = [store_from(note)]
    for file in sorted((paths.search(name) / "final").glob(f"*/{RETRAINING}")):
        with contextlib.suppress(OSError, ValueError):
            found.append(store_from(json.loads(file.read_bytes())))
    return [store for store in found if store is not None]


def note_of(store: CheckpointStore) -> Mapping[str, str]:
    """What :func:`store_from` makes the store of again."""
    return {"url": store.url, "folder": store.folder}


def folder_in_store(search: SearchRecord) -> str:
    """Below the address, a folder that no other search has."""
    return f"{search.first_name}-{search.key[:12]}"
