from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.data.layout import KINECT_V1
from hico_platform.data.store import Store
from tests.unit.data.test_map_layout import store


def test_a_store_is_mapped_and_what_joints_are_made_of_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path / "v2", None)
    words = ["data", "map", str(tmp_path / "v2"), "--home", str(tmp_path / "home"), "--layout"]
    assert main([*words, "ucla", "--out", str(tmp_path / "v1")]) == 0
    assert "shoulder_centre      from spine_shoulder" in capsys.readouterr().out
    assert Store.open(tmp_path / "v1").layout == KINECT_V1
    assert main([*words, "common-15", "--out", str(tmp_path / "common"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["joints"]["head"] == ["head"]
    assert main([*words, "azure-kinect", "--out", str(tmp_path / "azure")]) == 3
    assert "'clavicle_left'" in capsys.readouterr().err
    assert not (tmp_path / "azure").exists()
