from __future__ import annotations

import logging
import shutil
import stat
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from hico_platform.monitoring.textfile import MetricsFile


def test_the_file_is_whole_readable_and_has_the_last_state(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("hico_a", "A.", registry=registry)
    file = tmp_path / "hico.prom"
    file.symlink_to(tmp_path / "elsewhere")
    written = MetricsFile(registry, file)
    assert not file.is_symlink(), "a link that another account made is replaced, not followed"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    gauge.set(5)
    written.close()
    assert "hico_a 5.0\n" in file.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["hico.prom"]


def test_a_folder_that_goes_away_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "textfiles"
    folder.mkdir()
    written = MetricsFile(CollectorRegistry(), folder / "hico.prom", every_s=0.01)
    folder.rename(tmp_path / "gone")
    with caplog.at_level(logging.WARNING):
        while not caplog.records:
            pass
        written.close()
    shutil.rmtree(tmp_path / "gone")
    assert len(caplog.records) == 1
    with pytest.raises(OSError, match="No such file"):
        MetricsFile(CollectorRegistry(), folder / "hico.prom")
