from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hico_platform.cli.main import main
from tests.unit.data.normalise.recordings import recorded, turned
from tests.unit.data.test_importing import make_manifest


def prepare(raw: Path, out: Path, *more: str) -> int:
    words = ["data", "prepare", "--format", "manifest", "--raw", str(raw), "--out", str(out), "--workers", "1"]
    return main([*words, *more])


@pytest.mark.slow
def test_prepare_info_and_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = make_manifest(tmp_path / "raw", 12)
    np.save(raw / "r5.npy", np.ones((3, 24, 3)))
    assert prepare(raw, tmp_path / "out") == 0
    said = capsys.readouterr()
    assert "read 12, kept 11, skipped 1, left out 0" in said.out
    assert "r5.npy: expected an array (T, 25, 3)" in said.out
    assert "reading: 12 of 12 (100%)" in said.err

    assert main(["data", "info", str(tmp_path / "out"), "--draw", str(tmp_path / "out.png")]) == 0
    said = capsys.readouterr()
    assert "raw: 11 sequences, 4 classes, layout kinect-v2" in said.out
    assert "protocol  odd-subjects: train:" in said.out
    assert "protocol  given does not fit: there is no metadata column split\n" in said.out
    assert (tmp_path / "out.png").exists()

    assert main(["data", "verify", str(tmp_path / "out")]) == 0
    assert "sound" in capsys.readouterr().out


def test_a_recording_that_is_not_upright_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of generated people who face another way each, the released turns bring some down, and upright brings none."""
    raw = tmp_path / "raw"
    raw.mkdir()
    headings = range(0, 360, 20)
    for heading_deg in headings:
        np.save(raw / f"{heading_deg}.npy", recorded() @ turned(heading_deg, 1).T)
    (raw / "manifest.csv").write_text("path,label\n" + "".join(f"{heading_deg}.npy,0\n" for heading_deg in headings))
    for method, said in (
        ("released", "poses     normalised as released, 2 over 45 degrees off the vertical"),
        ("upright", "poses     normalised as upright, all upright"),
        ("yaw", "poses     normalised as yaw, all upright"),
        ("centre", "poses     normalised as centre, all upright"),
    ):
        assert prepare(raw, tmp_path / method, "--normalisation", method) == 0
        capsys.readouterr()
        assert main(["data", "info", str(tmp_path / method)]) == 0
        assert said in capsys.readouterr().out
    assert main(["data", "info", "--json", str(tmp_path / "released")]) == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["normalisation"], described["tilted"]) == ("released", 2)
    assert prepare(raw, tmp_path / "out", "--normalisation", "sideways") == 2
    rule = "expected one of released, upright, yaw, centre, image"
    assert f"--normalisation: {rule}, got 'sideways'" in capsys.readouterr().err


def test_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = make_manifest(tmp_path / "raw", 12)
    np.save(raw / "r5.npy", np.ones((3, 24, 3)))
    assert prepare(raw, tmp_path / "out", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["read"], report["kept"], report["skipped"]) == (12, 11, 1)
    assert report["problems"][0]["file"] == str(raw / "r5.npy")
    assert main(["data", "info", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sequences"] == 11
    assert main(["data", "verify", f"file://{tmp_path / 'out'}", "--json", "--home", str(tmp_path / "home")]) == 0
    assert json.loads(capsys.readouterr().out) == {"sound": True, "problems": []}
    assert list((tmp_path / "home" / "cache").iterdir())


def half_labelled(folder: Path, count: int = 24) -> Path:
    """A manifest with names for labels, which half of the recordings of each subject lack."""
    raw = make_manifest(folder, count)
    first, *rows = (raw / "manifest.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    named = [[path, "" if i // 12 % 2 else ["sit", "walk", "run", "jump"][int(label)], *more]
             for i, (path, label, *more) in enumerate(cells)]  # fmt: skip
    (raw / "manifest.csv").write_text("\n".join([first, *map(",".join, named)]) + "\n")
    return raw


def test_labels_as_names_come_out_as_class_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(half_labelled(tmp_path / "raw"), tmp_path / "out") == 0
    assert "12 of 24 kept have no label: pretraining uses them, evaluation does not" in capsys.readouterr().out
    assert main(["data", "info", str(tmp_path / "out"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["sequences"], said["unlabelled"]) == (24, 12)
    assert said["classes"] == {"jump": 3, "run": 3, "sit": 3, "walk": 3}
    assert main(["data", "info", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "raw: 24 sequences (12 of them unlabelled), 4 classes" in said
    assert "classes   jump: 3, run: 3, sit: 3, walk: 3; 12 sequences without a label" in said
    assert main(["data", "verify", str(tmp_path / "out")]) == 0


def test_a_list_names_the_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, names = make_manifest(tmp_path / "raw", 12), tmp_path / "names.txt"
    names.write_text("sit\nwalk\nrun\njump\n")
    assert prepare(raw, tmp_path / "out", "--class-names", str(names), "--json") == 0
    assert json.loads(capsys.readouterr().out)["unlabelled"] == 0
    assert main(["data", "info", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == {"sit": 3, "walk": 3, "run": 3, "jump": 3}
    names.write_text("sit\nwalk\nsit\n")
    assert prepare(raw, tmp_path / "other", "--class-names", str(names)) == 3
    assert "names.txt:3: class-names: expected a name that no other class has" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_bad_data_exits_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = make_manifest(tmp_path / "raw", 12)
    np.save(raw / "r5.npy", np.ones((3, 24, 3)))
    assert prepare(raw, tmp_path / "out", "--strict") == 3
    assert "error: " in capsys.readouterr().err
    assert prepare(raw, tmp_path / "out") == 0
    assert prepare(raw, tmp_path / "out") == 3
    with (tmp_path / "out" / "pose.arrow").open("r+b") as file:
        file.seek(4000)
        file.write(b"\x00\x01\x02")
    capsys.readouterr()
    assert main(["data", "verify", str(tmp_path / "out")]) == 3
    assert "digest" in capsys.readouterr().err
    assert main(["data", "info", str(tmp_path / "nothing")]) == 3


def test_an_interruption_exits_with_130_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = make_manifest(tmp_path / "raw", 40)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("hico_platform.cli.views.progress_line.ProgressLine.__call__", interrupt)
        assert prepare(raw, tmp_path / "out") == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    assert prepare(raw, tmp_path / "out") == 0
    assert "went on from 32 that an earlier run had read" in capsys.readouterr().out


def test_a_layout_is_chosen_and_said_and_the_bodies_are_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = make_manifest(tmp_path / "raw", 6)
    assert prepare(raw, tmp_path / "out") == 0
    assert "layout kinect-v2 (none was named; its bones fit), body height 1.7" in capsys.readouterr().out
    assert main(["data", "info", str(tmp_path / "out")]) == 0
    assert "body      height 1.7" in capsys.readouterr().out
    for file in raw.glob("*.npy"):
        np.save(file, 1000 * np.load(file))
    assert prepare(raw, tmp_path / "mm") == 3
    assert "give --unit mm" in capsys.readouterr().err
    assert prepare(raw, tmp_path / "mm", "--unit", "mm") == 0
    assert prepare(raw, tmp_path / "none", "--accept-implausible", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["body"]["height_m"] == pytest.approx(1700, rel=0.01)
    for file in raw.glob("*.npy"):
        np.save(file, np.random.default_rng(0).standard_normal((4, 25, 3)))
    assert prepare(raw, tmp_path / "random") == 2
    assert "give --layout with a YAML file or kinect-v2" in capsys.readouterr().err


def test_2d_poses_need_the_name_of_their_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    scored = np.random.default_rng(0).uniform(0.1, 1, (6, 17, 3)) * (640, 480, 1)
    np.save(tmp_path / "raw" / "a.npy", scored)
    (tmp_path / "raw" / "manifest.csv").write_text("path,label\na.npy,0\n")
    assert prepare(tmp_path / "raw", tmp_path / "out", "--coordinates", "2") == 2
    assert "layout: expected the layout of poses in an image" in capsys.readouterr().err
    assert prepare(tmp_path / "raw", tmp_path / "out", "--coordinates", "2", "--layout", "coco") == 0
    capsys.readouterr()
    assert main(["data", "info", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["normalisation"], found["body"]) == ("image", {})
    assert list(found["columns"]["confidence"].values()) == [1]


def test_misuse_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = make_manifest(tmp_path / "raw", 2)
    assert prepare(raw, tmp_path / "out", "--layout", "octopus") == 2
    assert prepare(raw, tmp_path / "out", "--missing", "list.txt") == 2
    assert "missing: expected one of the formats ntu60, ntu120 beside it; leave it out" in capsys.readouterr().err
    words = ["data", "prepare", "--format", "ntu60", "--raw", str(raw), "--out", str(tmp_path / "out")]
    assert main([*words, "--layout", "kinect-v1"]) == 2
    assert (
        "layout: expected one of the formats pyskl, ctrgcn, hico, stgcn, table, bvh, amc, manifest beside it; leave"
        in capsys.readouterr().err
    )
    assert prepare(raw, tmp_path / "out", "--bodies", "released") == 2
    assert "bodies: expected one of the formats ntu60, ntu120 beside it; leave it out" in capsys.readouterr().err
    assert prepare(raw, tmp_path / "out", "--workers", "0") == 2
    assert "workers: expected at least 1, got 0" in capsys.readouterr().err
    assert main(["data", "info", str(tmp_path), "--draw", "x.svg"]) == 3
    assert main(["data", "prepare", "--format", "xml"]) == 2
