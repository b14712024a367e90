"""A report of an evaluation, written by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import torch

from hico_platform.commands.evaluation_report import EntryReport, EvaluationReport
from hico_platform.commands.trained_encoder import SourceKind, TrainedEncoder
from hico_platform.enums import Stream
from hico_platform.evaluate.intervals import Interval
from hico_platform.evaluate.scores import Score, TaskResult

LABELS = torch.tensor([0, 0, 1, 2])
ANSWERS = torch.tensor([0, 1, 1, 1])
FACTS: dict[str, Any] = {
    "dataset": "made", "data": "prepared/made", "data_digest": "d" * 64, "protocol": "xsub", "train_sequences": 8,
    "scored_sequences": 4, "persons": 2, "clusters": "persons", "classes": 3, "split": "test", "seed": 0,
    "tasks": ["knn"], "code_version": "0.1.0",
}  # fmt: skip


def entry(name: str = "encoder", *, value: float = 0.5, **more: Any) -> EntryReport:
    """An entry with one task that predicts classes and one that does not."""
    knn = TaskResult(
        task="knn",
        protocol="kNN by cosine",
        scores={"knn_top1": Score(value=value, per_sequence=(ANSWERS == LABELS).double())},
        predictions=ANSWERS,
        facts={"k": 1},
    )
    plain = TaskResult(task="plain", protocol="none", scores={"plain_ece": Score(value=0.125)})
    encoder = SimpleNamespace(
        source="a\x1b[31mrun", kind=SourceKind.CHECKPOINT, digest="e" * 64, epochs=None, stream=Stream.JOINT,
        provenance={"scored_on": "val"},
    )  # fmt: skip
    values: dict[str, Any] = {
        "encoder": cast(TrainedEncoder, encoder),
        "results": (knn, plain),
        "intervals": {"knn_top1": Interval(low=0.25, high=0.75, method="bootstrap over 2 persons")},
        "seconds": {"features": 1.0, "knn": 0.1, "plain": 0.1},
        "skipped": {"transfer": "a target dataset"},
    }
    return EntryReport(name=name, **(values | more))


def report(*entries: EntryReport, **facts: Any) -> EvaluationReport:
    """A report with these entries, of three classes of which the third is never answered."""
    return EvaluationReport(
        facts=FACTS | facts, entries=entries or (entry(),), class_names=("sit", "[b]walk", "run, fast"), labels=LABELS
    )
