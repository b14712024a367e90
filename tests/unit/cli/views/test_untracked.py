from __future__ import annotations

import pytest

from hico_platform.cli.views.untracked import warn_untracked


def test_what_the_store_lacks_is_said_in_one_safe_line(capsys: pytest.CaptureFixture[str]) -> None:
    warn_untracked(None)
    assert capsys.readouterr() == ("", "")
    warn_untracked("no route\nto \x1b[2Jhost")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "warning: MLflow does not have it (no route to ?[2Jhost); the next driver of the search copies it\n"
    )
