"""A trial without training: a deterministic learning curve, with checkpoints, that can be slow, fail or be killed."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hico_platform.config.space import CheckedSpace, check
from hico_platform.config.yaml_loader import Document
from hico_platform.enums import Decision
from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.base import Facts
from hico_platform.search.messages import EpochReport, ReportFunction, TrialOutcome
from hico_platform.search.task import TrialTask

FACTS = Facts(data_digest="d" * 64, protocol="xsub", code_version="test", seed=0)


def toy_space(
    *, trials: int = 6, epochs: int = 9, batch_size: int | None = None, file: str | None = None, **more: object
) -> CheckedSpace:
    """Temperature and encoder, over a toy's budget."""
    budget = {"epochs": epochs} | ({} if batch_size is None else {"batch_size": batch_size})
    return check(
        Document(
            file=file,
            data={
                "name": "toy",
                "base": {"model": {"hidden_width": 16}, "budget": budget},
                "search": {
                    "contrast": {"temperature": {"low": 0.05, "high": 0.5, "log": True}},
                    "model": {"encoder": {"choice": ["gru", "lstm", "transformer"]}},
                },
                "trials": trials,
                "resources": {"cpus": 1},
                **more,
            },
        )
    )


def score(temperature: float, epoch: int) -> float:
    """Validation kNN top-1 of the toy: best at temperature 0.1, rising with epochs."""
    return 0.7 * math.exp(-abs(math.log(temperature / 0.1))) * (1 - math.exp(-epoch / 4))


def toy_trial(
    task: TrialTask,
    report: ReportFunction,
    *,
    epoch_s: float = 0.0,
    fail_above: float = math.inf,
    kill_once: int | None = None,
    kill_always: int | None = None,
    stop_once: int | None = None,
    stop_always: int | None = None,
    bad_where: str | None = None,
    variable: str | None = None,
    warning: str | None = None,
    log: Path | None = None,
) -> TrialOutcome:
    """Trains nothing; every epoch leaves a checkpoint.

    ``fail_above`` is the temperature above which it raises. ``kill_once`` is the number of a trial that
    kills its own process after its first checkpoint, ``kill_always`` of one that does so every time; ``stop_once`` and
    ``stop_always`` are those of trials that stop it (SIGSTOP). Where the variable ``bad_where`` is set, no trial gets
    through its second epoch. ``variable``
    is wanted in the worker's environment, ``warning`` is what it warns of. ``log`` collects a line for every epoch and
    evaluation.
    """
    if variable is not None and variable not in os.environ:
        raise KeyError(variable)
    if warning is not None:
        logging.getLogger("hico_platform.toy").warning(warning)

    def note(what: str) -> None:
        if log is not None:
            with log.open("a") as file:
                file.write(f"{task.number} {what} {os.getpid()}\n")

    task.directory.mkdir(parents=True, exist_ok=True)
    state = task.directory / "state.json"
    epoch, history = json.loads(state.read_text()) if state.exists() else (0, [])
    temperature = task.config.contrast.temperature
    decision = Decision.CONTINUE
    if epoch in task.report_epochs:
        decision = _report(report, epoch, temperature, history, state)
        history = []
    while decision is Decision.CONTINUE and epoch < task.config.budget.epochs:
        time.sleep(epoch_s)
        epoch += 1
        history.append([epoch, {"loss": 5.0 / epoch}])
        note(f"epoch {epoch}")
        if temperature > fail_above:
            raise ValueError(f"temperature {temperature} is too high for a toy")
        beside = state.with_suffix(".new")
        beside.write_text(json.dumps([epoch, history]))
        beside.rename(state)
        if task.number == kill_always:
            os.kill(os.getpid(), signal.SIGKILL)
        if task.number == kill_once and not (task.directory / "killed").exists():
            (task.directory / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if task.number == stop_always:
            os.kill(os.getpid(), signal.SIGSTOP)
        if task.number == stop_once and not (task.directory / "stopped").exists():
            (task.directory / "stopped").touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        if bad_where is not None and bad_where in os.environ and epoch % 3 == 2:
            raise RuntimeError("no CUDA device is there")
        if epoch in task.report_epochs:
            decision = _report(report, epoch, temperature, history, state)
            history = []
    note(f"evaluated {decision}")
    return TrialOutcome(
        epoch=epoch,
        stopped_early=decision is Decision.STOP,
        metrics={"knn_top1": score(temperature, epoch), "recognition_top1": 0.9 * score(temperature, epoch)},
        checkpoint=state,
    )


def _report(report: ReportFunction, epoch: int, temperature: float, history: list[list], state: Path) -> Decision:
    return report(
        EpochReport(
            epoch=epoch,
            metrics={"knn_top1": score(temperature, epoch)},
            history=tuple((number, losses) for number, losses in history),
            checkpoint=state,
        )
    )


def toy_report(
    epoch: int, value: float = 0.5, *, history: Sequence[tuple[int, Mapping[str, float]]] = ()
) -> EpochReport:
    """A report of validation kNN top-1 ``value``."""
    return EpochReport(epoch=epoch, metrics={"knn_top1": value}, history=tuple(history), checkpoint=Path(f"at {epoch}"))


def toy_outcome(epoch: int, value: float = 0.5, *, stopped_early: bool = False) -> TrialOutcome:
    """The outcome of a trial whose downstream evaluation gave ``value``."""
    return TrialOutcome(
        epoch=epoch, stopped_early=stopped_early, metrics={"knn_top1": value}, checkpoint=Path(f"at {epoch}")
    )


def run_toy_task(
    controller: SearchController, task: TrialTask, *, before_report: Callable[[int], None] = lambda _: None
) -> None:
    """What an executor does with a toy task: delivers its reports, each after ``before_report``, and its outcome."""

    def deliver(report: EpochReport) -> Decision:
        before_report(report.epoch)
        return controller.reported(task.number, report)

    controller.finished(task.number, toy_trial(task, deliver))
