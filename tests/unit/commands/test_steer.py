"""Requests from the command line: checked before they are written, and obeyed by whoever drives the search next."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands.steer import ask, check_point
from hico_platform.config.scalars import Scalar
from hico_platform.errors import HicoError
from hico_platform.home import HomePaths
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.lock import search_lock
from hico_platform.search.requests import Answer, RequestKind
from tests.toy import toy_space
from tests.unit.cli.test_search import SPACE, controller_of


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
    ("values", "message"),
    [
        ({"contrast.temperature": 0.6}, "expected a value of contrast.temperature that is searched, got 0.6; give the"),
        ({"contrast.temperature": -1}, "--point: contrast.temperature: expected"),
        ({"model.encoder": "gruu"}, "--point: model.encoder: expected one of gru, lstm, transformer, got 'gruu'"),
        ({"model.layers": 2}, "expected fields that the search varies, got 'model.layers'; use contrast.temperature"),
        ({}, "--point: expected at least one KEY=VALUE; give values of contrast.temperature, model.encoder"),
    ],
)
def test_a_point_outside_of_the_space_is_refused(values: dict[str, Scalar], message: str) -> None:
    with pytest.raises(HicoError, match=re.escape(message)) as caught:
        check_point(SPACE, values)
    assert caught.value.exit_code == 2


def test_null_is_a_value_where_it_is_among_the_choices() -> None:
    space = toy_space(search={"optimiser.clip_gradient_norm": {"choice": [None, 1.0]}})
    check_point(space, {"optimiser.clip_gradient_norm": None})  # type: ignore[dict-item]
    with pytest.raises(HicoError, match=r"--point: contrast\.temperature: expected"):
        check_point(SPACE, {"contrast.temperature": None})  # type: ignore[dict-item]


def test_a_point_inside_of_the_space_may_leave_fields_to_the_base() -> None:
    check_point(SPACE, {"model.encoder": "lstm"})
    check_point(SPACE, {"model.encoder": "gru", "contrast.temperature": 0.05})


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
