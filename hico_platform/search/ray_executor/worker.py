"""The worker's side: runs a trial function, hands its reports to the driver and brings back the answers.

``tune.report`` returns after the driver has dealt with the result: a function trainable's session hands a
result over and waits (``synchronous_result_reporting``) until the driver asks for the next one, which it does
once the scheduler has answered. The scheduler always lets Tune go on; the decision itself waits in a
:class:`Mailbox`. So a trial that is stopped evaluates downstream inside its own resources, and ends by itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from hico_platform.search.room import is_full
from hico_platform.search.task import TrialFunction, TrialTask
from hico_platform.vocabulary import Decision

if TYPE_CHECKING:
    from hico_platform.trial import EpochReport

_PACKAGE = logging.getLogger("hico_platform")
REPORTED, FINISHED, FAILED, NO_ROOM = "reported", "finished", "failed", "no room"


class Mailbox:
    """Answers on their way from the driver to workers; whoever comes first waits for the other."""

    def __init__(self) -> None:
        self._answers: dict[tuple[int, int], asyncio.Queue[str]] = defaultdict(asyncio.Queue)

    async def put(self, number: int, epoch: int, answer: str) -> None:
        """The driver's answer to trial ``number`` at ``epoch``."""
        self._answers[number, epoch].put_nowait(answer)

    async def take(self, number: int, epoch: int) -> str:
        """The worker's."""
        answer = await self._answers[number, epoch].get()
        del self._answers[number, epoch]
        return answer


class _Heard(logging.Handler):
    """What this package warns of while a trial runs: who looks at the search does not see a worker's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps it for the next message to the driver."""
        self._messages.append(record.getMessage())

    def taken(self) -> str:
        """As JSON; it is then said."""
        messages, self._messages = self._messages, []
        return json.dumps(messages)


def work(config: dict[str, Any], *, function: TrialFunction, mailbox: Any) -> dict[str, Any]:
    """Carries out one task as Tune wants it; results are plain text, which Tune does not aggregate."""
    task: TrialTask = config["task"]
    heard = _Heard()
    _PACKAGE.addHandler(heard)
    try:
        return {**_carried_out(task, function, mailbox, heard), "warnings": heard.taken()}
    finally:
        _PACKAGE.removeHandler(heard)


def _carried_out(task: TrialTask, function: TrialFunction, mailbox: Any, heard: _Heard) -> dict[str, Any]:
    def report(said: EpochReport) -> Decision:
        content = {
            "epoch": said.epoch,
            "metrics": dict(said.metrics),
            "history": [[epoch, dict(losses)] for epoch, losses in said.history],
            "checkpoint": str(said.checkpoint),
        }
        tune.report({"kind": REPORTED, "content": json.dumps(content), "warnings": heard.taken()})
        return Decision(ray.get(mailbox.take.remote(task.number, said.epoch)))

    try:
        outcome = function(task, report)
    except ray.exceptions.RayError:
        raise  # the cluster's trouble, not the trial's: Tune takes the trial up again
    except Exception as error:
        if is_full(error):
            return {"kind": NO_ROOM, "content": json.dumps({"reason": str(error)})}
        reason = f"{type(error).__name__}: {error}"
        return {"kind": FAILED, "content": json.dumps({"reason": reason, "traceback": traceback.format_exc()})}
    content = {
        "epoch": outcome.epoch,
        "stopped_early": outcome.stopped_early,
        "metrics": dict(outcome.metrics),
        "checkpoint": str(outcome.checkpoint),
    }
    return {"kind": FINISHED, "content": json.dumps(content)}
