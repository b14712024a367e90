"""A search trains its own trials: checkpoints of other searches, deleted or not, are never taken over."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.ledger.optuna_ledger import sqlite_url
from tests.e2e.test_search import epochs_trained, finish, start, trials_of
from tests.toy import score

pytestmark = pytest.mark.e2e

TRIALS = 4


def check_own_scores(trials: tuple[TrialRecord, ...]) -> None:
    assert len(trials) == TRIALS
    for trial in trials:
        assert trial.value == score(float(trial.values["contrast.temperature"]), trial.epoch)


def test_a_new_search_under_the_name_of_a_deleted_one_trains_its_trials(tmp_path: Path) -> None:
    finish(start(tmp_path, trials=TRIALS))
    check_own_scores(trials_of(tmp_path))
    optuna.delete_study(study_name="toy", storage=sqlite_url(tmp_path / "study.db"))
    finish(start(tmp_path, trials=TRIALS, log=True, space={"sampler": {"name": "random", "seed": 1}}))
    check_own_scores(trials_of(tmp_path))
    # The same name in another database of one home.
    other = sqlite_url(tmp_path / "other.db")
    finish(start(tmp_path, trials=TRIALS, storage=other, space={"sampler": {"name": "random", "seed": 2}}))
    check_own_scores(trials_of(tmp_path, other))
    log = (tmp_path / "log").read_text().splitlines()
    for trial in trials_of(tmp_path):
        assert epochs_trained(log, trial.number) == list(range(1, trial.epoch + 1))


def test_a_home_that_was_moved_goes_on_from_its_checkpoints(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    finish(start(one, trials=2))
    one.rename(other)
    finish(start(other, trials=TRIALS, resume=True))
    check_own_scores(trials_of(other))
    assert not one.exists()
    assert all(trial.ending is not None and trial.ending.checkpoint for trial in trials_of(other))
