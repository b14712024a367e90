from __future__ import annotations

import json

import pytest

from hico_platform.cli.main import main
from hico_platform.config.json_schema import space_schema


def test_the_schema_is_printed_as_an_editor_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == json.loads(json.dumps(space_schema()))
    assert printed.err == ""
