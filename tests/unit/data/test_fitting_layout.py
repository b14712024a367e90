from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.anatomy import rest_pose
from hico_platform.data.fitting_layout import fitting_layout
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.layouts import LAYOUTS, RECORDED
from hico_platform.data.readers import ReadOptions
from hico_platform.data.sequence import Unit
from hico_platform.errors import DataError, UsageError


def recorded(folder: Path, pose: np.ndarray, count: int = 4) -> Path:
    """A manifest of ``count`` recordings of a pose (J, C) that moves."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        np.save(folder / f"{i}.npy", pose + rng.standard_normal((6, 1, pose.shape[-1])))
    (folder / "manifest.csv").write_text("path,label\n" + "".join(f"{i}.npy,0\n" for i in range(count)))
    return folder


def chosen(raw: Path, unit: Unit = Unit.M) -> str:
    return fitting_layout(raw, format_name="manifest", options=ReadOptions(unit=unit)).name


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_layout_is_known_by_its_bones(tmp_path: Path, name: str) -> None:
    assert chosen(recorded(tmp_path / "m", rest_pose(LAYOUTS[name]))) == name
    assert chosen(recorded(tmp_path / "mm", 1000 * rest_pose(LAYOUTS[name])), Unit.MM) == name


def test_files_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    raw = recorded(tmp_path / "raw", rest_pose(LAYOUTS["kinect-v1"]))
    (raw / "0.npy").write_bytes(b"")
    np.save(raw / "1.npy", np.zeros((3, 31, 3)))
    assert chosen(raw) == "kinect-v1"


def test_a_file_with_the_joints_of_another_layout_does_not_decide(tmp_path: Path) -> None:
    raw = recorded(tmp_path / "raw", rest_pose(KINECT_V2))
    np.save(raw / "0.npy", np.ones((3, 24, 3)))
    assert chosen(raw) == "kinect-v2"


def test_bones_that_fit_no_layout_ask_for_one(tmp_path: Path) -> None:
    raw = recorded(tmp_path / "raw", np.random.default_rng(0).standard_normal((20, 3)))
    with pytest.raises(UsageError, match=r"layout: expected a layout, .*20 joints .* or kinect-v1 or msr-action3d"):
        chosen(raw)


def test_a_number_of_joints_that_no_layout_has_is_left_to_the_import(tmp_path: Path) -> None:
    raw = recorded(tmp_path / "raw", np.random.default_rng(0).standard_normal((31, 3)))
    assert chosen(raw) == KINECT_V2.name


def test_scores_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    raw = tmp_path / "raw"
    raw.mkdir()
    flat = np.tile(rest_pose(KINECT_V2) * [300, -300, 0] + [300, 600, 0], (9, 1, 1)) + rng.standard_normal((9, 1, 1))
    (raw / "manifest.csv").write_text("path,label\na.npy,0\n")
    flat[..., 2] = rng.uniform(0.5, 1, flat.shape[:-1])
    np.save(raw / "a.npy", flat)
    with pytest.raises(DataError, match="z: expected a joint's x, y and z in metres"):
        chosen(raw)
