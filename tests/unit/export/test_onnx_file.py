from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.errors import HicoError, UsageError
from hico_platform.export import onnx_file
from hico_platform.export.folder import load_encoder
from tests.exported import small_export


def test_without_its_packages_the_remedy_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    encoder = load_encoder(small_export(tmp_path / "encoder"))
    with pytest.raises(
        UsageError, match=r"got 'no onnx, onnxruntime'; install them: pip install 'hico-platform\[onnx\]'"
    ):
        onnx_file.write_onnx(encoder, tmp_path / "a.onnx")
    words = ["export-onnx", "--model", str(tmp_path / "encoder"), "--out", str(tmp_path / "a.onnx")]
    assert main([*words, "--home", str(tmp_path / "home")]) == 2
    assert "install them" in capsys.readouterr().err
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_a_file_is_written_once_it_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = load_encoder(small_export(tmp_path / "encoder"))
    file = tmp_path / "a.onnx"
    monkeypatch.setattr(onnx_file, "MOST_DIFFERENCE", 1e-12)
    with pytest.raises(HicoError, match="expected a graph whose features are within"):
        onnx_file.write_onnx(encoder, file)
    assert not file.exists()
    monkeypatch.undo()
    assert onnx_file.write_onnx(encoder, file) <= 1e-5
    assert main(["export-onnx", "--model", str(tmp_path / "encoder"), "--out", str(file), "--home", str(tmp_path)]) == 0
    assert f"{file}: features differ from PyTorch's by at most" in capsys.readouterr().out
