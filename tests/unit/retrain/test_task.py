from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hico_platform.enums import Signal
from hico_platform.evaluate import quick_tasks, signals
from hico_platform.evaluate.quick_tasks import QuickScores
from hico_platform.evaluate.scores import Score
from hico_platform.evaluate.signals import ReportedScores
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.task import RetrainOutcome, RetrainTask, run_retrain_task
from hico_platform.search.messages import TrialOutcome
from hico_platform.worker import run_task as worker
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData
from tests.small import small_config

SOURCE = Dataset(location="here", protocol="xsub", cache=Path("cache"))
DATA = TrialData(source=SOURCE, target=SOURCE, on_test_split=True, signal=Signal.MAP)
SCORED = QuickScores(
    scores={
        "knn_top1": Score.mean_of(torch.tensor([1.0, 0.0, 0.0, 0.0])),
        "transfer_top1": Score(value=0.5),
    },
    persons=torch.tensor([7, 7, 8, 8]),
)


@pytest.mark.parametrize("entry", Entry)
def test_each_entry_is_trained_or_not_and_scored_where_it_may_be(
    entry: Entry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[str, object]] = []

    def untouched(kind: str) -> Any:
        def made(task: RetrainTask, report: object, *, data: TrialData) -> str:
            calls.append((kind, data))
            return kind

        return made

    def train(task: RetrainTask, report: object, *, data: TrialData, **more: Any) -> TrialOutcome:
        calls.append(("trained", data))
        metrics = more["score"]("trained")
        assert more.get("validate") is (False if entry is Entry.CANDIDATE else None), "its reports need no metrics"
        return TrialOutcome(epoch=4, stopped_early=False, metrics=metrics, checkpoint=Path("there/epoch-000004"))

    def score(evaluated: object) -> QuickScores:
        calls.append(("scored", evaluated))
        return SCORED

    def validate(evaluated: object, *, signal: Signal) -> ReportedScores:
        calls.append(("validated", signal))
        return ReportedScores(values={"knn_top1": 0.75})

    monkeypatch.setattr("hico_platform.checkpoint.precision_of", lambda folder: f"float32 {folder.name}")
    monkeypatch.setattr(worker, "raw_pose", untouched("raw pose"))
    monkeypatch.setattr(worker, "untrained", untouched("untrained"))
    monkeypatch.setattr(worker, "run_task", train)
    monkeypatch.setattr(quick_tasks, "quick_scores", score)
    monkeypatch.setattr(signals, "validation_scores", validate)
    task = RetrainTask(
        number=0, config=small_config(), directory=tmp_path, report_epochs=(), cpus=1, gpus=0, entry=entry
    )
    outcome: RetrainOutcome = run_retrain_task(task, lambda report: pytest.fail("nothing is reported"), data=DATA)
    if entry is Entry.CANDIDATE:
        data = TrialData(source=SOURCE, target=None, on_test_split=False, signal=Signal.MAP)
        assert calls == [("trained", data), ("validated", Signal.MAP)]
        assert outcome.metrics == {"knn_top1": 0.75}
        assert (outcome.scores, outcome.precision) == (None, "float32 there")
        return
    how = "trained" if entry in (Entry.RELEASED, Entry.BEST) else str(entry)
    assert calls == [(how, DATA), ("scored", how)]
    assert (outcome.epoch, outcome.stopped_early) == (4 if how == "trained" else 0, False)
    assert outcome.metrics == {"knn_top1": 0.25, "transfer_top1": 0.5}
    kept = outcome.scores
    assert kept is not None
    assert {name: values.tolist() for name, values in kept.parts.items()} == {"knn_top1": [1, 0, 0, 0]}
    assert np.array_equal(kept.persons, [7, 7, 8, 8])
    assert outcome.precision == ("float32 there" if how == "trained" else None)
    assert list(tmp_path.iterdir()) == [], "the driver writes it: its disk may be another"
