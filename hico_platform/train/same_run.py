"""Whether a checkpoint belongs to the run that finds it in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from hico_platform.build import learning_rate
from hico_platform.checkpoint import Checkpoint, precision_of
from hico_platform.config.document import Document
from hico_platform.config.schema import parse, replace
from hico_platform.config.trial import TrialConfig, as_now_written
from hico_platform.enums import Precision
from hico_platform.errors import CheckpointError, ConfigError, Problem
from hico_platform.ops.precision import refuse_missing, resolve_precision

# These may change when a run is resumed, since the weights do not depend on them. The number of epochs may change too
# if every epoch so far had the learning rate that it has in the longer run.
_MAY_CHANGE = ("budget.threads", "evaluation.", "arithmetic", "device", "ranks")
_EPOCHS = "budget.epochs"
_OWNER = "provenance.run"


def with_precision(config: TrialConfig, *, directory: Path, device: torch.device) -> TrialConfig:
    """The configuration with its precision resolved, as checkpoints record it.

    ``auto`` means the precision of the run in ``directory``, if there is one, else the default of ``device``.

    Raises:
        CheckpointError: ``auto``, and ``device`` lacks the precision that the run in ``directory`` began with.
    """
    if config.model.precision is not Precision.AUTO:
        return config
    begun = precision_of(directory)
    precision = resolve_precision(Precision.AUTO, device).value if begun is None else begun
    try:
        refuse_missing(Precision(precision), device)
    except ConfigError as error:
        raise CheckpointError(
            Problem(
                file=directory,
                field="model.precision",
                rule=f"a device that has {precision}, as when this run began",
                value=device.type,
                remedy="resume it on such a device, or train in another folder",
            )
        ) from error
    return replace(config, {"model.precision": precision})


def check_same_run(checkpoint: Checkpoint, identity: Mapping[str, Any]) -> None:
    """Checks that a checkpoint, of a finished run or not, is of this run, so that the run may continue from it.

    Args:
        checkpoint: the checkpoint in the run's folder.
        identity: ``config`` and ``provenance`` of the run, in the form that checkpoints have.

    Raises:
        CheckpointError: names every field that differs.
    """
    then, again = (
        dict(_flat({"config": as_now_written(facts["config"]), "provenance": facts["provenance"]}))
        for facts in (checkpoint.facts, identity)
    )
    for one in (then, again):
        one.setdefault(_OWNER, None)  # a run with a key and one without are never the same run
    problems = []
    for name, value in again.items():
        field = name.partition(".")[2]
        if field.startswith(_MAY_CHANGE) or then.get(name, value) == value:
            continue
        if field == _EPOCHS and _same_rates(checkpoint, identity):
            continue
        problems.append(
            Problem(
                file=checkpoint.path,
                field=field,
                rule=f"the value {then[name]!r}, as when this run began"
                + (" (the learning rates of its epochs depend on it)" if field == _EPOCHS else ""),
                value=value,
                remedy="set it back, or train in another folder",
            )
        )
    if problems:
        raise CheckpointError(problems)


def _same_rates(checkpoint: Checkpoint, identity: Mapping[str, Any]) -> bool:
    """Whether every epoch so far had the learning rate that the present configuration has for it."""
    then, again = (parse(TrialConfig, Document(data=facts["config"])) for facts in (checkpoint.facts, identity))
    return all(
        learning_rate(then.optimiser, epoch=epoch, epochs=then.budget.epochs)
        == learning_rate(again.optimiser, epoch=epoch, epochs=again.budget.epochs)
        for epoch in range(checkpoint.epoch)
    )


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Values of a nested mapping by dotted name."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, child in value.items():
        yield from _flat(child, f"{name}.{key}" if name else key)
