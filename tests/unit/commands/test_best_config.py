"""The best configuration as a file: the commands that train take it, and it is the trial's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands.best_config import best_config
from hico_platform.config.schema import parse
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import parse_yaml, read_yaml
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from tests.toy import FACTS
from tests.unit.cli.test_search import SPACE


def test_it_is_read_back_as_the_trial_s_configuration(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = best_config(HomePaths(home=home), "toy")
    assert found.status.best == found.trial
    assert main(["best", "toy", "--home", str(home)]) == 0
    file = home / "best.yaml"
    file.write_text(capsys.readouterr().out)
    assert parse(TrialConfig, read_yaml(file)) == found.config
    assert file.read_text().startswith(f"# trial {found.trial.number} of the search toy, its best: knn_top1 0.")


def test_another_trial(home: Path) -> None:
    found = best_config(HomePaths(home=home), "toy", trial=4)
    assert parse(TrialConfig, parse_yaml(found.as_yaml())) == SPACE.config(found.trial.values)
    assert ", its best" not in found.as_yaml()
    with pytest.raises(UsageError, match="the number of a trial of toy, got 9; give one of 0 to 4"):
        best_config(HomePaths(home=home), "toy", trial=9)


def test_before_any_report_there_is_none(tmp_path: Path) -> None:
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
    with pytest.raises(UsageError, match="a search with a trial that has reported"):
        best_config(HomePaths(home=tmp_path), "toy")
