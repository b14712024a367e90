from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hico_platform.cli.main import main
from tests.unit.commands.trained import PROTOCOL, trained_in


@pytest.mark.slow
def test_features_are_written_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HICO_HOME", str(tmp_path / "home"))
    trained = trained_in(tmp_path)
    words = ["features", "--checkpoint", str(trained.run("run")), "--data", str(trained.store.directory)]
    words += ["--protocol", PROTOCOL, "--split", "test", "--out", str(tmp_path / "f.parquet")]
    assert main(words) == 0
    count = len(pq.read_table(tmp_path / "f.parquet"))
    assert capsys.readouterr().out == f"{tmp_path}/f.parquet: {count} sequences, 128 numbers each\n"
    assert main(words) == 2
    assert "out: expected a path where nothing is yet" in capsys.readouterr().err
    assert main([*words[:-1], str(tmp_path / "g.parquet"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["sequences"], found["feature_width"], found["split"]) == (count, 128, "test")
