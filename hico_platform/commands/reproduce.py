"""Trains a trial of a search again, from its record alone, and compares what it reports."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch

from hico_platform.atomic_io import write_whole
from hico_platform.checkpoint import load_checkpoint, precision_of
from hico_platform.checkpoint_files import ENCODER_PREFIX
from hico_platform.checkpoint_store import StoreAwayError, fetch_address, is_in_a_store
from hico_platform.commands.search_inputs import search_inputs
from hico_platform.config.schema import replace
from hico_platform.config.space import space_from
from hico_platform.config.trial import TrialConfig
from hico_platform.data.split_guard import closed_test_split
from hico_platform.enums import Decision, Precision
from hico_platform.environment.record import differences, environment_at, this_environment
from hico_platform.errors import DataError, HicoError, Problem, UsageError, command
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import ReportRecord, TrialRecord, config_of
from hico_platform.search.lock import search_lock
from hico_platform.search.messages import EpochReport
from hico_platform.search.status import SearchStatus, search_status
from hico_platform.search.task import TrialTask
from hico_platform.search.trials_folder import REPRODUCED
from hico_platform.train.guards import EpochProgress
from hico_platform.train.loop import EpochResult
from hico_platform.worker.datasets import Progress, code_version, located
from hico_platform.worker.run_task import TrialData, run_task

NOISE = 2.0
"""Scores agree within noise where they differ by at most so many standard errors of the one that was recorded."""

_SCORES, _RECORDED = "scores.json", "recorded"


class Verdict(StrEnum):
    """How a trial that was trained again compares with its record."""

    IDENTICAL = "identical"
    """Every score, and the weights where they are still there, are the same to the last bit."""

    WITHIN_NOISE = "within noise"
    """What the search went by differs by at most two standard errors at every report."""

    DIFFERENT = "different"
    """It differs by more."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One score after ``epoch`` epochs: as recorded, and now. ``standard_error`` is of the recorded one."""

    epoch: int
    name: str
    was: float
    now: float
    standard_error: float | None = None

    @property
    def difference(self) -> float:
        """Now less then; 0 for two that are not a number."""
        return 0.0 if math.isnan(self.was) and math.isnan(self.now) else self.now - self.was

    @property
    def is_noise(self) -> bool:
        """Whether the two agree within noise; where that is not known, they agree if they are equal."""
        return abs(self.difference) <= NOISE * (self.standard_error or 0.0)


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What became of a trial that was trained again.

    Args:
        search: the search's name.
        trial: the trial's number.
        metric: the score that the search goes by.
        directory: where the new checkpoints are.
        reported: that score at each report.
        downstream: the downstream scores at the end.
        weights: whether the weights are the same; None where the recorded ones are gone.
        conditions: what differs from the conditions of the record: name to (then, now).
    """

    search: str
    trial: int
    metric: str
    directory: Path
    reported: tuple[Compared, ...]
    downstream: tuple[Compared, ...]
    weights: bool | None
    conditions: Mapping[str, tuple[Any, Any]]

    @property
    def verdict(self) -> Verdict:
        """How it compares."""
        if all(one.difference == 0 for one in (*self.reported, *self.downstream)) and self.weights is not False:
            return Verdict.IDENTICAL
        return Verdict.WITHIN_NOISE if all(one.is_noise for one in self.reported) else Verdict.DIFFERENT

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "search": self.search,
            "trial": self.trial,
            "metric": self.metric,
            "verdict": str(self.verdict),
            "directory": str(self.directory),
            "reported": [_plain(one) for one in self.reported],
            "downstream": [_plain(one) for one in self.downstream],
            "weights_identical": self.weights,
            "conditions": {name: {"then": then, "now": now} for name, (then, now) in self.conditions.items()},
        }


@closed_test_split("a reproduction")
def reproduce(
    paths: HomePaths,
    *,
    name: str,
    number: int,
    data: str | None = None,
    progress: Progress | None = None,
    told: Callable[[EpochReport], object] = lambda report: None,
    watch: Callable[[EpochResult], None] | None = None,
    within: Callable[[EpochProgress], None] | None = None,
) -> Reproduction:
    """Trains trial ``number`` of the search ``name`` again in a folder of its own, and compares it with its record.

    It has the configuration, seed, data, protocol, threads and precision of the record, and ends at the epoch at which
    the trial ended, also where that was stopped early. Interrupted, the same call goes on from its last checkpoint.

    Args:
        paths: where the search is.
        name: the search's.
        number: the trial's.
        data: where its dataset is now, if it was moved.
        progress: is called while a dataset is generated.
        told: is called with each report.
        watch: is called after every epoch.
        within: is called within an epoch.

    Raises:
        UsageError: there is no such search or trial, or the trial has not reported.
        DataError: the data are other data than those of the search.
        TrainingError: the trial fails.
    """
    status = search_status(paths, name)
    trial = _ended(status, number)
    space = space_from(status.search.source)  # which asks for its plug-ins; a status is shown without them
    config_of(trial, space)
    facts = status.search.facts
    found = search_inputs(
        space,
        home=paths.home,
        data=data or located(str(facts.more["data"]), home=paths.home),
        progress=progress,
    )
    for field, was, now in (
        ("data", facts.data_digest, found.facts.data_digest),
        ("transfer", facts.more.get("transfer_digest"), found.facts.more.get("transfer_digest")),
        ("rule of the protocol", facts.more.get("protocol_digest"), found.facts.more.get("protocol_digest")),
    ):
        if was is not None and was != now:
            raise DataError(
                Problem(
                    field=field, rule=f"the digest of the search, {was}", value=now,
                    remedy="give the folder that it was run on by --data, and the protocol's file as it was",
                )
            )  # fmt: skip
    directory = _folder(paths, name, number)
    with search_lock(
        directory / "lock",
        name=f"{name}, trial {number}",
        rule="a trial that is not being reproduced already",
        otherwise="reproduce another trial",
    ):
        return _trained_again(paths, status, trial, found.data, directory, told=told, watch=watch, within=within)


def _trained_again(
    paths: HomePaths,
    status: SearchStatus,
    trial: TrialRecord,
    data: TrialData,
    directory: Path,
    *,
    told: Callable[[EpochReport], object],
    watch: Callable[[EpochResult], None] | None,
    within: Callable[[EpochProgress], None] | None,
) -> Reproduction:
    before = _checkpoint(trial, into=directory / _RECORDED)
    resources = status.space.settings.resources
    task = TrialTask(
        number=trial.number,
        config=_config(status, trial, before),
        directory=directory,
        report_epochs=tuple(report.epoch for report in trial.reports),
        cpus=resources.cpus,
        gpus=status.gpus,
    )
    scores = _kept_scores(task.directory)
    last, metric = trial.reports[-1].epoch, status.space.settings.signal.metric

    def report(now: EpochReport) -> Decision:
        told(now)
        scores[now.epoch] = float(now.metrics[metric])
        write_whole(task.directory / _SCORES, json.dumps(scores).encode())
        return Decision.STOP if now.epoch >= last else Decision.CONTINUE

    outcome = run_task(task, report, data=data, watch=watch, progress=within)
    result = Reproduction(
        search=status.search.name,
        trial=trial.number,
        metric=metric,
        directory=task.directory,
        reported=tuple(_compared(trial.reports, scores, metric=metric)),
        downstream=tuple(
            Compared(epoch=outcome.epoch, name=score, was=was, now=outcome.metrics[score])
            for score, was in (trial.ending.metrics if trial.ending else {}).items()
            if score in outcome.metrics
        ),
        weights=None if before is None else _same_weights(before, outcome.checkpoint),
        conditions={
            **_conditions(status, before, outcome.checkpoint),
            **_of_environment(paths.search(status.search.name), trial),
        },
    )
    shutil.rmtree(directory / _RECORDED, ignore_errors=True)
    write_whole(task.directory / REPRODUCED, json.dumps(result.as_dict(), indent=1).encode())
    return result


def trial_to_reproduce(paths: HomePaths, name: str, number: int | None) -> TrialRecord:
    """Trial ``number`` of a search, by default its best.

    Raises:
        UsageError: there is no such search or trial, or the trial has not ended with scores.
    """
    status = search_status(paths, name)
    if number is not None:
        return _ended(status, number)
    if status.best is None:
        raise UsageError(
            Problem(
                field="TRIAL", rule="a search with a trial that ended", value=f"{name}, where none has",
                remedy=f"see {command('status', name)}",
            )
        )  # fmt: skip
    return _ended(status, status.best.number)


def _ended(status: SearchStatus, number: int) -> TrialRecord:
    for trial in status.trials:
        if trial.number == number:
            if trial.reports and trial.ending is not None and not trial.ending.reason:
                return trial
            raise UsageError(
                Problem(
                    field="TRIAL", rule="a trial that ended with scores",
                    value=f"trial {number}, {trial.state}" + ("" if trial.reports else ", which reported nothing"),
                    remedy=f"see {command('status', status.search.name)}",
                )
            )  # fmt: skip
    raise UsageError(
        Problem(
            field="TRIAL", rule=f"a trial of {status.search.name}: 0 to {len(status.trials) - 1}", value=number,
            remedy=f"see {command('status', status.search.name)}",
        )
    )  # fmt: skip


def _checkpoint(trial: TrialRecord, *, into: Path) -> Path | None:
    """The last checkpoint of the record, if it is still there; one in a store is fetched ``into`` a folder."""
    recorded = None if trial.ending is None else trial.ending.checkpoint
    if recorded is not None and is_in_a_store(recorded):
        shutil.rmtree(into, ignore_errors=True)  # of a call that was interrupted
        try:
            return fetch_address(recorded, into)
        except (HicoError, StoreAwayError):
            return None
    path = None if recorded is None else Path(recorded)
    return path if path is not None and path.exists() else None


def _config(status: SearchStatus, trial: TrialRecord, before: Path | None) -> TrialConfig:
    """What the trial began with, in the precision that it was trained in, where that is known."""
    config = config_of(trial, status.space)
    precision = None if before is None else precision_of(before.parent)
    if config.model.precision is Precision.AUTO and precision is not None:
        return replace(config, {"model.precision": precision})
    return config


def _folder(paths: HomePaths, name: str, number: int) -> Path:
    """Where it is trained: a folder that no finished reproduction has."""
    for count in itertools.count(1):
        folder = paths.home / "reproductions" / (f"{name}-{number:04d}" + (f"-{count}" if count > 1 else ""))
        if not (folder / REPRODUCED).exists():
            return folder
    raise AssertionError("there is always another number")


def _kept_scores(directory: Path) -> dict[int, float]:
    """What a call before, which was interrupted, had reported."""
    try:
        found = json.loads((directory / _SCORES).read_bytes())
        return {int(epoch): float(value) for epoch, value in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _compared(recorded: tuple[ReportRecord, ...], scores: Mapping[int, float], *, metric: str) -> Iterator[Compared]:
    for report in recorded:
        if report.epoch in scores:
            now, error = scores[report.epoch], report.standard_error
            yield Compared(epoch=report.epoch, name=metric, was=report.value, now=now, standard_error=error)


def _same_weights(before: Path, now: Path) -> bool | None:
    try:
        was = load_checkpoint(before)
    except HicoError:
        return None
    tensors = load_checkpoint(now).tensors
    if was.encoder_alone:
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith(ENCODER_PREFIX)}
    return was.tensors.keys() == tensors.keys() and all(
        torch.equal(tensor, tensors[name]) for name, tensor in was.tensors.items()
    )


def _conditions(status: SearchStatus, before: Path | None, now: Path) -> dict[str, tuple[Any, Any]]:
    """What may make a difference and is not as it was."""
    found: dict[str, tuple[Any, Any]] = {"code_version": (status.search.facts.code_version, code_version())}
    if before is not None:
        was, is_now = _provenance(before), _provenance(now)
        names = [name for name in ("arithmetic", "precision", "device") if name in was or name in is_now]
        found |= {name: (was.get(name), is_now.get(name)) for name in names}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def _of_environment(folder: Path, trial: TrialRecord) -> Mapping[str, tuple[Any, Any]]:
    """What is not as it was around the driver that began the trial, where that was recorded."""
    then = environment_at(folder, trial.began_at_s)
    return {} if then is None else differences(then, this_environment())


def _provenance(checkpoint: Path) -> Mapping[str, Any]:
    try:
        return dict(load_checkpoint(checkpoint).facts["provenance"])
    except HicoError:
        return {}


def _plain(one: Compared) -> dict[str, Any]:
    return dataclasses.asdict(one) | {"difference": one.difference}
