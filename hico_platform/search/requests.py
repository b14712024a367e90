"""What people ask of a search while it runs, and what its driver answered: both stay in the ledger as its history.

A request is one entry of its own under a key that nobody else uses, so that any number of people on any machines may
ask at once; the answer is another entry, which the driver alone writes.
"""

from __future__ import annotations

import dataclasses
import math
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hico_platform.config.scalars import Scalar
from hico_platform.search.drivers import clock_time, printable, user_name


class RequestKind(StrEnum):
    """What may be asked."""

    STOP = "stop"
    PAUSE = "pause"
    CONTINUE = "continue"
    ADD = "add"
    EXTEND = "extend"
    PRIORITY = "priority"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The driver's answer.

    Attributes:
        obeyed: whether it was done.
        says: what was done, or why not, in a few words.
        at_s: Unix time.
        driver: the process that answered, ``host:pid``.
    """

    obeyed: bool
    says: str
    at_s: float
    driver: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Something that a person asked of a search.

    Attributes:
        key: unlike that of any other request; in the order in which they were made.
        kind: what is asked.
        by: the account that asked, on ``host``.
        host: the machine that it asked from.
        at_s: Unix time.
        trial: the number of a trial; None asks it of the whole search.
        values: of a point that is added, by dotted names.
        count: trials to add, or a priority.
        answer: the driver's; None while it has not looked.
    """

    key: str
    kind: RequestKind
    by: str
    host: str
    at_s: float
    trial: int | None = None
    values: Mapping[str, Scalar] = dataclasses.field(default_factory=dict)
    count: int = 0
    answer: Answer | None = None

    @property
    def words(self) -> str:
        """``pause trial 3``, ``extend by 4 trials``."""
        match self.kind:
            case RequestKind.ADD:
                return f"add {', '.join(f'{printable(name)}={_shown(value)}' for name, value in self.values.items())}"
            case RequestKind.EXTEND:
                return f"extend by {self.count} trial{'' if self.count == 1 else 's'}"
            case RequestKind.PRIORITY:
                return f"priority {self.count} of trial {self.trial}"
            case _:
                return str(self.kind) if self.trial is None else f"{self.kind} trial {self.trial}"

    @property
    def sentence(self) -> str:
        """The request with who, when, and the answer, in one line."""
        asked = f"{clock_time(self.at_s)} {self.by} on {self.host}: {self.words}"
        if self.answer is None:
            return f"{asked} (waits for the driver)"
        verdict = self.answer.says if self.answer.obeyed else f"refused, {self.answer.says}"
        return f"{asked} ({verdict}, {clock_time(self.answer.at_s)})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {**dataclasses.asdict(self), "kind": str(self.kind), "values": dict(self.values)}


def new_request(
    kind: RequestKind,
    *,
    trial: int | None = None,
    values: Mapping[str, Scalar] | None = None,
    count: int = 0,
) -> Request:
    """A request of this account, now."""
    return Request(
        key=f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}",
        kind=kind,
        by=user_name(),
        host=socket.gethostname(),
        at_s=time.time(),
        trial=trial,
        values=dict(values or {}),
        count=count,
    )


def request_to_plain(request: Request) -> dict[str, Any]:
    """Plain values of a request, without its key and its answer."""
    plain = request.as_dict()
    return {name: value for name, value in plain.items() if name not in ("key", "answer")}


def answer_to_plain(answer: Answer) -> dict[str, Any]:
    """Plain values of an answer."""
    return dataclasses.asdict(answer)


def request_from_plain(key: str, plain: object, answer: object = None) -> Request | None:
    """The request that a ledger keeps; None for what this version does not know, which is left to a newer one."""
    if not isinstance(plain, Mapping):
        return None
    try:
        kind = RequestKind(plain.get("kind", ""))
    except ValueError:
        return None
    values = plain.get("values")
    values = values if isinstance(values, Mapping) else {}
    if not all(value is None or isinstance(value, Scalar) for value in values.values()):
        return None
    return Request(
        key=key,
        kind=kind,
        by=_text(plain.get("by")),
        host=_text(plain.get("host")),
        at_s=_number(plain.get("at_s")),
        trial=_whole(plain.get("trial")),
        values=dict(values),
        count=_whole(plain.get("count")) or 0,
        answer=None
        if not isinstance(answer, Mapping)
        else Answer(
            obeyed=answer.get("obeyed") is True,
            says=_text(answer.get("says")),
            at_s=_number(answer.get("at_s")),
            driver=_text(answer.get("driver")),
        ),
    )


def _shown(value: Scalar) -> str:
    return printable(str(value))[:100]


def _text(value: object) -> str:
    return printable(value)[:1000] if isinstance(value, str) else "unknown"


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known and isinstance(value, int | float) else 0.0
