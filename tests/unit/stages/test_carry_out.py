from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from hico_platform.pretrain import guards
from hico_platform.search.task import TrialTask
from hico_platform.stages.carry_out import TrialData, carry_out, untrained_scores
from hico_platform.trial import EpochReport
from hico_platform.vocabulary import Decision
from tests.small import small_config, small_fold, small_store


class LivingReport:
    """What a worker passes in: it keeps the signs of life, and where among them a report came."""

    def __init__(self) -> None:
        self.signs: list[int | str | None] = []

    def __call__(self, said: EpochReport) -> Decision:
        self.signs.append("report")
        return Decision.CONTINUE

    def alive(self, *, epoch: int | None = None) -> None:
        self.signs.append(epoch)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    fold = small_fold(small_store(tmp_path_factory.mktemp("data") / "store"))
    folds = SimpleNamespace(folds=lambda: (fold, fold), final=False, source=SimpleNamespace(protocol="xsub"))
    return cast(TrialData, folds)


def task(folder: Path) -> TrialTask:
    return TrialTask(
        number=0, config=small_config(budget__epochs=2), directory=folder, report_epochs=(2,), cpus=1, gpus=0
    )


def test_the_work_itself_gives_signs_of_life(data: TrialData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "LOOK_EVERY_S", 0.0)
    report = LivingReport()
    carry_out(task(tmp_path), report, data=data)
    assert [sign for sign in report.signs if sign is not None] == [1, 2, "report"]
    first, second, told = (report.signs.index(sign) for sign in (1, 2, "report"))
    assert first > 2, "before the first epoch and within it"
    assert second > first + 1, "within the second"
    assert told > second + 1, "while it is validated"
    assert len(report.signs) > told + 2, "while it is evaluated downstream"


def test_so_does_the_untrained_encoder(data: TrialData, tmp_path: Path) -> None:
    report = LivingReport()
    untrained_scores(task(tmp_path), report, data=data)
    assert len(report.signs) > 2


def test_a_plain_function_to_report_by_will_do(data: TrialData, tmp_path: Path) -> None:
    assert carry_out(task(tmp_path), lambda said: Decision.CONTINUE, data=data).epoch == 2
