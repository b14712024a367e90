from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hico_platform.commands.evaluate import evaluate
from hico_platform.commands.evaluation_report import Baselines, EvaluationRequest
from hico_platform.commands.trained_encoder import trained_encoder
from hico_platform.enums import Part, Signal
from hico_platform.evaluate import quick_tasks, signals
from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.quick_tasks import QuickScores
from hico_platform.evaluate.scores import Score
from hico_platform.evaluate.signals import ReportedScores
from hico_platform.retrain import task as module
from hico_platform.retrain.further_tasks import TaskScores
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.task import RetrainOutcome, RetrainTask, run_retrain_task
from hico_platform.search.messages import TrialOutcome
from hico_platform.worker import run_task as worker
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData
from tests.small import small_config
from tests.unit.commands.trained import Trained, trained_in

SOURCE = Dataset(location="here", protocol="xsub", cache=Path("cache"))
DATA = TrialData(source=SOURCE, target=SOURCE, on_test_split=True, signal=Signal.MAP)
SCORED = QuickScores(
    scores={
        "knn_top1": Score.mean_of(torch.tensor([1.0, 0.0, 0.0, 0.0])),
        "transfer_top1": Score(value=0.5),
    },
    persons=torch.tensor([7, 7, 8, 8]),
)


def evaluated_as(kind: str) -> Evaluated:
    """What is told apart by its features, and has a target."""
    given: Any = {"features": kind, "target": "the target"}
    return Evaluated(data=None, config=None, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("entry", Entry)
def test_each_entry_is_trained_or_not_and_scored_where_it_may_be(
    entry: Entry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[str, object]] = []
    given: list[Any] = []

    def untouched(kind: str) -> Any:
        def made(task: RetrainTask, report: object, *, data: TrialData) -> Evaluated:
            calls.append((kind, data))
            return evaluated_as(kind)

        return made

    def train(task: RetrainTask, report: object, *, data: TrialData, **more: Any) -> TrialOutcome:
        calls.append(("trained", data))
        metrics = more["score"](evaluated_as("trained"))
        assert more.get("validate") is (False if entry is Entry.CANDIDATE else None), "its reports need no metrics"
        return TrialOutcome(epoch=4, stopped_early=False, metrics=metrics, checkpoint=Path("there/epoch-000004"))

    def score(evaluated: Any, *, target: Any) -> QuickScores:
        assert (evaluated.target, target) == (None, "the target")
        calls.append(("scored", evaluated.features))
        given.append(evaluated)
        return SCORED

    def along(evaluated: Any, names: tuple[str, ...]) -> tuple[TaskScores, ...]:
        assert evaluated() is given[-1], "what is computed for the quick tasks is not computed again"
        return tuple(TaskScores(task=name, values={"semi_top1": 0.5}) for name in names)

    def validate(evaluated: object, *, signal: Signal) -> ReportedScores:
        calls.append(("validated", signal))
        return ReportedScores(values={"knn_top1": 0.75})

    monkeypatch.setattr("hico_platform.checkpoint.precision_of", lambda folder: f"float32 {folder.name}")
    monkeypatch.setattr(worker, "raw_pose", untouched("raw pose"))
    monkeypatch.setattr(worker, "untrained", untouched("untrained"))
    monkeypatch.setattr(worker, "run_task", train)
    monkeypatch.setattr(quick_tasks, "quick_scores", score)
    monkeypatch.setattr(signals, "validation_scores", validate)
    monkeypatch.setattr(module, "score_tasks", along)
    task = RetrainTask(
        number=0, config=small_config(), directory=tmp_path, report_epochs=(), cpus=1, gpus=0, entry=entry,
        along=("semi",),
    )  # fmt: skip
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
    assert [one.task for one in outcome.tasks] == ["semi"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained_in(tmp_path_factory.mktemp("trained"))


@pytest.mark.slow
@pytest.mark.parametrize("entry", [Entry.BEST, Entry.UNTRAINED, Entry.RAW_POSE])
def test_further_tasks_of_a_run_are_scored_on_its_checkpoint_as_evaluate_scores_them(
    entry: Entry, trained: Trained
) -> None:
    run = trained.run("best", on_test_split=True, budget__seed=2)
    (checkpoint,) = run.glob("epoch-*")
    data = TrialData(source=trained.source, target=None, on_test_split=True)
    task = RetrainTask(
        number=0, config=small_config(budget__epochs=1, budget__seed=2), directory=trained.folder, report_epochs=(),
        cpus=1, gpus=0, entry=entry, further=("semi", "occlusion"),
        checkpoint=str(checkpoint) if entry is Entry.BEST else None,
    )  # fmt: skip
    outcome = run_retrain_task(task, lambda report: pytest.fail("nothing is trained"), data=data)
    assert outcome.metrics == {}
    semi, occlusion = outcome.tasks
    assert semi.failed is None
    assert "semi_unstratified_20_linear_top1" in semi.values
    if entry is Entry.RAW_POSE:
        assert occlusion.skipped == "an encoder"
        return
    assert occlusion.failed is None
    assert "occlusion_frames_50_knn_top1" in occlusion.values
    if entry is Entry.BEST:
        request = EvaluationRequest(
            encoders=[trained_encoder(str(checkpoint))], source=trained.source, part=Part.TEST,
            tasks=("semi", "occlusion"), baselines=Baselines.NONE, seed=2, allow_overlap=True,
        )  # fmt: skip
        report = evaluate(request, device=torch.device("cpu"), watch=lambda now: None)
        expected = {name: value for one in report.entries[0].results for name, value in one.values().items()}
        assert {**semi.values, **occlusion.values} == pytest.approx(expected)


def test_a_checkpoint_that_is_gone_costs_the_further_tasks_alone(tmp_path: Path) -> None:
    task = RetrainTask(
        number=0, config=small_config(), directory=tmp_path, report_epochs=(), cpus=1, gpus=0, entry=Entry.BEST,
        further=("semi",), checkpoint=str(tmp_path / "epoch-000004"),
    )  # fmt: skip
    (found,) = run_retrain_task(task, lambda report: pytest.fail("nothing is trained"), data=DATA).tasks
    assert "checkpoint" in (found.failed or "")


def test_a_checkpoint_in_a_store_is_read_on_the_machine_that_scores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Path] = []

    def fetch(address: str, into: Path) -> Path:
        assert address == "s3://bucket/run/epoch-000004?digest"
        fetched.append(into)
        return into / "epoch-000004"

    monkeypatch.setattr(module, "fetch_address", fetch)
    with module._on_this_machine("s3://bucket/run/epoch-000004?digest") as folder:
        assert folder == fetched[0] / "epoch-000004"
        assert fetched[0].is_dir()
    assert not fetched[0].exists()
    with module._on_this_machine(str(tmp_path)) as folder:
        assert folder == tmp_path
