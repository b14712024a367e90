from __future__ import annotations

import json
from typing import Any

import pytest

from hico_platform.cli.main import load_command
from hico_platform.cli.parser import parser_of
from hico_platform.cli.steer_options import print_asked
from hico_platform.commands.steer import Asked
from hico_platform.errors import UsageError
from hico_platform.search.requests import Answer
from tests.unit.cli.steered import request

OBEYED = Answer(obeyed=True, says="3 trials\x1b[2J go on", at_s=2.0, driver="gpu-1:7")
REFUSED = Answer(obeyed=False, says="no trial waits", at_s=2.0)


@pytest.mark.parametrize(
    ("answer", "has_driver", "said", "code"),
    [
        (OBEYED, True, "toy: stop: 3 trials?[2J go on", 0),
        (REFUSED, True, "toy: stop: no trial waits", 1),
        (None, True, "toy: stop: written down; the driver has not answered yet", 0),
        (None, False, "toy: stop: written down; no driver runs it, so it is obeyed by: "
         "hico-platform search --resume --name toy", 0),
    ],
)  # fmt: skip
def test_what_became_of_a_request(
    answer: Answer | None, has_driver: bool, said: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked(request=request(answer=answer), has_driver=has_driver)
    assert print_asked(asked, "toy", as_json=False) == code
    assert capsys.readouterr().out == f"{said}\n"
    assert print_asked(asked, "toy", as_json=True) == code
    plain = json.loads(capsys.readouterr().out)
    kept: dict[str, Any] = {"key": "1", "kind": "stop", "by": "ann", "host": "desk", "at_s": 0.0, "trial": None}
    said_back = None if answer is None else {
        "obeyed": answer.obeyed, "says": answer.says, "at_s": answer.at_s, "driver": answer.driver
    }  # fmt: skip
    assert plain == {**kept, "values": {}, "count": 0, "answer": said_back}


@pytest.mark.parametrize("command", ["stop", "pause", "continue"])
def test_the_options(command: str) -> None:
    parser = parser_of(command, load_command(command))
    default = parser.parse_args(["toy"])
    assert (default.wait, default.json, default.storage, default.tracking) == (10.0, False, None, None)
    given = parser.parse_args(["toy", "--wait", "1.5", "--json", "--storage", "sqlite:///x.db"])
    assert (given.wait, given.json, given.storage) == (1.5, True, "sqlite:///x.db")
    with pytest.raises(UsageError, match="--wait: expected a number, got 'long'"):
        parser.parse_args(["toy", "--wait", "long"])
