from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.enums import Decision
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import Ending, ReportRecord, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.warm_start import warm_points, warm_points_at
from tests.toy import FACTS, toy_space


def report(epoch: int, value: float) -> ReportRecord:
    return ReportRecord(
        epoch=epoch, value=value, metrics={}, history=(), decision=Decision.CONTINUE, checkpoint=Path("c"), at_s=0.0
    )


def test_whole_trials_come_before_higher_scores_of_stopped_ones() -> None:
    storage, space = open_storage("memory:"), toy_space()
    ledger = StudyLedger.create(storage, name="earlier", space=space, facts=FACTS, limit=9, at_s=0.0)
    values = []
    for epoch, value, state in (
        (1, 0.9, TrialState.PRUNED),
        (9, 0.4, TrialState.COMPLETE),
        (9, 0.5, TrialState.COMPLETE),
        (3, 0.3, TrialState.FAILED),
        (3, 0.2, TrialState.PRUNED),
    ):
        trial = ledger.begin(space, at_s=0.0)
        values.append(trial.values)
        ledger.record_report(trial.number, report(epoch, value))
        ledger.record_ending(trial.number, Ending(state=state, epoch=epoch, at_s=1.0))
    assert warm_points(storage, ["earlier"]) == [values[2], values[1], values[4]]
    with pytest.raises(
        UsageError, match=r"warm_start: expected names of searches, got 'none'; choose among the searches here: earlier"
    ):
        warm_points(storage, ["earlier", "none"])


def test_a_home_without_searches(tmp_path: Path) -> None:
    space = toy_space(warm_start=["earlier"])
    with pytest.raises(UsageError, match=r"warm_start: expected names of searches, got 'earlier'; give .* none yet at"):
        warm_points_at(HomePaths(home=tmp_path), space)
    assert warm_points_at(HomePaths(home=tmp_path), toy_space()) == []
    assert not list(tmp_path.iterdir())


def test_a_dry_run_finds_the_missing_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["search", "--space", "queue", "--set", "warm_start=[nothing]", "--home", str(tmp_path)]
    assert main([*command, "--dry-run"]) == 2
    assert "warm_start: expected names of searches, got 'nothing'" in capsys.readouterr().err
