from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint
from hico_platform.data.store import Store
from hico_platform.trial import Decision, EpochReport, TrialOutcome, run_trial
from tests.small import small_config, small_fold, small_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store")


class Cut(Exception):
    """Stands for a kill."""


def run(store: Store, directory: Path, report: Callable[[EpochReport], Decision], *, epochs: int = 4) -> TrialOutcome:
    fold = small_fold(store)
    return run_trial(
        small_config(budget__epochs=epochs),
        fold=fold,
        target=fold,
        directory=directory,
        report_epochs={2, 4},
        report=report,
        device=torch.device("cpu"),
    )


def recorder(reports: list[EpochReport], *, stop_at: int | None = None, cut_at: int | None = None):
    def report(said: EpochReport) -> Decision:
        if said.epoch == cut_at:
            raise Cut
        reports.append(said)
        return Decision.STOP if said.epoch == stop_at else Decision.CONTINUE

    return report


def test_reports_validation_knn_with_every_epoch_and_a_checkpoint(store: Store, tmp_path: Path) -> None:
    reports: list[EpochReport] = []
    outcome = run(store, tmp_path, recorder(reports))
    assert [said.epoch for said in reports] == [2, 4]
    assert [[epoch for epoch, _ in said.history] for said in reports] == [[1, 2], [3, 4]]
    assert set(reports[0].history[0][1]) == {
        "loss", "loss_clip", "loss_part", "loss_domain", "loss_instance", "sequences_per_s",
    }  # fmt: skip
    assert load_checkpoint(reports[1].checkpoint).epoch == 4
    assert (outcome.epoch, outcome.stopped_early) == (4, False)
    assert outcome.checkpoint == reports[1].checkpoint
    assert outcome.metrics["knn_top1"] == reports[1].metrics["knn_top1"] == outcome.metrics["retrieval_top1"]


def test_a_stopped_trial_is_evaluated_downstream(store: Store, tmp_path: Path) -> None:
    reports: list[EpochReport] = []
    outcome = run(store, tmp_path, recorder(reports, stop_at=2))
    assert (outcome.epoch, outcome.stopped_early) == (2, True)
    assert {"knn_top1", "recognition_top1", "retrieval_map", "transfer_top1"} <= set(outcome.metrics)


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

    def losses(said: EpochReport) -> list[tuple[int, float]]:
        return [(epoch, values["loss"]) for epoch, values in said.history]

    assert [(said.epoch, said.metrics, losses(said)) for said in reports] == [
        (said.epoch, said.metrics, losses(said)) for said in whole
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
