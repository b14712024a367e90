from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, cast

import numpy as np
import pytest
import torch

from hico_platform.checkpoint import load_checkpoint
from hico_platform.data.sequence import UNLABELLED
from hico_platform.data.split import Split
from hico_platform.data.split_guard import ClosedTestSplitError, Purpose
from hico_platform.enums import Decision, Signal, Stream
from hico_platform.errors import TrainingError
from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.downstream import knn
from hico_platform.search.messages import Activity, EpochReport
from hico_platform.search.task import TrialTask
from hico_platform.train import guards
from hico_platform.trial import TrainEvalSplit
from hico_platform.worker import run_task as stage
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.gpu_memory import measure_need
from hico_platform.worker.run_task import TrialData, raw_pose, run_task, untrained
from hico_platform.worker.timing import time_trials
from tests.small import small_config, small_split, small_store
from tests.unit.worker.test_gpu_memory import CpuMeter


class LivingReport:
    """What a worker passes in: it keeps the signs of life, and where among them a report came."""

    def __init__(self) -> None:
        self.signs: list[int | str | None] = []
        self.done: list[Activity] = []

    def __call__(self, said: EpochReport) -> Decision:
        self.signs.append("report")
        return Decision.CONTINUE

    def alive(self, *, epoch: int | None = None, doing: Activity | None = None) -> None:
        self.signs.append(epoch)
        if doing is not None and self.done[-1:] != [doing]:
            self.done.append(doing)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    split = small_split(small_store(tmp_path_factory.mktemp("data") / "store"))
    splits = SimpleNamespace(
        splits=lambda: (split, split),
        on_test_split=False,
        overlap=0,
        signal=Signal.KNN_TOP1,
        source=SimpleNamespace(protocol="xsub", written=""),
    )
    return cast(TrialData, splits)


def task(folder: Path) -> TrialTask:
    return TrialTask(
        number=0, config=small_config(budget__epochs=2), directory=folder, report_epochs=(2,), cpus=1, gpus=0
    )


def test_each_trial_is_held_to_its_share_and_one_over_it_says_so(
    data: TrialData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu, held = torch.device("cuda"), []

    def full(config: object, **more: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. 2 GiB allowed")

    monkeypatch.setattr(stage, "device_of", lambda task: gpu)
    monkeypatch.setattr(stage, "hold_to_share", lambda gpus, device: held.append((gpus, device)))
    monkeypatch.setattr(stage, "with_precision", full)
    with pytest.raises(TrainingError, match=r"resources\.gpus: expected a trial within its share .* 2 GiB allowed"):
        run_task(replace(task(tmp_path), gpus=0.25), LivingReport(), data=data)
    assert held == [(0.25, gpu)]


def test_the_work_itself_gives_signs_of_life(data: TrialData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "CHECK_EVERY_S", 0.0)
    report = LivingReport()
    run_task(task(tmp_path), report, data=data)
    assert [sign for sign in report.signs if sign is not None] == [1, 2, "report"]
    first, second, told = (report.signs.index(sign) for sign in (1, 2, "report"))
    assert first > 2, "before the first epoch and within it"
    assert second > first + 1, "within the second"
    assert told > second + 1, "while it is validated"
    assert len(report.signs) > told + 2, "while it is evaluated downstream"
    assert report.done[:3] == [Activity.DATA, Activity.KERNELS, Activity.TRAINING]
    assert report.done[-1] is Activity.EVALUATING


def test_so_does_the_untrained_encoder(data: TrialData, tmp_path: Path) -> None:
    report = LivingReport()
    untrained(task(tmp_path), report, data=data)
    assert len(report.signs) > 2


def test_a_plain_function_to_report_by_will_do(data: TrialData, tmp_path: Path) -> None:
    assert run_task(task(tmp_path), lambda said: Decision.CONTINUE, data=data).epoch == 2


BRANCHES = "temporal", "spatial"
SOURCE_SUBJECTS, TARGET_SUBJECTS = {1, 3, 5}, {0, 2, 4}  # of their training splits


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """A source and a target that differ in their data and in their protocol."""
    folder = tmp_path_factory.mktemp("datasets")
    small_store(folder / "source")
    small_store(folder / "target", count=72, seed=1)
    (folder / "even.yaml").write_text("train: {subject: even}")
    return (
        Dataset(location=str(folder / "source"), protocol="odd-subjects", cache=folder / "cache"),
        Dataset(location=str(folder / "target"), protocol=str(folder / "even.yaml"), cache=folder / "cache"),
    )


def subjects(split: TrainEvalSplit, part: Literal["train", "eval", "pretrain"]) -> set[int]:
    column = split.store.column("subject")
    assert column is not None
    return set(column[getattr(split, part)].tolist())


@pytest.mark.parametrize("final", [False, True])
def test_source_and_target_have_each_their_own_store_and_split(datasets: tuple[Dataset, Dataset], final: bool) -> None:
    splits = TrialData(source=datasets[0], target=datasets[1], on_test_split=final).splits()
    for split, size, of_training in zip(splits, (48, 72), (SOURCE_SUBJECTS, TARGET_SUBJECTS), strict=True):
        assert split is not None
        assert len(split.store) == size
        if final:
            assert subjects(split, "train") == of_training
            assert subjects(split, "eval") == set(range(6)) - of_training
        else:
            assert subjects(split, "eval") < of_training, "the test split stays untouched"
            assert subjects(split, "train") == of_training - subjects(split, "eval")


@pytest.mark.parametrize("final", [False, True])
def test_a_task_is_run_on_the_source_and_transferred_to_the_target(
    datasets: tuple[Dataset, Dataset], final: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}
    monkeypatch.setattr(stage, "run_trial", lambda config, **options: seen.update(options) or "outcome")
    data = TrialData(source=datasets[0], target=datasets[1], on_test_split=final)
    assert run_task(task(tmp_path), lambda said: Decision.CONTINUE, data=data) == "outcome"
    assert (seen["split"], seen["target"]) == data.splits()
    assert seen["validate"] is not final, "retraining scores on the test split once, at the end"
    assert seen["provenance"]["scored_on"] == ("test" if final else "val")


def test_untrained_and_raw_poses_are_scored_on_the_same_sequences_as_a_trained_encoder(
    datasets: tuple[Dataset, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = TrialData(source=datasets[0], target=datasets[1], on_test_split=True)
    made, expected = task(tmp_path), data.splits()
    trained: list[Evaluated] = []

    def score(evaluated: Evaluated) -> dict[str, float]:
        trained.append(evaluated)
        return {"knn_top1": 0.5}

    outcome = run_task(made, lambda said: Decision.CONTINUE, data=data, score=score)
    assert outcome.metrics == {"knn_top1": 0.5}
    assert [len(evaluated.features.eval) for evaluated in trained] == [len(expected[0].eval)]
    for found in (untrained(made, lambda said: Decision.CONTINUE, data=data), *trained,
                  raw_pose(made, lambda said: Decision.CONTINUE, data=data)):  # fmt: skip
        for one, split in zip((found, found.target), expected, strict=True):
            assert one is not None
            assert split is not None
            assert one.data.labels.tolist() == split.store.labels.tolist()
            assert one.data.train.tolist() == split.train.tolist()
            assert one.data.eval.tolist() == split.eval.tolist()
            assert (one.config, one.seed) == (made.config.evaluation, made.config.budget.seed)
            assert one.encoder is found.encoder
    before = untrained(made, lambda said: Decision.CONTINUE, data=data)
    assert not torch.equal(trained[0].features.eval, before.features.eval)


@pytest.mark.parametrize("stream", Stream)
def test_2d_poses_are_trained_on_and_scored(tmp_path: Path, stream: Stream) -> None:
    small_store(tmp_path / "flat", coordinates=2)
    source = Dataset(location=str(tmp_path / "flat"), protocol="odd-subjects", cache=tmp_path / "cache")
    data = TrialData(source=source, target=source)
    made = replace(task(tmp_path), config=small_config(budget__epochs=2, views__stream=stream.value))
    outcome = run_task(made, lambda said: Decision.CONTINUE, data=data)
    assert outcome.epoch == 2
    assert outcome.metrics["knn_top1"] > 0.25  # chance, of four classes
    checkpoint = load_checkpoint(outcome.checkpoint)
    assert checkpoint.facts["coordinates"] == 2
    widths = [checkpoint.tensors[f"model/query.encoder.{branch}.embedding.0.weight"].shape[1] for branch in BRANCHES]
    assert widths == [2 * 25 * 2, 16 * 2]
    for found in (made_of(made, lambda _: Decision.CONTINUE, data=data) for made_of in (untrained, raw_pose)):
        assert found.target is not None
        assert knn(found.features, data=found.data) > 0
        assert knn(found.target.features, data=found.target.data) > 0
    assert time_trials([made.config], data=data, cpus=1, gpus=0).epoch_s > 0


@pytest.mark.parametrize("final", [False, True])
def test_unlabelled_sequences_are_pretrained_on_and_those_of_held_out_subjects_are_not(
    final: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = small_store(tmp_path / "store", count=96, unlabelled=range(0, 48))  # half of the sequences of each subject
    source = Dataset(location=str(tmp_path / "store"), protocol="odd-subjects", cache=tmp_path / "cache")
    data = TrialData(source=source, target=None, on_test_split=final)
    split, _ = data.splits()
    assert not store.labelled[split.pretrain_only].any()
    assert store.labelled[split.train].all()
    assert store.labelled[split.eval].all()
    scored, trained = subjects(split, "eval"), subjects(split, "pretrain")
    assert trained == subjects(split, "train") == ({1, 3, 5} if final else {1, 3, 5} - scored)
    assert not trained & scored
    assert scored == ({0, 2, 4} if final else scored & {1, 3, 5})
    assert len(split.pretrain_only) == len(split.train), "half of each subject's"
    seen = {}
    monkeypatch.setattr(stage, "run_trial", lambda config, **options: seen.update(options))
    run_task(
        task(tmp_path), lambda said: Decision.CONTINUE, data=TrialData(source=source, target=None, on_test_split=final)
    )
    counts = {"pretrain_only_sequences": len(split.pretrain_only), "unlabelled_sequences": len(split.pretrain_only)}
    assert counts.items() <= seen["provenance"].items()


class TestClosedTestSplit:
    """A search and a pretraining read no test sequence, neither of the source nor of the target."""

    @pytest.fixture
    def data(self, datasets: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch) -> TrialData:
        """Data whose test splits end the test where anything opens them."""

        def opened(split: Split, purpose: Purpose) -> np.ndarray:
            assert purpose in (Purpose.COUNTS, Purpose.OVERLAP), f"the test split was opened for {purpose}"
            return real(split, purpose)

        real = Split.open_test
        monkeypatch.setattr(Split, "open_test", opened)
        stage._with_validation_split.cache_clear()
        return TrialData(source=datasets[0], target=datasets[1])

    def test_a_trial_runs_without_it(self, data: TrialData, tmp_path: Path) -> None:
        outcome = run_task(task(tmp_path), lambda said: Decision.CONTINUE, data=data)
        assert {"knn_top1", "recognition_top1", "transfer_top1"} <= outcome.metrics.keys()

    def test_so_do_a_dry_run_and_the_measurement_of_memory(self, data: TrialData) -> None:
        assert time_trials([small_config()], data=data, cpus=1, gpus=0).epoch_s > 0
        measure_need([small_config()], data=data, meter=CpuMeter)

    @pytest.mark.parametrize("which", [0, 1])
    def test_poses_and_labels_of_both_are_closed(self, which: int, data: TrialData) -> None:
        split = data.splits()[which]
        assert split is not None
        tested = np.setdiff1d(np.arange(len(split.store)), [*split.train, *split.eval])
        assert len(tested) == len(split.store) // 2
        assert not split.store.labelled[tested].any()
        evaluated = split.eval_data(small_config(), device=torch.device("cpu"))
        assert set(evaluated.labels[tested].tolist()) == {UNLABELLED}
        with pytest.raises(ClosedTestSplitError):
            evaluated.views.centre(torch.tensor(tested[:1]), share=0.95)

    @pytest.mark.parametrize("wrong", ["train", "eval"])
    def test_a_trial_that_pretrains_or_scores_on_it_is_refused(
        self, wrong: str, data: TrialData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        split, target = data.splits()
        everything = replace(split, **{wrong: np.arange(len(split.store))})
        monkeypatch.setattr(TrialData, "splits", lambda data: (everything, target))
        with pytest.raises(ClosedTestSplitError, match=r"expected a sequence of the training part, got 'S0"):
            run_task(task(tmp_path), lambda said: Decision.CONTINUE, data=data)

    def test_a_trial_that_asks_for_it_is_refused(
        self, datasets: tuple[Dataset, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        final = TrialData(source=datasets[0], target=None, on_test_split=True)
        final.splits()  # this process may have it open from a retraining
        monkeypatch.setattr(stage, "run_trial", lambda config, **options: final.splits())
        with pytest.raises(ClosedTestSplitError, match="got 'a search or a pretraining'; leave the test split"):
            run_task(task(tmp_path), lambda said: Decision.CONTINUE, data=TrialData(source=datasets[0], target=None))
        for dataset in datasets:
            monkeypatch.setattr(
                stage,
                "run_trial",
                lambda config, dataset=dataset, **options: dataset.open_with_test(Purpose.EVALUATION),
            )
            with pytest.raises(ClosedTestSplitError):
                run_task(
                    task(tmp_path), lambda said: Decision.CONTINUE, data=TrialData(source=datasets[0], target=None)
                )


def test_with_knn_subjects_every_training_subject_is_pretrained_on(
    datasets: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    data = TrialData(source=datasets[0], target=datasets[1], signal=Signal.KNN_SUBJECTS)
    split, target = data.splits()
    usual, usual_target = TrialData(source=datasets[0], target=datasets[1]).splits()
    assert target == usual_target, "what is only scored has the usual parts"
    assert subjects(split, "pretrain") == SOURCE_SUBJECTS
    assert subjects(split, "train") == subjects(usual, "train") == SOURCE_SUBJECTS - subjects(split, "eval")
    reports: list[EpochReport] = []

    def keep(report: EpochReport) -> Decision:
        reports.append(report)
        return Decision.CONTINUE

    outcome = run_task(task(tmp_path), keep, data=data)
    assert {"knn_subjects", "knn_top1", "knn_mean"} <= reports[0].metrics.keys()
    assert reports[0].metrics["knn_subjects"] * 24 == pytest.approx(round(reports[0].metrics["knn_subjects"] * 24))
    assert reports[0].standard_errors.keys() == reports[0].metrics.keys() - {"parameters", "feature_spread"}
    assert load_checkpoint(outcome.checkpoint).facts["provenance"]["pretrained_on"] == "all training subjects"
    final, _ = TrialData(source=datasets[0], target=None, signal=Signal.KNN_SUBJECTS, on_test_split=True).splits()
    assert subjects(final, "eval") == set(range(6)) - SOURCE_SUBJECTS
