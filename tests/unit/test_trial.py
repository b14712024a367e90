from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from hico_platform import trial
from hico_platform.checkpoint import load_checkpoint, newest_checkpoint
from hico_platform.data.store import Store
from hico_platform.enums import Decision
from hico_platform.errors import CheckpointError, TrainingError
from hico_platform.search.messages import EpochReport, TrialOutcome
from hico_platform.train import loop, session
from hico_platform.train.loop import EpochResult
from hico_platform.train.session import TrainingSession
from hico_platform.trial import TrainEvalSplit, run_trial
from tests.small import small_config, small_split, small_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store")


class Cut(Exception):
    """Stands for a kill."""


def run(
    store: Store,
    directory: Path,
    report: Callable[[EpochReport], Decision],
    *,
    epochs: int = 4,
    provenance: Mapping[str, str] | None = None,
    reports: Container[int] = frozenset({2, 4}),
    **values: object,
) -> TrialOutcome:
    split = small_split(store)
    return run_trial(
        small_config(budget__epochs=epochs, **values),
        split=split,
        target=split,
        directory=directory,
        report_epochs=reports,
        report=report,
        device=torch.device("cpu"),
        provenance=provenance,
    )


def recorder(reports: list[EpochReport], *, stop_at: int | None = None, cut_at: int | None = None):
    def deliver(report: EpochReport) -> Decision:
        if report.epoch == cut_at:
            raise Cut
        reports.append(report)
        return Decision.STOP if report.epoch == stop_at else Decision.CONTINUE

    return deliver


def test_reports_validation_knn_with_every_epoch_and_a_checkpoint(store: Store, tmp_path: Path) -> None:
    reports: list[EpochReport] = []
    outcome = run(store, tmp_path, recorder(reports))
    assert [report.epoch for report in reports] == [2, 4]
    assert [[epoch for epoch, _ in report.history] for report in reports] == [[1, 2], [3, 4]]
    assert set(reports[0].history[0][1]) == {
        "loss", "loss_clip", "loss_part", "loss_domain", "loss_instance", "sequences_per_s",
    }  # fmt: skip
    assert load_checkpoint(reports[1].checkpoint).epoch == 4
    assert (outcome.epoch, outcome.stopped_early) == (4, False)
    assert outcome.checkpoint == reports[1].checkpoint
    assert outcome.metrics["knn_top1"] == reports[1].metrics["knn_top1"] == outcome.metrics["retrieval_top1"]
    assert reports[1].standard_errors.keys() == reports[1].metrics.keys() - {"parameters", "feature_spread"}
    assert load_checkpoint(reports[1].checkpoint).facts["standard_errors"] == reports[1].standard_errors


def test_a_stopped_trial_is_evaluated_downstream(store: Store, tmp_path: Path) -> None:
    reports: list[EpochReport] = []
    outcome = run(store, tmp_path, recorder(reports, stop_at=2))
    assert (outcome.epoch, outcome.stopped_early) == (2, True)
    assert {"knn_top1", "recognition_top1", "retrieval_map", "transfer_top1"} <= set(outcome.metrics)


@pytest.mark.slow
@pytest.mark.parametrize("cut_at", [2, 4])
def test_a_report_cut_off_in_delivery_is_made_again_and_the_result_is_the_same(
    cut_at: int, store: Store, tmp_path: Path
) -> None:
    whole: list[EpochReport] = []
    expected = run(store, tmp_path / "whole", recorder(whole))
    reports: list[EpochReport] = []
    with pytest.raises(Cut):
        run(store, tmp_path / "cut", recorder(reports, cut_at=cut_at))
    outcome = run(store, tmp_path / "cut", recorder(reports))
    assert outcome.metrics == expected.metrics

    def losses(report: EpochReport) -> list[tuple[int, float]]:
        return [(epoch, values["loss"]) for epoch, values in report.history]

    assert [(report.epoch, report.metrics, report.standard_errors, losses(report)) for report in reports] == [
        (report.epoch, report.metrics, report.standard_errors, losses(report)) for report in whole
    ]


def test_a_stop_decided_before_the_cut_still_holds(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Cut):
        run(store, tmp_path, recorder([], cut_at=2))
    outcome = run(store, tmp_path, recorder([], stop_at=2))
    assert (outcome.epoch, outcome.stopped_early) == (2, True)


def test_a_finished_run_only_evaluates_again(store: Store, tmp_path: Path) -> None:
    first = run(store, tmp_path, recorder([]))
    second = run(store, tmp_path, recorder([]))
    assert first == second


@pytest.mark.slow
def test_a_run_that_diverges_says_where_its_last_good_state_is_and_goes_on_from_there(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "learning_rate", lambda config, *, epoch, epochs: 1e30 if epoch == 2 else 1e-3)
    with pytest.raises(TrainingError, match=r"in epoch 3, step \d of 4.*lower optimiser.learning_rate") as caught:
        run(store, tmp_path, recorder([]), optimiser__name="sgd")
    assert f"{tmp_path / 'epoch-000002'}: " in str(caught.value)
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.epoch == 2
    assert all(tensor.isfinite().all() for name, tensor in newest.tensors.items() if tensor.is_floating_point())
    monkeypatch.setattr(session, "learning_rate", lambda config, *, epoch, epochs: 1e-3)
    assert run(store, tmp_path, recorder([]), optimiser__name="sgd").epoch == 4


def test_a_run_that_diverges_at_once_leaves_nothing_that_the_next_would_go_on_from(
    store: Store, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"a finite .* in epoch 1"):
        run(store, tmp_path, recorder([]), optimiser__name="sgd", optimiser__learning_rate=1e30)
    assert newest_checkpoint(tmp_path) is None


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt(), torch.OutOfMemoryError("CUDA out of memory")])
def test_a_run_cut_off_within_an_epoch_keeps_every_whole_one(
    error: BaseException, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(store, tmp_path / "straight", recorder([]))
    steps, step = itertools.count(1), loop.train_step

    def cut(*arguments, **options):
        if next(steps) == 3 * 4 + 2:  # four steps an epoch: within the fourth, past the report after the second
            raise error
        return step(*arguments, **options)

    monkeypatch.setattr(loop, "train_step", cut)
    with pytest.raises((KeyboardInterrupt, TrainingError)) as caught:
        run(store, tmp_path / "cut", recorder([]))
    monkeypatch.setattr(loop, "train_step", step)
    newest = newest_checkpoint(tmp_path / "cut")
    assert newest is not None
    assert newest.epoch == 3
    assert isinstance(caught.value, KeyboardInterrupt) or "epoch-000003: budget.batch_size" in str(caught.value)
    outcome = run(store, tmp_path / "cut", recorder([]))
    assert outcome.metrics == expected.metrics
    ends = [load_checkpoint(path).tensors for path in (expected.checkpoint, outcome.checkpoint)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.slow
@pytest.mark.parametrize("cut_at", [2, 4])
def test_a_validation_that_is_cut_off_is_made_again_and_never_takes_the_scores_of_an_earlier_one(
    cut_at: int, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[EpochReport] = []
    run(store, tmp_path / "whole", recorder(whole))
    reports: list[EpochReport] = []
    scored, calls = trial.reported_scores, itertools.count(1)

    def cut(*arguments, **options):
        if next(calls) == cut_at // 2:
            raise KeyboardInterrupt
        return scored(*arguments, **options)

    monkeypatch.setattr(trial, "reported_scores", cut)
    with pytest.raises(KeyboardInterrupt):
        run(store, tmp_path / "cut", recorder(reports))
    monkeypatch.setattr(trial, "reported_scores", scored)
    newest = newest_checkpoint(tmp_path / "cut")
    assert newest is not None
    assert newest.epoch == cut_at  # its training is kept
    run(store, tmp_path / "cut", recorder(reports))
    found = [(report.epoch, report.metrics, report.standard_errors) for report in reports]
    assert found == [(report.epoch, report.metrics, report.standard_errors) for report in whole]


@pytest.mark.slow
def test_scores_of_an_epoch_that_had_no_report_are_its_own_where_it_has_one_now(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, step = itertools.count(1), loop.train_step

    def cut(*arguments, **options):
        if next(steps) == 3 * 4 + 2:  # four steps an epoch: within the fourth
            raise Cut
        return step(*arguments, **options)

    straight: list[EpochReport] = []
    run(store, tmp_path / "straight", recorder(straight), reports={2, 3, 4})
    monkeypatch.setattr(loop, "train_step", cut)
    with pytest.raises(Cut):
        run(store, tmp_path / "cut", recorder([]))
    monkeypatch.setattr(loop, "train_step", step)
    reports: list[EpochReport] = []
    run(store, tmp_path / "cut", recorder(reports), reports={2, 3, 4})
    assert [(report.epoch, report.metrics) for report in reports] == [(one.epoch, one.metrics) for one in straight[1:]]


@pytest.mark.slow
def test_a_report_that_is_sent_again_is_scored_by_the_evaluation_of_now(store: Store, tmp_path: Path) -> None:
    straight: list[EpochReport] = []
    run(store, tmp_path / "straight", recorder(straight, stop_at=2), evaluation__centre_crop=0.5)
    with pytest.raises(Cut):
        run(store, tmp_path / "cut", recorder([], cut_at=2))
    reports: list[EpochReport] = []
    run(store, tmp_path / "cut", recorder(reports, stop_at=2), evaluation__centre_crop=0.5)
    assert [report.metrics for report in reports] == [report.metrics for report in straight]


def test_another_run_in_the_folder_is_refused(store: Store, tmp_path: Path) -> None:
    run(store, tmp_path, recorder([]), provenance={"data_digest": "one"})
    with pytest.raises(
        CheckpointError,
        match=r"contrast.temperature: expected the value 0.2, as when this run began, got 0.5; set it back",
    ):
        run(store, tmp_path, recorder([]), contrast__temperature=0.5)
    with pytest.raises(CheckpointError, match=r"optimiser.name: expected the value 'adamw', .*, got 'sgd'"):
        run(store, tmp_path, recorder([]), optimiser__name="sgd")
    with pytest.raises(CheckpointError, match=r"data_digest: expected the value 'one', .*, got 'two'"):
        run(store, tmp_path, recorder([]), provenance={"data_digest": "two"})
    with pytest.raises(
        CheckpointError,
        match=r"learning_rate: expected the value 0.001, .*, got "
        r"0.0001(.|\n)*weight_decay: expected the value 0.0001, .*0.5",
    ):
        run(store, tmp_path, recorder([]), optimiser__learning_rate=1e-4, optimiser__weight_decay=0.5)


@pytest.mark.slow
def test_checkpoints_say_what_auto_precision_was_and_a_resumed_run_keeps_it(store: Store, tmp_path: Path) -> None:
    """An older version's run says float32, which a device with TensorFloat-32 keeps."""
    began = run(store, tmp_path, recorder([], stop_at=2), model__precision="auto")
    assert load_checkpoint(began.checkpoint).facts["config"]["model"]["precision"] == "float32"
    with pytest.MonkeyPatch.context() as during:
        during.setattr("hico_platform.ops.precision.has_tf32", lambda device: True)
        resumed = run(store, tmp_path, recorder([]), model__precision="auto")
    assert resumed.epoch == 4
    assert load_checkpoint(resumed.checkpoint).facts["config"]["model"]["precision"] == "float32"


@pytest.mark.slow
def test_a_longer_run_goes_on_where_its_epochs_would_have_been_the_same(store: Store, tmp_path: Path) -> None:
    constant = {"optimiser__schedule": "constant"}
    run(store, tmp_path / "constant", recorder([]), **constant)
    longer = run(store, tmp_path / "constant", recorder([]), epochs=5, **constant)
    straight = run(store, tmp_path / "straight", recorder([]), epochs=5, **constant)
    assert (longer.epoch, longer.metrics) == (5, straight.metrics)
    run(store, tmp_path / "step", recorder([]))  # its last epoch had a tenth of the rate
    with pytest.raises(
        CheckpointError,
        match=r"budget.epochs: expected the value 4, .*learning rates of its epochs depend on it.*got 8",
    ):
        run(store, tmp_path / "step", recorder([]), epochs=8)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("a/1", "b/1"), ("a/1", None), (None, "b/1")])
def test_a_checkpoint_of_another_search_is_never_taken_over(
    first: str | None, second: str | None, store: Store, tmp_path: Path
) -> None:
    run(store, tmp_path, recorder([]), provenance={"run": first} if first else {})
    with pytest.raises(CheckpointError, match=r"run: .*, as when this run began"):
        run(store, tmp_path, recorder([]), provenance={"run": second} if second else {})


@pytest.mark.slow
def test_evaluation_and_threads_may_change(store: Store, tmp_path: Path) -> None:
    run(store, tmp_path, recorder([]))
    assert run(store, tmp_path, recorder([]), evaluation__linear_epochs=4, budget__threads=1).epoch == 4


@pytest.mark.parametrize("stop_at", [2, None])
def test_a_trial_ends_with_the_metrics_of_its_own_split_and_of_the_target(
    stop_at: int | None, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = small_store(tmp_path / "other", count=20, seed=1)
    split, target = small_split(store), TrainEvalSplit(store=other, train=np.arange(4, 20), eval=np.arange(4))
    config = small_config(budget__seed=3)
    seen, scores = {}, {"recognition_top1": 0.25, "transfer_top1": 0.75}
    monkeypatch.setattr(trial, "downstream", lambda encoder, **options: seen.update(options) or scores)
    outcome = run_trial(
        config,
        split=split,
        target=target,
        directory=tmp_path / "run",
        report_epochs={2},
        report=recorder([], stop_at=stop_at),
        device=torch.device("cpu"),
    )
    assert outcome.metrics == scores
    for data, given in ((seen["source"], split), (seen["target"], target)):
        assert data.labels.tolist() == given.store.labels.tolist()
        assert (data.train.tolist(), data.eval.tolist()) == (given.train.tolist(), given.eval.tolist())
        assert data.views.poses.num_frames.tolist() == given.store.num_frames.tolist()
    assert (seen["config"], seen["seed"]) == (config.evaluation, 3)


def test_features_are_computed_once_for_a_report_and_the_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    features = trial.eval_features
    monkeypatch.setattr(trial, "eval_features", lambda *a, **o: calls.append(1) or features(*a, **o))
    monkeypatch.setattr(
        "hico_platform.evaluate.downstream.eval_features", lambda *a, **o: calls.append(2) or features(*a, **o)
    )
    run(store, tmp_path, recorder([]))
    assert calls == [1, 1, 2]  # two reports, and the transfer target


def test_sequences_of_pretraining_alone_are_trained_on_and_never_scored(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = small_split(store)
    few, more = whole.train[:40], whole.train[40:50]
    trained: list[list[int]] = []
    train = TrainingSession.train

    def watched(self: TrainingSession, *, sequences: torch.Tensor, **options: object) -> Iterator[EpochResult]:
        trained.append(sequences.tolist())
        return train(self, sequences=sequences, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(TrainingSession, "train", watched)
    split = TrainEvalSplit(store=store, train=few, eval=whole.eval, pretrain_only=more)
    assert split.eval_data(small_config(), device=torch.device("cpu")).train.tolist() == few.tolist()
    run_trial(small_config(budget__epochs=1), split=split, target=None, directory=tmp_path, report_epochs={1},
              report=lambda report: Decision.CONTINUE, device=torch.device("cpu"))  # fmt: skip
    assert trained == [sorted([*few.tolist(), *more.tolist()])]


def test_where_no_person_is_known_none_is_claimed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert small_split(store).eval_data(small_config(), device=torch.device("cpu")).eval_subjects is not None
    monkeypatch.setattr(trial, "persons", lambda store: np.arange(len(store)))
    assert small_split(store).eval_data(small_config(), device=torch.device("cpu")).eval_subjects is None


def test_a_split_without_labels_is_pretrained_on_and_has_no_metrics(store: Store, tmp_path: Path) -> None:
    nothing = np.zeros(0, np.int64)
    split = TrainEvalSplit(store=store, train=nothing, eval=nothing, pretrain_only=np.arange(20))
    reports: list[EpochReport] = []
    outcome = run_trial(
        small_config(budget__epochs=2),
        split=split,
        target=None,
        directory=tmp_path,
        report_epochs={1, 2},
        report=recorder(reports),
        device=torch.device("cpu"),
    )
    assert [(report.epoch, report.metrics) for report in reports] == [(1, {}), (2, {})]
    assert (outcome.epoch, outcome.metrics) == (2, {})
    assert outcome.checkpoint.is_dir()
