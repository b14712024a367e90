"""A folder of AMC files with their skeletons, with and without a map, and as rows of a manifest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hico_platform.cli.main import main
from hico_platform.data.amc_file import read_amc
from hico_platform.data.importing import import_dataset
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.readers import ReadOptions, motion_capture
from hico_platform.data.sequence import Unit
from hico_platform.data.store import Store
from hico_platform.data.table_map import TableMap
from hico_platform.errors import DataError, UsageError
from tests.unit.data.test_amc_file import AMC, ASF

INCH = 0.0254


def make(folder: Path) -> Path:
    for subject, scale in (("01", "0.5"), ("02", "0.25")):
        (folder / subject).mkdir(parents=True)
        (folder / subject / f"{subject}.asf").write_text(ASF.replace("length 0.5", f"length {scale}"))
        (folder / subject / f"{subject}_03.amc").write_text(AMC)
    return folder


def poses(store: Store) -> list[np.ndarray]:
    return [store.pose(i) for i in range(len(store.names))]


def test_files_without_labels_in_their_own_skeleton(tmp_path: Path) -> None:
    raw = make(tmp_path / "raw")
    layout = motion_capture.AMC.own_layout(raw, ReadOptions())
    import_dataset(raw, tmp_path / "out", format_name="amc", options=ReadOptions(layout=layout))
    store = Store.open(tmp_path / "out")
    assert (store.names, store.labels.tolist(), store.layout) == (("01/01_03", "02/02_03"), [-1, -1], layout)
    one, two = poses(store)
    recorded = read_amc(raw / "01" / "01_03.amc").positions()[:, None].astype(np.float32) * INCH
    np.testing.assert_allclose(one, normalise(recorded, layout, method=Normalisation.YAW).pose, atol=1e-5)
    np.testing.assert_allclose(two, 2 * one, atol=1e-5)  # each in the skeleton beside it
    import_dataset(raw, tmp_path / "cm", format_name="amc", options=ReadOptions(layout=layout, unit=Unit.CM))
    np.testing.assert_allclose(poses(Store.open(tmp_path / "cm"))[0] * 2.54, one, atol=1e-5)


def test_a_skeleton_is_part_of_what_an_import_reads(tmp_path: Path) -> None:
    raw = make(tmp_path / "raw")
    reads = [item.reads for item in motion_capture.AMC.open_source(raw, ReadOptions()).plan().items]
    assert reads == [(raw / n / f"{n}_03.amc", raw / n / f"{n}.asf") for n in ("01", "02")]
    layout = motion_capture.AMC.own_layout(raw, ReadOptions())
    (raw / "01" / "01.asf").unlink()
    report = import_dataset(raw, tmp_path / "out", format_name="amc", options=ReadOptions(layout=layout))
    assert (report.kept, [problem.rule for problem in report.skipped]) == (
        1, ["a skeleton beside it, such as NN.asf for NN_MM.amc"]
    )  # fmt: skip


def test_a_map_reads_labels_from_the_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = make(tmp_path / "raw")
    (tmp_path / "map.yaml").write_text("name: '(?P<subject>\\d+)_(?P<label>\\d+)\\.amc'\namc: {}\n")
    words = ["data", "prepare", "--format", "auto", "--raw", str(raw), "--out", str(tmp_path / "out"), "--workers", "1"]
    words += ["--window", "2", "--map", str(tmp_path / "map.yaml")]
    assert main([*words, "--accept-implausible", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 6
    store = Store.open(tmp_path / "out")
    assert (store.class_names, store.names[0], store.layout.name) == (("03",), "01/01_03.w000000", "amc")


def test_rows_of_a_manifest(tmp_path: Path) -> None:
    raw = make(tmp_path / "raw")
    layout = motion_capture.AMC.own_layout(raw, ReadOptions())
    (raw / "manifest.csv").write_text("path,start,end,label\n01/01_03.amc,1,4,0\n02/02_03.amc,0,5,1\n")
    options = ReadOptions(layout=layout, map=TableMap.from_plain({"amc": {}}))
    import_dataset(raw, tmp_path / "out", format_name="manifest", options=options)
    one, two = poses(Store.open(tmp_path / "out"))
    assert (len(one), len(two)) == (3, 5)
    assert TableMap.from_plain({"amc": {}}).unit is Unit.IN
    assert TableMap.from_plain({"amc": {}, "unit": "cm"}).unit is Unit.CM


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    raw = make(tmp_path / "raw")
    table = TableMap.from_plain({"csv": {}})
    with pytest.raises(UsageError, match=r"map: expected a map of AMC files beside --format amc; write amc: {} in it"):
        import_dataset(raw, tmp_path / "out", format_name="amc", options=ReadOptions(map=table))
    with pytest.raises(DataError, match=r"a skeleton with all joints of the layout, got .'spine_base'|'spine_mid'"):
        import_dataset(raw, tmp_path / "out", format_name="amc")
    with pytest.raises(DataError, match=r"expected a folder with files \*.amc"):
        motion_capture.AMC.own_layout(tmp_path / "out", ReadOptions())
