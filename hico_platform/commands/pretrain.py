"""One pretraining without a search: training subjects alone, validation kNN, downstream metrics at the end."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from hico_platform.checkpoint import newest_facts
from hico_platform.config.schema import replace, to_mapping
from hico_platform.config.trial import TrialConfig, as_first_written
from hico_platform.data.split_guard import closed_test_split
from hico_platform.data.store import Store
from hico_platform.enums import Decision, Precision
from hico_platform.environment.record import keep_environment
from hico_platform.errors import Problem, UsageError
from hico_platform.search.drivers import this_driver
from hico_platform.search.messages import Activity, EpochReport, ReportFunction, TrialOutcome
from hico_platform.search.task import TrialTask
from hico_platform.train.guards import EpochProgress
from hico_platform.train.loop import EpochResult
from hico_platform.worker.datasets import Dataset, check_overlap, pretrain_only_facts
from hico_platform.worker.run_task import TrialData, run_task


def run_folder(runs: Path, *, name: str, config: TrialConfig, source: Dataset) -> Path:
    """The folder in ``runs`` of a configuration on a dataset under a protocol, ``NAME-DIGEST``: for this run alone.

    The digest leaves out what the weights do not depend on (threads, evaluation). Older versions named the folder
    ``NAME``, and knew no ``auto`` precision: theirs is used where it holds this run, in float32.
    """
    data = {"data": source.open()[0].digest, "protocol": source.protocol}
    own = _folder(runs, name, {"config": _of_the_weights(to_mapping(config)), **data})
    if config.model.precision is Precision.AUTO:
        config = replace(config, {"model.precision": Precision.FLOAT32.value})
    in_float32 = {"config": _of_the_weights(to_mapping(config)), **data}
    for folder in (own, runs / name, _folder(runs, name, in_float32)):
        facts = newest_facts(folder)
        if facts is not None and (folder == own or in_float32 == _content_of(facts)):
            return folder
    return own


def pretraining_facts(source: Dataset) -> dict[str, int]:
    """How many sequences are trained on and scored, and how many join pretraining alone."""
    store, split = source.open()
    alone = pretrain_only_facts(store, split.pretrain_only)
    return {"train_sequences": len(split.train), "validation_sequences": len(split.val), **alone}


def _folder(runs: Path, name: str, content: Mapping[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return runs / f"{name}-{digest[:8]}"


def _content_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its run, as :func:`run_folder` tells runs apart."""
    provenance = facts["provenance"]
    return {
        "config": _of_the_weights(facts["config"]),
        "data": provenance.get("data_digest"),
        "protocol": provenance.get("protocol"),
    }


def _of_the_weights(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration that the weights depend on."""
    config = as_first_written(config)
    budget = {field: value for field, value in config["budget"].items() if field != "threads"}
    return {group: value for group, value in config.items() if group != "evaluation"} | {"budget": budget}


@closed_test_split("a pretraining")
def pretrain_one(
    *,
    config: TrialConfig,
    source: Dataset,
    directory: Path,
    validate_every: int,
    cpus: float,
    gpus: float,
    allow_overlap: bool = False,
    report: ReportFunction,
    watch: Callable[[EpochResult], None],
    progress: Callable[[EpochProgress], None],
    activity: Callable[[Activity], None] = lambda doing: None,
    command: str | None = None,
) -> tuple[Store, TrialOutcome]:
    """Trains in ``directory``, going on from its newest checkpoint; returns the store and the outcome.

    ``validate_every`` is in epochs; ``activity`` is told what goes on besides training. ``command``
    is the command line without secrets, by default as the interpreter has it; it is recorded in the folder with the
    packages and the rest of the environment. Raises TrainingError,
    DataError, CheckpointError, and UsageError where a GPU is asked for and there is none.
    """
    if gpus > 0 and not torch.cuda.is_available():
        raise UsageError(
            Problem(
                field="gpus",
                rule="a GPU that PyTorch can use",
                value=gpus,
                remedy="leave it out to train on the CPU, or install a PyTorch for this machine's GPU",
            )
        )
    source = source.fixed()
    overlap = check_overlap(source, None, allowed=allow_overlap)
    epochs = config.budget.epochs
    task = TrialTask(
        number=0,
        config=config,
        directory=directory,
        report_epochs=tuple({*range(validate_every, epochs + 1, validate_every), epochs}),
        cpus=cpus,
        gpus=gpus,
    )
    keep_environment(directory, command=this_driver(command=command).command, at_s=time.time())
    outcome = run_task(
        task,
        _Report(report, activity),
        data=TrialData(source=source, target=None, overlap=overlap),
        watch=watch,
        progress=progress,
    )
    return source.open()[0], outcome


class _Report:
    """A report function that is told of the work between two reports, as that of a worker is."""

    def __init__(self, report: ReportFunction, activity: Callable[[Activity], None]) -> None:
        self._report, self._activity = report, activity
        self._doing: Activity | None = None

    def __call__(self, report: EpochReport) -> Decision:
        return self._report(report)

    def alive(self, *, epoch: int | None = None, doing: Activity | None = None) -> None:
        """What is done from now on, if that is something else."""
        if doing is not None and doing is not self._doing:
            self._doing = doing
            self._activity(doing)
