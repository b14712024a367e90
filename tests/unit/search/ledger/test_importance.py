from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from hico_platform.config.space import CheckedSpace, check
from hico_platform.config.yaml_loader import Document
from hico_platform.enums import Decision
from hico_platform.search.ledger.base import ReportRecord, TrialRecord
from hico_platform.search.ledger.importance import named_importance, parameter_importance
from hico_platform.search.ledger.memory import MemoryLedger
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


def weighted(trials: int) -> tuple[CheckedSpace, tuple[TrialRecord, ...]]:
    """Trials of a space of level weights whose score is the last weight, which no coordinate of the sampler is."""
    space = check(
        Document(
            file=None,
            data={
                "name": "weights",
                "search": {
                    "contrast": {
                        "level_weights": {"simplex": ["clip", "part", "domain", "instance"], "sum": 4},
                        "temperature": {"low": 0.05, "high": 0.5, "log": True},
                    }
                },
                "trials": trials,
            },
        )
    )
    ledger = MemoryLedger(name="weights", space=space, facts=FACTS, limit=trials, at_s=0.0)
    for number in range(trials):
        value = float(ledger.begin(space, at_s=0.0).values["contrast.level_weights.instance"]) / 4
        report = ReportRecord(
            epoch=1, value=value, metrics={}, history=(), decision=Decision.CONTINUE, checkpoint=Path("c"), at_s=0.0
        )
        ledger.record_report(number, report)
    return space, ledger.trials()


def test_weights_count_under_the_names_that_people_gave_them() -> None:
    space, trials = weighted(60)
    found = named_importance(trials, space, draws=3)
    assert found is not None
    assert next(iter(found.shares)) == "contrast.level_weights.instance"
    assert set(found.shares) == {
        f"contrast.level_weights.{part}" for part in ("clip", "part", "domain", "instance")
    } | {"contrast.temperature"}
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.shares["contrast.level_weights.instance"] > 0.5
    assert (found.epoch, found.trials, found.draws) == (1, 60, 3)
    assert found.errors.keys() == found.shares.keys()
    assert all(error >= 0 for error in found.errors.values())


def test_ranges_by_name_are_optunas_own_answer(storage: Storage) -> None:
    """Without a simplex the fields are the coordinates, and both ways ask the same evaluator."""
    begin(storage, trials=40)
    ledger = StudyLedger.open(storage, name="toy")
    found, old = named_importance(ledger.trials(), SPACE, draws=0), parameter_importance(storage, name="toy")
    assert found is not None
    assert old is not None
    assert dict(found.shares) == pytest.approx(old[0])
    assert found.errors == {}


def test_nothing_is_said_of_the_study_that_the_evaluator_needs() -> None:
    space, trials = weighted(8)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    named_importance(trials, space, draws=0)
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING


def test_few_or_equal_trials_have_none_by_name_either() -> None:
    space, trials = weighted(5)
    assert named_importance(trials[:3], space) is None
    assert named_importance((), space) is None


def test_values_outside_of_a_space_that_was_narrowed_are_kept() -> None:
    space, trials = weighted(12)
    outside = [replace(trial, values={**trial.values, "contrast.temperature": 0.9}) for trial in trials[:2]]
    assert named_importance([*outside, *trials[2:]], space, draws=0) is not None


def test_scikit_learn_is_not_imported_for_a_page_and_can_be_afterwards() -> None:
    code = """
import sys
from hico_platform.search.ledger.importance import import_without_forests
import_without_forests()
from optuna.importance import PedAnovaImportanceEvaluator
assert "sklearn" not in sys.modules
import sklearn.ensemble
"""
    subprocess.run([sys.executable, "-c", code], check=True)
