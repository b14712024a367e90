from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import encoder as encoder_module
from hico_platform.export import onnx_file


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was asked for, of a model that is read and a file that is written without either."""
    calls: list[object] = []

    def load(source: object, **more: object) -> str:
        calls.append((str(source), more))
        return "encoder"

    def write(encoder: object, file: Path) -> float:
        calls.append((encoder, file))
        return 2.5e-7

    monkeypatch.setattr(onnx_file, "check_onnx_packages", lambda: None)
    monkeypatch.setattr(encoder_module, "load_encoder", load)
    monkeypatch.setattr(onnx_file, "write_onnx", write)
    return calls


def test_a_registered_model_is_written_and_how_far_it_is_off_is_said(
    asked: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.onnx"
    words = ["export-onnx", "--model", "x@champion", "--out", str(out), "--home", str(tmp_path)]
    assert main([*words, "--tracking", "http://host"]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: features differ from PyTorch's by at most 2.5e-07 (")
    assert main([*words, "--tracking", "http://host", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(out), "largest_difference": 2.5e-7}
    assert asked == [("models:/x@champion", {"tracking": "http://host"}), ("encoder", out)] * 2


def test_without_a_store_nothing_is_read(
    asked: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    words = ["export-onnx", "--model", "x@champion", "--out", str(tmp_path / "a.onnx"), "--home", str(tmp_path)]
    assert main(words) == 2
    assert "--model: expected a model of a tracking store" in capsys.readouterr().err
    assert asked == []
