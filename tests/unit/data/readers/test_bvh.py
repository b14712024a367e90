"""A folder of BVH files, with and without a map."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hico_platform.cli.main import main
from hico_platform.data.bvh_file import read_bvh
from hico_platform.data.importing import import_dataset
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.readers import ReadOptions
from hico_platform.data.readers.motion_capture import BVH
from hico_platform.data.sequence import Unit
from hico_platform.data.store import Store
from hico_platform.data.table_map import TableMap
from hico_platform.errors import DataError, UsageError
from tests.unit.data.test_bvh_file import ARMS


def make(folder: Path) -> Path:
    for subject, action in (("01", "walk"), ("02", "sit")):
        (folder / subject).mkdir(parents=True)
        (folder / subject / f"{action}.bvh").write_text(ARMS)
    return folder


def test_files_without_labels_in_their_own_skeleton(tmp_path: Path) -> None:
    raw = make(tmp_path / "raw")
    options = ReadOptions(unit=Unit.CM)
    layout = BVH.own_layout(raw, options)
    import_dataset(raw, tmp_path / "out", format_name="bvh", options=ReadOptions(layout=layout, unit=Unit.CM))
    store = Store.open(tmp_path / "out")
    assert (store.names, store.labels.tolist(), store.layout) == (("01/walk", "02/sit"), [-1, -1], layout)
    recorded = read_bvh(raw / "01" / "walk.bvh").positions()[:, None].astype(np.float32) / 100
    np.testing.assert_allclose(store.pose(0), normalise(recorded, layout, method=Normalisation.YAW).pose, atol=1e-5)


def test_a_map_reads_labels_from_the_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = make(tmp_path / "raw")
    (tmp_path / "map.yaml").write_text("name: '(?P<subject>\\d+)/(?P<label>\\w+)\\.bvh'\nunit: cm\nbvh: {}\n")
    words = ["data", "prepare", "--format", "bvh", "--raw", str(raw), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main([*words, "--map", str(tmp_path / "map.yaml"), "--accept-implausible", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 2
    store = Store.open(tmp_path / "out")
    assert (store.class_names, store.labels.tolist(), store.layout.name) == (("sit", "walk"), [1, 0], "bvh")


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    raw = make(tmp_path / "raw")
    table = TableMap.from_plain({"csv": {}})
    with pytest.raises(UsageError, match=r"map: expected a map of BVH files beside --format bvh; write bvh: {} in it"):
        import_dataset(raw, tmp_path / "out", format_name="bvh", options=ReadOptions(map=table))
    with pytest.raises(DataError, match=r"a skeleton with all joints of the layout, got .'spine_mid'"):
        import_dataset(raw, tmp_path / "out", format_name="bvh")
    with pytest.raises(DataError, match=r"expected a folder with files \*.bvh"):
        BVH.own_layout(tmp_path / "out", ReadOptions())
