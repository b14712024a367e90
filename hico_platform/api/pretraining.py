"""One pretraining without a search."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hico_platform.api.datasets import DataLike, source_of
from hico_platform.api.places import PathLike, Settings, assignments_of, check_count, folder_of
from hico_platform.api.session import session, warn

if TYPE_CHECKING:
    import pandas as pd

    from hico_platform.config.document import Document
    from hico_platform.config.trial import TrialConfig
    from hico_platform.enums import Decision
    from hico_platform.export import Encoder
    from hico_platform.search.messages import EpochReport
    from hico_platform.train.loop import EpochResult

ConfigLike = PathLike | Mapping[str, Any]
"""A configuration file, or what it holds as a mapping: what differs from the released settings."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pretraining:
    """A trained encoder with its scores on validation.

    Attributes:
        checkpoint: the folder of the last checkpoint.
        epochs: how many it has trained, in all.
        trained_now: how many of them by this call; the others by an earlier one that was interrupted.
        metrics: the downstream scores on the validation subjects; empty for data without labels.
        curve: a row for each validation of this call: ``epoch`` and the scores.
        losses: a row for each epoch of this call: ``epoch``, losses and ``sequences_per_s``.
        facts: what the numbers depend on.
    """

    checkpoint: Path
    epochs: int
    trained_now: int
    metrics: Mapping[str, float]
    curve: pd.DataFrame
    losses: pd.DataFrame
    facts: Mapping[str, Any]

    @property
    def directory(self) -> Path:
        """The folder of the run, with all its checkpoints."""
        return self.checkpoint.parent

    def encoder(self) -> Encoder:
        """The encoder, ready to make features (:func:`hico_platform.load_encoder`)."""
        from hico_platform.commands.encoder import load_encoder

        return load_encoder(self.checkpoint)

    def __repr__(self) -> str:
        """``<Pretraining: 40 epochs, knn_top1 0.512, runs/mine-1a2b3c4d>``."""
        score = f", knn_top1 {self.metrics['knn_top1']:.3f}" if "knn_top1" in self.metrics else ""
        return f"<Pretraining: {self.epochs} epochs{score}, {self.directory}>"


def pretrain(
    config: ConfigLike,
    *,
    data: DataLike | None = None,
    protocol: str | None = None,
    name: str | None = None,
    out: PathLike | None = None,
    set: Settings | None = None,
    validate_every: int = 5,
    cpus: int | None = None,
    gpus: int = 0,
    allow_overlap: bool = False,
    home: PathLike | None = None,
    shared: bool = False,
    progress: Callable[[EpochResult | EpochReport], None] | None = None,
) -> Pretraining:
    """Trains one configuration in this process, on training subjects alone; what ``hico-platform pretrain`` does.

    Interrupted, the same call goes on from the last checkpoint: each configuration, on each dataset and protocol, has a
    folder of its own.

    Args:
        config: a file, or a mapping with what differs from the released settings, as ``search.best.config``.
        data: a prepared folder (default: the embedded dataset).
        protocol: how train and test are chosen (default: ``xsub``; ``all`` for data without labels).
        name: of the run's folder (default: the file's, else ``pretraining``).
        out: the run's folder (default: ``runs/NAME-DIGEST`` in the home).
        set: overrides by dotted field: ``{"budget.epochs": 3}``.
        validate_every: epochs between two validations.
        cpus: threads (default: all).
        gpus: 1 trains on the GPU; more share each batch.
        allow_overlap: train on sequences that are scored too, which every number then says.
        home: the folder that holds everything (default: ``$HICO_HOME``, else ``~/.hico``).
        shared: let the group of the home read it.
        progress: is called with each epoch (``EpochResult``: epoch, losses, sequences_per_s) and each validation
            (``EpochReport``: epoch, metrics).

    Raises:
        ConfigError: the configuration breaks a rule.
        DataError: the data cannot be opened.
        TrainingError: training cannot go on: a loss is not finite, or memory runs out.
        CheckpointError: a checkpoint is not whole.
        KeyboardInterrupt: interrupted, after a checkpoint; the same call goes on.

    Examples:
        >>> run = hico.pretrain(tiny, data=data, protocol="odd-subjects", home=home, set={"budget.epochs": 2})
        >>> run.epochs, sorted(run.losses.epoch)
        (2, [1, 2])
        >>> run.encoder().features([pose]).shape
        (1, 128)
    """
    from hico_platform.checkpoint import precision_of
    from hico_platform.commands.pretrain import pretrain_one, pretraining_facts, run_folder
    from hico_platform.commands.short_recordings import crop_warning
    from hico_platform.config.merge import override
    from hico_platform.config.schema import parse
    from hico_platform.config.trial import TrialConfig
    from hico_platform.cpus import available_cpus
    from hico_platform.worker.datasets import with_usual_protocol
    from hico_platform.writable import check_writable

    check_count("validate_every", validate_every)
    check_count("cpus", cpus)
    folder = folder_of(home)
    check_writable(
        folder if out is None else Path(os.fspath(out)),
        rule="a folder for checkpoints that this user may write",
        remedy="give another by out=, or another home=",
    )
    document, usual_name = config_document(config)
    parsed: TrialConfig = parse(TrialConfig, override(document, assignments_of(set), whole=frozenset()))
    record = _Record(progress)
    with session(folder, shared=shared, creates=out is None or data is None):
        source = source_of(data, protocol=protocol or "xsub", home=folder)
        if protocol is None:
            source = with_usual_protocol(source)
        facts = pretraining_facts(source)
        warning = crop_warning(source, min_crop_frames=parsed.views.min_crop_frames)
        if warning is not None:
            warn(warning)
        runs = folder / "runs"
        directory = (
            run_folder(runs, name=name or usual_name, config=parsed, source=source)
            if out is None
            else Path(os.fspath(out))
        )
        store, outcome = pretrain_one(
            config=parsed,
            source=source,
            directory=directory,
            validate_every=validate_every,
            cpus=available_cpus() if cpus is None else cpus,
            gpus=gpus,
            allow_overlap=allow_overlap,
            report=record.report,
            watch=record.watch,
            progress=lambda _: None,
        )
    return Pretraining(
        checkpoint=outcome.checkpoint,
        epochs=outcome.epoch,
        trained_now=len(record.epochs),
        metrics=dict(outcome.metrics),
        curve=record.curve(),
        losses=record.losses(),
        facts={
            "dataset": store.dataset,
            "data_digest": store.digest,
            "protocol": source.protocol,
            "split": "validation subjects of the training split" if outcome.metrics else None,
            **facts,
            "seed": parsed.budget.seed,
            "precision": precision_of(outcome.checkpoint.parent),
            "epochs": outcome.epoch,
        },
    )


def config_document(config: ConfigLike) -> tuple[Document, str]:
    """A configuration as it is checked, with the name of its file, or of one that has none."""
    import json

    from hico_platform.config.document import Document
    from hico_platform.config.yaml_loader import read_yaml

    if isinstance(config, Mapping):
        return Document(data=json.loads(json.dumps(config, default=str)), file="config"), "pretraining"
    file = Path(os.fspath(config))
    return read_yaml(file), file.stem


class _Record:
    """What a pretraining says while it runs."""

    def __init__(self, progress: Callable[[EpochResult | EpochReport], None] | None) -> None:
        self._progress = progress
        self.epochs: list[EpochResult] = []
        self.reports: list[EpochReport] = []

    def watch(self, result: EpochResult) -> None:
        self.epochs.append(result)
        if self._progress is not None:
            self._progress(result)

    def report(self, report: EpochReport) -> Decision:
        from hico_platform.enums import Decision

        self.reports.append(report)
        if self._progress is not None:
            self._progress(report)
        return Decision.CONTINUE

    def curve(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([{"epoch": one.epoch, **one.metrics} for one in self.reports])

    def losses(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(
            [{"epoch": one.epoch, **one.losses, "sequences_per_s": one.sequences_per_s} for one in self.epochs]
        )
