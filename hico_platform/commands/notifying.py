"""Tells people about a search while it runs, where ``--notify`` or its space asks for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hico_platform.config.space import CheckedSpace
from hico_platform.notify.address import KEY_VARIABLE, addresses
from hico_platform.notify.delivery import Delivery
from hico_platform.notify.senders import Sender, sender_of
from hico_platform.notify.watcher import LOOK_EVERY_S, SearchWatcher
from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.stopping import busy_s

PATIENCE_S = 15.0
"""How long the end of a search waits for messages that are not sent yet."""
_OPTION, _KEY = "--notify", "notify"


def senders(space: CheckedSpace, named: Sequence[str]) -> tuple[Sender, ...]:
    """What sends to the addresses of ``--notify`` and of the space.

    Raises:
        UsageError: an address is malformed, carries a secret where others see it, or nothing sends to it.
    """
    key = os.environ.get(KEY_VARIABLE)
    given = [(address, _OPTION) for address in addresses(named, field=_OPTION)]
    own = addresses(space.settings.notify, field=_KEY, commands=False)
    given += [(address, _KEY) for address in own if address not in {known for known, _ in given}]
    return tuple(sender_of(address, key=key, field=field) for address, field in given)


@contextmanager
def notifying(
    space: CheckedSpace,
    *,
    name: str,
    home: Path,
    senders: Sequence[Sender],
    trials: Sequence[TrialRecord],
    sessions: Sequence[float],
) -> Iterator[SearchWatcher | None]:
    """Watches a search inside the block, and tells of an exception that leaves it; None without senders.

    The caller tells of the search's result: :meth:`SearchWatcher.done`.

    Args:
        space: what is searched.
        name: the search's.
        home: the folder whose disk is watched.
        senders: one for each address.
        trials: of earlier drivers.
        sessions: when each of these began (Unix times).
    """
    if not senders:
        yield None
        return
    delivery = Delivery(senders)
    settings = space.settings
    watcher = SearchWatcher(
        name=name,
        metric=settings.signal.metric,
        stop=settings.stop,
        gpus=settings.resources.given_gpus,
        home=home,
        submit=delivery.submit,
    )
    watcher.resumed(trials, spent_s=spent_before(trials, sessions=sessions))
    over = threading.Event()
    thread = threading.Thread(target=_look, args=(watcher, over), name="watcher", daemon=True)
    thread.start()
    try:
        yield watcher
    except KeyboardInterrupt:
        watcher.interrupted()
        raise
    except Exception as error:
        watcher.failed(error)
        raise
    finally:
        over.set()
        delivery.close(patience_s=PATIENCE_S)


def spent_before(trials: Sequence[TrialRecord], *, sessions: Sequence[float]) -> float:
    """Seconds for which trials have run on the workers of earlier drivers, as far as reports tell."""
    last = [max([trial.began_at_s, *(report.at_s for report in trial.reports)]) for trial in trials]
    return sum(busy_s(trial, now_s=now_s, sessions=sessions) for trial, now_s in zip(trials, last, strict=True))


def _look(watcher: SearchWatcher, over: threading.Event) -> None:
    while not over.wait(LOOK_EVERY_S):
        watcher.look()
