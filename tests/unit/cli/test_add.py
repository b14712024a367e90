from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.home import HomePaths
from hico_platform.search.requests import RequestKind
from hico_platform.search.status import search_status
from tests.unit.cli.steered import Steering, steering

__all__ = ["steering"]


def test_values_are_read_as_yaml_reads_them(steering: Steering, capsys: pytest.CaptureFixture[str]) -> None:
    point = " contrast.temperature = 7e-2,model.encoder=lstm, model.layers=2,,x=true,y=a=b,z=null"
    assert main(["add", "toy", "--point", point, "--wait", "0", "--home", "/h"]) == 0
    values = {
        "contrast.temperature": 0.07,
        "model.encoder": "lstm",
        "model.layers": 2,
        "x": True,
        "y": "a=b",
        "z": None,
    }
    expected = {"home": "/h", "name": "toy", "kind": RequestKind.ADD}
    assert steering.calls == [{**expected, "values": values, "patience_s": 0.0}]
    assert [type(value) for value in steering.calls[0]["values"].values()] == [float, str, int, bool, str, type(None)]
    assert capsys.readouterr().out.startswith("toy: add contrast.temperature=0.07, model.encoder=lstm, model.layers=2")


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("contrast.temperature", "--point: expected KEY=VALUE, got 'contrast.temperature'; "
         "write such as contrast.temperature=0.07"),
        (" =1", "--point: expected KEY=VALUE, got '=1'; write such as contrast.temperature=0.07"),
        ("contrast.temperature=010", "--point: contrast.temperature: expected a number without leading zeros, got "
         "'010'; write 10, 0o10 for the octal number 8, or quote it for a text"),
        ("model.layers=2,contrast.temperature=", "--point: contrast.temperature: expected a value; "
         "leave the field out for that of the base"),
        ("a=1, a =2", "--point: a: expected one value, got '2 after 1'; give the field once"),
    ],
)  # fmt: skip
def test_what_is_no_point(point: str, message: str, steering: Steering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add", "toy", "--point", point, "--home", "/h"]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert steering.calls == []


def test_a_point_outside_of_the_space_is_not_written_down(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add", "toy", "--point", "contrast.temperature=0.6", "--home", str(home)]) == 2
    message = "expected a value of contrast.temperature that is searched, got 0.6; give the"
    assert message in capsys.readouterr().err
    assert search_status(HomePaths(home=home), "toy").requests == ()
