from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from hico_platform.ops.cuda import _trust_triton_cache


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRITON_CACHE_DIR", "TRITON_HOME"):
        monkeypatch.setenv(name, "")  # so that what is set meanwhile is undone
        monkeypatch.delenv(name)


@pytest.mark.parametrize("variable", ["TRITON_CACHE_DIR", "TRITON_HOME"])
def test_a_cache_that_others_can_write_to_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv(variable, str(shared))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        _trust_triton_cache()
    used = Path(os.environ["TRITON_CACHE_DIR"])
    assert used.parent == tmp_path
    assert used.stat().st_mode & 0o777 == 0o700
    assert f"chmod go-w {shared}" in caplog.text


def test_the_usual_cache_is_made_closed_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_HOME", str(tmp_path))
    _trust_triton_cache()
    assert "TRITON_CACHE_DIR" not in os.environ
    assert (tmp_path / ".triton" / "cache").stat().st_mode & 0o777 == 0o700
