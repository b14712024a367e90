"""What importing, merging and mapping say while no recording is counted."""

from __future__ import annotations

from pathlib import Path

from hico_platform.commands.data import map_dataset, merge_datasets
from hico_platform.data.importing import import_dataset
from hico_platform.data.phases import DataPhase
from tests.unit.data import test_map_layout, test_merge
from tests.unit.data.test_importing import make_manifest


def test_an_import_looks_for_recordings_reads_them_and_completes_the_store(tmp_path: Path) -> None:
    said: list[object] = []
    raw = make_manifest(tmp_path / "raw", 3)
    import_dataset(
        raw,
        tmp_path / "out",
        format_name="manifest",
        progress=lambda *counts: said.append(counts),
        on_phase=said.append,
    )
    assert (said[0], said[-2:]) == (DataPhase.FINDING, [(3, 3), DataPhase.COMPLETING])


def test_a_merge_looks_for_copies_first(tmp_path: Path) -> None:
    said: list[DataPhase] = []
    for name in ("one", "other"):
        test_merge.store(tmp_path / name, name, {f"{name}{i}": i for i in range(4)})
    places = [str(tmp_path / name) for name in ("one", "other")]
    merge_datasets(places, home=tmp_path / "home", out=tmp_path / "both", progress=None, on_phase=said.append)
    assert said == [DataPhase.COPIES, DataPhase.COMPLETING]


def test_a_map_completes_its_store(tmp_path: Path) -> None:
    said: list[DataPhase] = []
    test_map_layout.store(tmp_path / "v2", None)
    map_dataset(
        str(tmp_path / "v2"), layout="common-15", home=tmp_path / "home", out=tmp_path / "out", progress=None,
        on_phase=said.append,
    )  # fmt: skip
    assert said == [DataPhase.COMPLETING]
