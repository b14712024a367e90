from __future__ import annotations

from pathlib import Path

import numpy as np

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.map_layout import map_store
from hico_platform.data.merge import merge
from hico_platform.data.normalise import Normalisation
from hico_platform.data.overlap import Chosen, overlapping, shown
from hico_platform.data.sequence import Sequence
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter


def store(path: Path, dataset: str, *, provenance: dict[str, str] | None = None, **seeds: int) -> Chosen:
    """Sequences by name; equal seeds make equal poses."""
    with StoreWriter(
        path, dataset=dataset, layout=KINECT_V2, class_names=["a"], provenance=provenance or {},
        normalisation=Normalisation.RELEASED,
    ) as writer:  # fmt: skip
        for name, seed in seeds.items():
            pose = np.random.default_rng(seed).standard_normal((4, 1, 25, 3)).astype(np.float32)
            writer.add(Sequence(name=name, label=0, pose=pose))
    return Chosen(store=Store.open(path), indices=np.arange(len(seeds)))


def test_a_copy_under_another_name_is_found(tmp_path: Path) -> None:
    trained, scored = store(tmp_path / "a", "mine", x=1, y=2), store(tmp_path / "b", "yours", z=2, x=5)
    assert overlapping(trained, scored) == ["z"]
    only_first = Chosen(store=trained.store, indices=np.array([0]))
    assert overlapping(only_first, scored) == []


def test_a_name_means_one_recording_in_ntu_and_nothing_elsewhere(tmp_path: Path) -> None:
    name = "S001C001P001R001A001"
    larger = store(tmp_path / "a", "ntu120", **{name: 1, "S018C001P008R001A061": 2})
    smaller = store(tmp_path / "b", "ntu60", **{name: 3})  # prepared in another way, so its pose differs
    assert overlapping(larger, smaller) == [name]
    assert overlapping(smaller, larger) == [name]
    assert overlapping(larger, store(tmp_path / "c", "embedded", **{name: 3})) == []


def test_windows_are_parts_of_their_recording(tmp_path: Path) -> None:
    name = "S001C001P001R001A001"
    whole = store(tmp_path / "a", "ntu60", **{name: 1})
    windows = store(tmp_path / "b", "ntu120", **{f"{name}.w000000": 2, f"{name}.w000032": 3})
    assert overlapping(whole, windows) == [f"{name}.w000000", f"{name}.w000032"]
    assert overlapping(windows, whole) == [name]


def test_recordings_of_ntu_are_known_in_a_merged_store_and_in_archives(tmp_path: Path) -> None:
    name = "S001C001P001R001A001"
    scored = store(tmp_path / "a", "ntu120", **{name: 1})
    archive = store(tmp_path / "b", "xsub", provenance={"format": "hico"}, **{name: 2, "mine": 3})
    assert overlapping(archive, scored) == [name]
    merge([archive.store, store(tmp_path / "c", "mine", **{name: 4}).store], tmp_path / "merged")
    merged = Store.open(tmp_path / "merged")
    assert merged.names == (name, "mine", f"mine/{name}")
    assert overlapping(Chosen(store=merged, indices=np.array([0, 1])), scored) == [name]
    assert overlapping(Chosen(store=merged, indices=np.array([1, 2])), scored) == []
    map_store(merged, LAYOUTS["common-15"], tmp_path / "mapped")
    mapped = Store.open(tmp_path / "mapped")
    assert overlapping(Chosen(store=mapped, indices=np.array([0, 1])), scored) == [name]


def test_a_store_of_schema_version_1_has_its_poses_compared(tmp_path: Path) -> None:
    older, newer = store(tmp_path / "a", "mine", x=1, y=2), store(tmp_path / "b", "yours", z=2, x=5)
    for chosen in (older, newer):  # such stores have no digests of poses
        chosen.store._index = chosen.store.index.drop_columns(["content"])
    assert overlapping(older, newer) == ["z"]
    assert overlapping(newer, store(tmp_path / "c", "theirs", again=5)) == ["again"]


def test_few_names_are_shown() -> None:
    assert shown(["a", "b"]) == "2 (a, b)"
    assert shown(list("abcdefg")) == "7 (a, b, c, d, e and 2 more)"
