"""Obeys what people ask of a search while it runs: the driver's side of :mod:`~hico_platform.search.requests`.

The ledger has each request before the driver looks, and gets the answer after it was obeyed; a kill between the two
makes the next driver obey it again, so every step may be done twice.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hico_platform.config.document import Document
from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace
from hico_platform.config.space_rules import point_problems
from hico_platform.config.space_settings import MOST_TRIALS
from hico_platform.errors import HicoError
from hico_platform.search.ledger.base import Ledger, Origin, TrialRecord
from hico_platform.search.notes import LIMIT_BEFORE, PAUSED
from hico_platform.search.requests import Answer, Request, RequestKind

LOOK_EVERY_S = 2.0
"""Seconds between two looks at the ledger; every report looks too."""

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Wishes:
    """What the requests so far come to."""

    stopped: bool = False
    paused: bool = False
    paused_trials: set[int] = field(default_factory=set)
    stopped_trials: set[int] = field(default_factory=set)
    priorities: dict[int, int] = field(default_factory=dict)


class Steering:
    """What people want of a search, as far as its driver has looked.

    Args:
        ledger: has the requests, and gets the answers.
        space: of the search.
        trials: the trials that were begun, by number.
        on_extended: is called when the search has a new limit.
        clock: Unix time in seconds.
        timer: seconds since any moment.
    """

    def __init__(
        self,
        ledger: Ledger,
        space: CheckedSpace,
        *,
        trials: Callable[[], Mapping[int, TrialRecord]],
        on_extended: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._space, self._trials = ledger, space, trials
        self._on_extended = on_extended
        self._clock, self._timer = clock, timer
        self._wishes = _Wishes()
        drivers = ledger.drivers()
        self._began_at_s = drivers[-1].began_at_s if drivers else 0.0
        for request in ledger.requests():  # what earlier drivers obeyed still holds of trials
            of_trials = request.trial is not None or request.kind is RequestKind.CONTINUE
            if request.answer is not None and request.answer.obeyed and of_trials:
                self._wish(request)
        self._note_paused()
        self._looked_s = self._timer() - LOOK_EVERY_S

    @property
    def is_stopped(self) -> bool:
        """Whether the whole search was asked to stop."""
        return self._wishes.stopped

    @property
    def is_paused(self) -> bool:
        """Whether no trial is to run for the time being."""
        return self._wishes.paused

    def is_held(self, number: int) -> bool:
        """Whether a trial is not to run for the time being."""
        return self._wishes.paused or number in self._wishes.paused_trials

    def is_to_end(self, number: int) -> bool:
        """Whether a trial is to end at its next report."""
        return number in self._wishes.stopped_trials

    def priority(self, number: int) -> int:
        """A trial's priority among those that wait; 0 where nobody asked."""
        return self._wishes.priorities.get(number, 0)

    def first_points(self) -> list[int]:
        """The waiting points that come before the others, by number, the first one first."""
        if not self._wishes.priorities:
            return []
        urgent = [number for number in self._ledger.waiting() if self.priority(number) > 0]
        return sorted(urgent, key=lambda number: (-self.priority(number), number))

    def look(self, *, now: bool = False) -> None:
        """Obeys what was asked since the last look, which may be a while ago; ``now`` looks at once.

        A database that is away for a moment is looked at again later: the search's own writes report what is wrong.
        """
        if not now and self._timer() - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = self._timer()
        try:
            for request in self._unanswered(self._ledger.requests()):
                self._answer(request)
        except HicoError:
            raise
        except Exception:  # what was obeyed and has no answer is obeyed again
            _log.debug("the requests of this search cannot be answered now", exc_info=True)

    def _answer(self, request: Request) -> None:
        obeyed, says = self._obey(request)
        driver = f"{socket.gethostname()}:{os.getpid()}"
        answer = Answer(obeyed=obeyed, says=says, at_s=self._clock(), driver=driver)
        self._ledger.record_answer(request.key, answer)
        level = logging.INFO if obeyed else logging.WARNING  # whoever asked is told; a refusal is nobody's wish
        _log.log(level, "%s on %s asked: %s: %s", request.by, request.host, request.words, says)

    def _unanswered(self, requests: Sequence[Request]) -> list[Request]:
        """What is to be obeyed; what a kill interrupted first, as the limit is noted for one request at a time."""
        found = [request for request in requests if request.answer is None]
        return sorted(found, key=lambda request: not self._was_counted(request)) if len(found) > 1 else found

    def _obey(self, request: Request) -> tuple[bool, str]:
        whole = request.trial is None and request.kind in (RequestKind.STOP, RequestKind.PAUSE)
        if whole and request.at_s < self._began_at_s:
            return False, "it was asked before this driver began"
        match request.kind:
            case RequestKind.ADD:
                return self._add(request)
            case RequestKind.EXTEND if request.count < 1:
                return False, "it asks for no trial more"
            case RequestKind.EXTEND if self._limit_with(request, request.count) > MOST_TRIALS:
                return False, f"a search has at most {MOST_TRIALS:,} trials"
            case RequestKind.EXTEND:
                self._extend(request, request.count)
                return True, f"{self._ledger.search.limit} trials now"
        refusal = self._refusal(request)
        if refusal is not None:
            return False, refusal
        self._wish(request)
        self._note_paused()
        if request.kind is RequestKind.CONTINUE and request.trial is not None and self._wishes.paused:
            return True, "it runs again once the search is continued, which is paused"
        return True, _DONE[request.kind] if request.trial is None else _DONE_TO_TRIAL[request.kind]

    def _refusal(self, request: Request) -> str | None:
        number = request.trial
        if number is None:
            return None
        trial = self._trials().get(number)
        if trial is None:
            waits = number in self._ledger.waiting()
            if waits and request.kind is RequestKind.PRIORITY:
                return None
            return f"trial {number} has not begun" if waits else f"there is no trial {number}"
        return f"trial {number} has ended" if trial.state.is_final else None

    def _wish(self, request: Request) -> None:
        wishes, number = self._wishes, request.trial
        match request.kind:
            case RequestKind.STOP if number is None:
                wishes.stopped = True
            case RequestKind.STOP if number is not None:
                wishes.stopped_trials.add(number)
                wishes.paused_trials.discard(number)  # it has to run to end
            case RequestKind.PAUSE if number is None:
                wishes.paused = True
            case RequestKind.PAUSE if number is not None:
                wishes.paused_trials.add(number)
            case RequestKind.CONTINUE if number is None:
                wishes.paused = False
                wishes.paused_trials.clear()
            case RequestKind.CONTINUE if number is not None:
                wishes.paused_trials.discard(number)
            case RequestKind.PRIORITY if number is not None:
                wishes.priorities[number] = request.count

    def _add(self, request: Request) -> tuple[bool, str]:
        if self._was_counted(request):
            self._extend(request, 1)
            return True, _ADDED
        given = dict(request.values)
        # The command has checked it against the space of that moment; the search may have been resumed with another.
        problems = point_problems(self._space, given, document=Document(data=given, file="--point"))
        if problems or not given:
            return False, str(problems[0]) if problems else "it has no value"
        base = {name: value for name, value in flatten(self._space.base).items() if value is not None}
        point = self._space.nearest_point(base | given)
        same = next((trial.number for trial in self._trials().values() if _same(trial.values, point)), None)
        if same is not None:
            return False, f"trial {same} has these values"
        self._ledger.enqueue(base | given, space=self._space, origin=Origin.ADDED)
        self._extend(request, 1)
        return True, _ADDED

    def _extend(self, request: Request, count: int) -> None:
        """Raises the limit; once, however often this request is obeyed."""
        if not self._was_counted(request):
            self._ledger.set_note(LIMIT_BEFORE, {"key": request.key, "limit": self._ledger.search.limit})
        limit = self._limit_with(request, count)
        # A resume may have given a higher one since.
        self._ledger.reopen(source=self._ledger.search.source, limit=max(limit, self._ledger.search.limit))
        self._on_extended()

    def _limit_with(self, request: Request, count: int) -> int:
        """The limit that a request makes, also where it was obeyed in part before."""
        before = self._ledger.note(LIMIT_BEFORE)["limit"] if self._was_counted(request) else self._ledger.search.limit
        return int(before) + count

    def _was_counted(self, request: Request) -> bool:
        """Whether the limit was noted for this request, before a kill or an answer that was not written."""
        before = self._ledger.note(LIMIT_BEFORE)
        return isinstance(before, dict) and before.get("key") == request.key

    def _note_paused(self) -> None:
        """For ``list`` and ``status``, which see the ledger alone."""
        trials = self._trials()
        held = [one for one in self._wishes.paused_trials if one in trials and not trials[one].state.is_final]
        self._ledger.set_note(PAUSED, {"search": self._wishes.paused, "trials": sorted(held)})


_ADDED = "it is next in line"
_DONE = {
    RequestKind.STOP: "the search stops",
    RequestKind.PAUSE: "no trial runs until it is continued",
    RequestKind.CONTINUE: "trials run again",
}
_DONE_TO_TRIAL = {
    RequestKind.STOP: "it ends at its next report",
    RequestKind.PAUSE: "it waits until it is continued",
    RequestKind.CONTINUE: "it runs again",
    RequestKind.PRIORITY: "noted",
}


def _same(one: Mapping[str, Scalar], other: Mapping[str, Scalar]) -> bool:
    return dict(one) == dict(other)
