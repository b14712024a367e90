"""A trained encoder on the downstream tasks, as a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hico_platform.api.datasets import DataLike, source_of
from hico_platform.api.places import PathLike, Settings, assignments_of, paths_of, tracking_of
from hico_platform.api.session import session, warn

if TYPE_CHECKING:
    import pandas as pd

    from hico_platform.commands.evaluation_report import EvaluationProgress, EvaluationReport


@runtime_checkable
class HasCheckpoint(Protocol):
    """What has a trained encoder: a best trial, a pretraining, a retraining."""

    @property
    def checkpoint(self) -> Path | None:
        """The folder of its checkpoint."""


EncoderLike = PathLike | HasCheckpoint
"""A run's folder or a checkpoint in it, an exported encoder, ``models:/NAME@ALIAS``, a released ``.pth.tar``, or what
has a ``checkpoint``."""


def evaluate(
    checkpoint: EncoderLike | Sequence[EncoderLike],
    data: DataLike,
    *,
    protocol: str = "xsub",
    split: str = "test",
    tasks: str | Sequence[str] = "quick",
    baselines: str = "quick",
    target: DataLike | None = None,
    target_protocol: str | None = None,
    label_lists: Sequence[PathLike] = (),
    seed: int = 0,
    set: Settings | None = None,
    allow_overlap: bool = False,
    stream: str | None = None,
    heads: int | None = None,
    layout: str | None = None,
    cpus: int | None = None,
    gpus: int = 0,
    home: PathLike | None = None,
    tracking: str | None = None,
    progress: Callable[[EvaluationProgress], None] | None = None,
) -> pd.DataFrame:
    """Scores an encoder on downstream tasks, beside an untrained one and the poses; what ``evaluate`` does.

    With ``split="test"``, the default, the test split is opened, and classifiers are fitted on the whole training part;
    with ``"val"`` on the part that a search trains on, and the validation subjects are scored.

    Args:
        checkpoint: the encoder, or one of each stream, which are fused too (``tasks=["fusion"]``).
        data: a prepared folder, or what :func:`hico_platform.load_dataset` gave.
        protocol: how train and test are chosen.
        split: what is scored, ``test`` or ``val``.
        tasks: ``quick`` (those that train no encoder), ``all``, or names (docs/evaluation.md).
        baselines: tasks on which the untrained encoder and the poses are scored: ``quick``, ``all`` or ``none``.
        target: another dataset, for transfer; ``target_protocol`` by default that of ``data``.
        label_lists: files of names of training sequences, whose labels semi-supervised tasks may use.
        seed: of whatever tasks draw.
        set: settings of the evaluation: ``{"evaluation.linear_epochs": 200}``.
        allow_overlap: score sequences even where the encoder was trained on them, which ``attrs`` then says.
        stream: what a released ``.pth.tar`` does not say, as ``heads`` and ``layout``.
        cpus: threads (default: all).
        gpus: 1 computes on the GPU.
        home: the folder whose registry has ``models:/...``.
        tracking: a tracking store elsewhere (default: ``$MLFLOW_TRACKING_URI``).
        progress: is called with each step.

    Returns:
        A row for each score: ``entry`` (``encoder``, or its stream where there are several, ``untrained``, ``raw
        pose``), ``task``, ``score`` (its name), ``value``, ``low`` and ``high`` of its 95 % interval, ``interval``
        (what was resampled). ``attrs`` has what the numbers depend on, what each task did (``protocols``) and what did
        not run (``skipped``).

    Raises:
        UsageError: there is no such encoder or task, one that is named cannot run, or two encoders are of one stream.
        DataError: the data has too few labels or does not fit the encoder, or the encoder was trained on what it would
            be scored on.
        CheckpointError: the checkpoint is not whole, or of another version.

    Examples:
        >>> scores = hico.evaluate(encoder, data, protocol="odd-subjects", tasks=["knn"], baselines="none")
        >>> list(scores.columns)
        ['entry', 'task', 'score', 'value', 'low', 'high', 'interval']
        >>> bool((scores.low <= scores.value).all())
        True
    """
    from hico_platform.commands.evaluate import evaluate as run
    from hico_platform.commands.evaluate import evaluation_settings
    from hico_platform.commands.evaluation_report import Baselines, EvaluationRequest
    from hico_platform.commands.released_encoder import NotInTheFile
    from hico_platform.commands.trained_encoder import trained_encoder
    from hico_platform.enums import Part, Stream
    from hico_platform.evaluate.tasks.registry import wanted_tasks

    names = (tasks,) if isinstance(tasks, str) else tuple(tasks)
    wanted_tasks(names)
    part = Part(_one_of("split", split, ("test", "val")))
    on = Baselines(_one_of("baselines", baselines, tuple(Baselines)))
    paths = paths_of(home, tracking=tracking)
    known = None if stream is None else Stream(_one_of("stream", stream, tuple(Stream)))
    given = NotInTheFile(stream=known, heads=heads, layout=layout)
    several = list(checkpoint) if isinstance(checkpoint, Sequence) and not isinstance(checkpoint, str) else [checkpoint]
    with session(None):
        source = source_of(data, protocol=protocol, home=paths.home)
        other = None
        if target is not None:
            other = source_of(target, protocol=target_protocol or protocol, home=paths.home)
        encoders = []
        for one in several:
            place = text_of(one)
            encoders.append(trained_encoder(place, tracking=tracking_of(place, paths), given=given))
            _say_what_is_assumed(place, encoders[-1].provenance.get("assumed") or {})
        request = EvaluationRequest(
            encoders=encoders,
            source=source,
            part=part,
            tasks=names,
            config=evaluation_settings(encoders[0].config.evaluation, assignments_of(set)),
            target=other,
            baselines=on,
            seed=seed,
            allow_overlap=allow_overlap,
            label_lists=[Path(os.fspath(one)) for one in label_lists],
        )
        report = run(request, device=device_of(cpus=cpus, gpus=gpus), watch=progress or (lambda _: None))
    return _table(report)


def text_of(encoder: EncoderLike) -> str:
    """Where an encoder is. Raises UsageError for what has no checkpoint yet."""
    from hico_platform.errors import Problem, UsageError

    if isinstance(encoder, str | os.PathLike):
        return os.fspath(encoder)
    if isinstance(encoder, HasCheckpoint) and encoder.checkpoint is not None:
        return str(encoder.checkpoint)
    raise UsageError(
        Problem(
            field="checkpoint",
            rule="a folder, a file, models:/NAME@ALIAS, or what has a checkpoint",
            value=type(encoder).__name__,
            remedy="give the path",
        )
    )


def device_of(*, cpus: int | None, gpus: int) -> Any:
    """Sets PyTorch's threads and gives the device. Raises UsageError where there is no GPU to use."""
    import torch

    from hico_platform.cpus import available_cpus
    from hico_platform.errors import Problem, UsageError

    torch.set_num_threads(max(1, int(available_cpus() if cpus is None else cpus)))
    if not gpus:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError(
            Problem(
                field="gpus",
                rule="a GPU that PyTorch can use",
                value=gpus,
                remedy="leave it out to compute on the CPU, or install a PyTorch for this machine's GPU",
            )
        )
    return torch.device("cuda")


def _table(report: EvaluationReport) -> pd.DataFrame:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    protocols: dict[str, str] = {}
    for entry in report.entries:
        for result in entry.results:
            protocols.setdefault(result.task, result.protocol)
            for name, score in result.scores.items():
                found = entry.intervals.get(name)
                rows.append(
                    {
                        "entry": entry.name,
                        "task": result.task,
                        "score": name,
                        "value": score.value,
                        "low": None if found is None else found.low,
                        "high": None if found is None else found.high,
                        "interval": None if found is None else found.method,
                    }
                )
    table = pd.DataFrame(rows, columns=["entry", "task", "score", "value", "low", "high", "interval"])
    table = table.astype(dict.fromkeys(("value", "low", "high"), "float64"))
    skipped = {entry.name: dict(entry.skipped) for entry in report.entries if entry.skipped}
    table.attrs.update({**report.facts, "protocols": protocols, "skipped": skipped})
    return table


def _say_what_is_assumed(source: str, assumed: dict[str, Any]) -> None:
    if assumed:
        said = ", ".join(f"{name} {value}" for name, value in assumed.items())
        warn(f"{source}: {said}: assumed, as released, since its file does not say")


def _one_of(field: str, value: str, known: Sequence[str]) -> str:
    from hico_platform.errors import Problem, UsageError

    if value not in known:
        raise UsageError(
            Problem(field=field, rule=f"one of {', '.join(known)}", value=value, remedy="choose one of them")
        )
    return value
