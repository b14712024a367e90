from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.data.layout import Layout
from hico_platform.data.layouts import LAYOUTS


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "layouts"]) == 0
    said = capsys.readouterr().out
    assert "kinect-v1      20 joints, centre spine (also ucla)" in said
    assert "coco           17 joints, centre the midpoint of hip_left and hip_right" in said
    assert main(["data", "layouts", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in listed] == [*LAYOUTS]
    assert all(one["source"] for one in listed)


def test_one_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "layouts", "coco", "--draw", str(tmp_path / "coco.png")]) == 0
    said = capsys.readouterr().out
    assert "   5  shoulder_left        parent   0 nose" in said
    assert "   0  nose                 root" in said
    assert "z_axis  from the midpoint of hip_left and hip_right to the midpoint of shoulder_left and shoulder" in said
    assert (tmp_path / "coco.png").exists()


def test_its_json_is_a_layout_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "layouts", "openpose-18", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert Layout.from_plain({key: plain[key] for key in LAYOUTS["coco"].as_plain()}) == LAYOUTS["openpose-18"]
    (tmp_path / "mine.yaml").write_text(json.dumps({key: plain[key] for key in LAYOUTS["coco"].as_plain()}))
    assert main(["data", "layouts", str(tmp_path / "mine.yaml")]) == 0
    assert "openpose-18: 18 joints" in capsys.readouterr().out


def test_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "layouts", "octopus"]) == 2
    assert "layout: expected one of kinect-v2, " in capsys.readouterr().err
    assert main(["data", "layouts", "--draw", str(tmp_path / "x.png")]) == 2
    assert "draw: expected the layout to draw; name one beside it" in capsys.readouterr().err
