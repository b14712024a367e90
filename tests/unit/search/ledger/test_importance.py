from __future__ import annotations

import random
from pathlib import Path

import pytest

from hico_platform.enums import Decision
from hico_platform.search.ledger.base import ReportRecord
from hico_platform.search.ledger.importance import parameter_importance
from hico_platform.search.ledger.optuna_ledger import Storage, StudyLedger, open_storage
from tests.toy import FACTS, score, toy_space

SPACE = toy_space(trials=40, sampler={"name": "random"})


@pytest.fixture
def storage() -> Storage:
    return open_storage("memory:")


def begin(storage: Storage, *, trials: int, epochs: tuple[int, ...] = (1,)) -> None:
    """Trials whose score depends on the temperature alone; every second one reports at the first epoch alone."""
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=trials, at_s=0.0)
    noise = random.Random(0)
    for number in range(trials):
        trial = ledger.begin(SPACE, at_s=0.0)
        for epoch in epochs if number % 2 == 0 else epochs[:1]:
            value = score(float(trial.values["contrast.temperature"]), epoch) + 1e-6 * noise.random()
            ledger.record_report(
                number,
                ReportRecord(
                    epoch=epoch, value=value, metrics={}, history=(), decision=Decision.CONTINUE,
                    checkpoint=Path("c"), at_s=0.0,
                ),
            )  # fmt: skip


def test_the_parameter_on_which_scores_depend_comes_first(storage: Storage) -> None:
    begin(storage, trials=40)
    found = parameter_importance(storage, name="toy")
    assert found is not None
    shares, epoch, count = found
    assert (epoch, count) == (1, 40)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["contrast.temperature"] > 0.8


def test_scores_are_compared_at_the_epoch_that_most_trials_reached(storage: Storage) -> None:
    begin(storage, trials=20, epochs=(1, 9))
    found = parameter_importance(storage, name="toy")
    assert found is not None
    assert found[1:] == (1, 20)


@pytest.mark.parametrize("trials", [0, 3])
def test_too_few_trials_have_no_importance(storage: Storage, trials: int) -> None:
    begin(storage, trials=trials)
    assert parameter_importance(storage, name="toy") is None
