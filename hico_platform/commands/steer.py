"""Asks something of a search: a request in its ledger, which its driver obeys at its next look."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hico_platform.commands.search_labels import opened
from hico_platform.config.document import Document
from hico_platform.config.scalars import Scalar
from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.config.space_rules import point_problems
from hico_platform.errors import ConfigError, Problem, UsageError, command
from hico_platform.home import HomePaths
from hico_platform.plug_in_names import missing_plug_ins_named
from hico_platform.search.heartbeat import DRIVER
from hico_platform.search.ledger.base import Ledger, TrialState
from hico_platform.search.requests import Request, RequestKind, new_request
from hico_platform.search.running import driver_of

_FOR_A_DRIVER = frozenset({RequestKind.STOP, RequestKind.PAUSE, RequestKind.CONTINUE})
"""What makes no sense once no driver runs the search."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request in the ledger.

    Attributes:
        request: with the answer, where the driver gave one in time.
        has_driver: whether a driver runs the search; else the next one obeys.
    """

    request: Request
    has_driver: bool


def ask(
    paths: HomePaths,
    name: str,
    kind: RequestKind,
    *,
    trial: int | None = None,
    count: int = 0,
    values: Mapping[str, Scalar] | None = None,
    patience_s: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Asked:
    """Writes a request, and waits up to ``patience_s`` for the driver's answer.

    Raises:
        UsageError: there is no such search or trial, the trial has ended, or no driver runs a search that is to be
            stopped, paused or continued.
        ConfigError: a point that is added lies outside of the space.
    """
    ledger = opened(paths, name)
    beat = ledger.note(DRIVER)
    has_driver = driver_of(paths, name, beat, now_s=time.time()) is not None
    if kind in _FOR_A_DRIVER and not has_driver:
        raise UsageError(
            Problem(
                field="NAME",
                rule="a search that runs",
                value=f"{name}, which no driver has",
                remedy=f"go on with it: {command('search', '--resume', '--name', name)}",
            )
        )
    if trial is not None:
        _check_trial(ledger, trial, kind)
    if kind is RequestKind.ADD:
        with missing_plug_ins_named():  # the driver has them
            check_point(space_from(ledger.search.source), values or {})
    request = new_request(kind, trial=trial, count=count, values=values)
    ledger.record_request(request)
    waited_s = 0.0
    while has_driver and waited_s < patience_s:
        found = next((one for one in ledger.requests() if one.key == request.key), request)
        if found.answer is not None:
            return Asked(request=found, has_driver=True)
        sleep(0.25)
        waited_s += 0.25
    return Asked(request=request, has_driver=has_driver)


def check_point(space: CheckedSpace, values: Mapping[str, Scalar]) -> None:
    """Whether a point lies in the space exactly as given; fields that it leaves out are the base's.

    Raises:
        ConfigError: with every field that is unknown, breaks a rule, or is not searched at that value.
        UsageError: it has no field.
    """
    if not values:
        raise UsageError(
            Problem(
                field="--point",
                rule="at least one KEY=VALUE",
                remedy=f"give values of {', '.join(space.searched)}",
            )
        )
    problems = point_problems(space, values, document=Document(data=dict(values), file="--point"))
    if problems:
        raise ConfigError(problems)


def why_no_more_epochs(paths: HomePaths, name: str, epochs: int) -> UsageError:
    """Why the epochs of a search that has begun are not raised, and what to do instead.

    Raises:
        UsageError: there is no such search.
    """
    from hico_platform.search.status import search_status

    status = search_status(paths, name)
    budget = status.space.base.budget.epochs
    scheduler = status.space.settings.scheduler.name
    again = command("search", "--space", "FILE", "--name", f"{name}-{epochs}", "--set", f"budget.epochs={epochs}")
    return UsageError(
        Problem(
            field="--epochs",
            rule=f"the {budget} epochs with which {name} began: learning rates decay over the whole budget, the rungs "
            f"of {scheduler} follow from it, and scores after {epochs} and after {budget} epochs are not comparable",
            value=epochs,
            remedy=f"start another search with warm_start: [{name}] in its space file: {again}",
        )
    )


def _check_trial(ledger: Ledger, number: int, kind: RequestKind) -> None:
    found = next((trial for trial in ledger.trials() if trial.number == number), None)
    waits = found is None and number in ledger.waiting()
    if found is None and not (waits and kind is RequestKind.PRIORITY):
        problem = Problem(
            field="TRIAL",
            rule=f"a trial of {ledger.search.name} that has begun",
            value=f"{number}, a point that waits" if waits else number,
            remedy=f"see them by {command('status', ledger.search.name)}",
        )
        raise UsageError(problem)
    if found is not None and found.state is not TrialState.RUNNING:
        raise UsageError(
            Problem(
                field="TRIAL",
                rule="a trial that has not ended",
                value=f"{number}, which has",
                remedy=f"see it by {command('show', ledger.search.name, number)}",
            )
        )
