"""Requests from the command line: checked before they are written, and obeyed by whoever drives the search next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands.steer import ask
from hico_platform.home import HomePaths
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.lock import search_lock
from hico_platform.search.requests import Answer, RequestKind
from hico_platform.search.status import search_status
from tests.unit.cli.test_search import controller_of, finished, home

__all__ = ["finished", "home"]


def test_a_search_that_no_driver_has_cannot_be_stopped(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("stop", "pause", "continue"):
        assert main([command, "toy", "--home", str(home)]) == 2
        error = capsys.readouterr().err
        assert "NAME: expected a search that runs, got 'toy, which no driver has'" in error
        assert "hico-platform search --resume --name toy" in error


def test_an_extension_of_a_finished_search_waits_for_its_next_driver(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["extend", "toy", "--trials", "2", "--home", str(home)]) == 0
    out = capsys.readouterr().out
    assert out == (
        "toy: extend by 2 trials: written down; no driver runs it, so it is obeyed by: "
        "hico-platform search --resume --name toy\n"
    )
    ledger = StudyLedger.open(open_storage(sqlite_url(home / "study.db")), name="toy")
    controller = controller_of(ledger, home)
    assert not controller.is_over
    assert ledger.search.limit == 7
    for command in (["status", "toy"], ["show", "toy"]):
        main([*command, "--home", str(home)])
        text = capsys.readouterr().out
        assert "extend by 2 trials (7 trials now, " in text
    main(["show", "toy", "--json", "--home", str(home)])
    (request,) = json.loads(capsys.readouterr().out)["requests"]
    assert (request["count"], request["answer"]["obeyed"]) == (2, True)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("contrast.temperature=0.6", "expected a value of contrast.temperature that is searched, got 0.6; give the"),
        ("contrast.temperature=-1", "--point: contrast.temperature: expected"),
        ("model.encoder=gruu", "--point: model.encoder: expected one of gru, lstm, transformer, got 'gruu'"),
        ("model.layers=2", "expected fields that the search varies, got 'model.layers'; use contrast.temperature"),
        ("contrast.temperature", "--point: expected KEY=VALUE, got 'contrast.temperature'"),
        ("contrast.temperature=010", "expected a number without leading zeros, got '010'"),
        (",", "--point: expected at least one KEY=VALUE; give values of contrast.temperature"),
    ],
)
def test_a_point_outside_of_the_space_is_refused(
    home: Path, point: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add", "toy", "--point", point, "--home", str(home)]) == 2
    assert message in capsys.readouterr().err
    assert search_status(HomePaths(home=home), "toy").requests == ()


def test_epochs_are_kept_and_why(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extend", "toy", "--epochs", "20", "--home", str(home)]) == 2
    error = capsys.readouterr().err
    assert "--epochs: expected the 9 epochs with which toy began: learning rates decay over the whole budget" in error
    assert "start another search with warm_start: [toy]" in error


def test_trials_that_there_are_not_or_no_longer(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with search_lock(home / "searches" / "toy" / "lock", name="toy"):
        assert main(["stop", "toy", "9", "--home", str(home)]) == 2
        assert "TRIAL: expected a trial of toy that has begun, got 9" in capsys.readouterr().err
        assert main(["pause", "toy", "0", "--home", str(home)]) == 2
        assert "TRIAL: expected a trial that has not ended, got '0, which has'" in capsys.readouterr().err


def test_the_answer_is_waited_for(home: Path) -> None:
    ledger = StudyLedger.open(open_storage(sqlite_url(home / "study.db")), name="toy")

    def driver(seconds: float) -> None:
        (request,) = ledger.requests()
        ledger.record_answer(request.key, Answer(obeyed=True, says="the search stops", at_s=1.0))

    with search_lock(home / "searches" / "toy" / "lock", name="toy"):
        asked = ask(HomePaths(home=home), "toy", RequestKind.STOP, patience_s=1.0, sleep=driver)
    assert asked.request.answer is not None
    assert asked.request.answer.says == "the search stops"
