from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.cli.main import main


def test_an_archived_search_is_hidden_until_that_is_undone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--home", str(home)]
    for undo, said, shown in (
        ([], "toy: archived; list --all shows it\n", False),
        (["--undo"], "toy: in lists again\n", True),
    ):
        assert main(["archive", "toy", *undo, *words]) == 0
        assert capsys.readouterr().out == said
        main(["list", *words])
        assert ("finished" in capsys.readouterr().out) == shown
        main(["list", "--all", *words])
        assert ("finished" if shown else "archived") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"), [("toi", "choose among the searches here: toy"), ("a/b", "NAME: expected a name of letters")]
)
def test_refusals(home: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", name, "--home", str(home)]) == 2
    assert message in capsys.readouterr().err
