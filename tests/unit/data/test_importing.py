from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.anatomy import rest_pose
from hico_platform.data.import_chunk import Outcome, read_chunk, write_chunk
from hico_platform.data.import_report import Report
from hico_platform.data.importing import import_dataset
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation
from hico_platform.data.readers import Item, ReadOptions, manifest
from hico_platform.data.sequence import Sequence, Unit
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.data.synth.generate import one_sequence
from hico_platform.data.synth.presets import TINY
from hico_platform.errors import DataError, HicoError, Problem, UsageError


def make_manifest(folder: Path, count: int = 80) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["path,label,subject,condition"]
    person = rest_pose(KINECT_V2)
    for i in range(count):
        pose = person + 0.005 * rng.standard_normal((4 + i % 5, 25, 3))
        np.save(folder / f"r{i}.npy", pose.astype(np.float32))
        lines.append(f"r{i}.npy,{i % 4},{i % 6},mild")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def run(raw: Path, out: Path, **options: object) -> Report:
    return import_dataset(raw, out, format_name="manifest", **options)  # type: ignore[arg-type]


def test_a_manifest_becomes_a_store(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = run(make_manifest(tmp_path / "raw"), tmp_path / "out", progress=lambda *step: seen.append(step))
    store = Store.open(tmp_path / "out")
    assert (report.read, report.kept, report.skipped, len(store)) == (80, 80, (), 80)
    assert seen == [(32, 80), (64, 80), (80, 80)]
    assert (store.dataset, store.class_names, store.normalisation) == ("raw", ("0", "1", "2", "3"), "yaw")
    assert store.provenance["format"] == "manifest"
    assert store.provenance["report"] == {
        "kept": 80, "unlabelled": 0, "skipped": 0, "left_out": 0, "remarks": {},
    }  # fmt: skip
    assert len(split_store(store, "odd-subjects").open_test(Purpose.COUNTS)) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


@pytest.mark.slow
def test_the_store_does_not_depend_on_the_workers(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw")
    run(raw, tmp_path / "one")
    run(raw, tmp_path / "two", workers=2)
    assert Store.open(tmp_path / "one").digest == Store.open(tmp_path / "two").digest


def test_bad_rows_are_skipped_and_named_and_strict_makes_them_fatal(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw", 6)
    np.save(raw / "r2.npy", np.ones((3, 24, 3), np.float32))
    with (raw / "manifest.csv").open("a") as manifest:
        manifest.write(f"r1.npy,1,1,again\nr9.npy,1,1,absent\n{'r' * 300}.npy,1,1,long\n.,1,1,folder\n")
    report = run(raw, tmp_path / "out")
    assert (report.read, report.kept) == (10, 5)
    said = [str(problem) for problem in report.skipped]
    assert f"{raw}/r2.npy: expected an array (T, 25, 3) or (T, M, 25, 3), got [3, 24, 3]" in said[0]
    assert f"{raw}/manifest.csv:8: name: expected a name that no other sequence has, got 'r1'" in said[1]
    assert f"{raw}/manifest.csv:9: path: expected the path of a file that exists" in said[2]
    assert list(report.reasons().values()) == [2, 1, 1, 1]
    with pytest.raises(DataError, match=r"r2\.npy: expected an array"):
        run(raw, tmp_path / "strict", strict=True)
    assert not (tmp_path / "strict").exists()


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw", 2)
    for i in range(2):
        np.save(raw / f"r{i}.npy", np.full((3, 25, 3), np.nan, np.float32))
    with pytest.raises(DataError, match=r"at least one usable recording(.|\n)*shows at least one joint"):
        run(raw, tmp_path / "out")


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"format: expected a format, got 'xml'; choose .*manifest"):
        import_dataset(tmp_path, tmp_path / "out", format_name="xml")


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = make_manifest(tmp_path / "raw", 2)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hico_platform.data.import_workers.write_chunk", full)
    with pytest.raises(
        HicoError, match=r"out: expected a folder that can be written, got .*No space left.*run the same command again"
    ):
        run(raw, tmp_path / "out")
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DataError, match=r"raw: expected a file or folder that this user may read, got .*No space left"):
        run(raw, tmp_path / "out")


def test_a_chunk_gives_back_its_outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hico_platform.data.import_chunk._BATCH_VALUES", 100)
    pose = np.random.default_rng(0).standard_normal((3, 2, 25, 3)).astype(np.float32)
    problem = Problem(file="f", line=3, field="x", rule="r", value="v", remedy="m")
    outcomes = [
        Outcome(file="a", line=1, found=Sequence(name="a", label=2, pose=pose, metadata={"subject": 1, "k": None})),
        Outcome(file="b", line=None, found=problem),
        Outcome(file="c", line=None, found=Sequence(name="c", label=0, pose=pose[:1], remarks={"joints repaired": 3})),
    ]
    write_chunk(tmp_path / "chunk.arrow", outcomes)
    first, second, third = read_chunk(tmp_path / "chunk.arrow")
    assert isinstance(first.found, Sequence)
    assert isinstance(third.found, Sequence)
    np.testing.assert_array_equal(first.found.pose, pose)
    assert first.found.metadata == {"subject": 1, "k": None}
    assert second == outcomes[1]
    np.testing.assert_array_equal(third.found.pose, pose[:1])
    assert (first.found.remarks, third.found.remarks) == ({}, {"joints repaired": 3})


@pytest.mark.slow
def test_real_recordings_are_read(shared_dir: Path, tmp_path: Path) -> None:
    report = run(shared_dir / "data" / "wmft", tmp_path / "wmft")
    store = Store.open(tmp_path / "wmft")
    assert (report.kept, len(store), len(store.class_names)) == (1080, 1080, 15)
    assert (store.num_frames.min(), store.num_frames.max()) == (51, 2518)
    assert len(split_store(store, "odd-subjects").open_test(Purpose.COUNTS)) == 540


def test_remarks_of_kept_recordings_are_summed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = make_manifest(tmp_path / "raw", 3)
    read = manifest.Manifest.read

    def remarking(self: manifest.Manifest, item: Item) -> Iterator[Sequence | Problem]:
        for found in read(self, item):
            yield replace(found, remarks={"joints repaired": 2, "a": 1}) if isinstance(found, Sequence) else found

    monkeypatch.setattr(manifest.Manifest, "read", remarking)
    report = run(raw, tmp_path / "out")
    assert report.remarks == {"a": 3, "joints repaired": 6}
    assert Store.open(tmp_path / "out").provenance["report"]["remarks"] == report.remarks


def test_bodies_that_cannot_be_right_are_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw")
    for file in raw.glob("*.npy"):
        np.save(file, 1000 * np.load(file))
    with pytest.raises(
        DataError, match=r"unit: expected a body height of .*, got 17[0-9]+\.0; give --unit mm, in which"
    ):
        run(raw, tmp_path / "out", accept_implausible=False)
    assert not (tmp_path / "out").exists()
    assert run(raw, tmp_path / "out").body["height_m"] == pytest.approx(1700, rel=0.01)
    millimetres = ReadOptions(unit=Unit.MM)
    report = run(raw, tmp_path / "right", options=millimetres, accept_implausible=False)
    assert report.body["height_m"] == pytest.approx(1.7, rel=0.01)
    stated = Store.open(tmp_path / "right").provenance["body"]
    assert stated == {**report.body, "unit": "mm"}


def test_one_recording_in_another_unit_is_left_out_by_name(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw", 6)
    np.save(raw / "r3.npy", 1000 * np.load(raw / "r3.npy"))
    report = run(raw, tmp_path / "out", accept_implausible=False)
    assert report.kept == 5
    assert re.search(r"manifest.csv:5: expected a body height of 0.4 to 2.6 m, got 17", str(report.skipped[0]))
    assert max(report.body["heights_m"]) < 2


def test_an_import_of_wrong_bodies_ends_early_and_goes_on_when_they_are_accepted(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw", 100)
    for file in raw.glob("*.npy"):
        np.save(file, 1000 * np.load(file))
    with pytest.raises(DataError, match="give --unit mm"):
        run(raw, tmp_path / "out", accept_implausible=False)
    report = run(raw, tmp_path / "out")
    assert (report.resumed_items, report.kept) == (64, 100)


@pytest.mark.slow
def test_bodies_are_measured_by_every_number_of_workers(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw")
    assert run(raw, tmp_path / "one").body == run(raw, tmp_path / "two", workers=2).body


def test_recordings_that_lie_for_the_most_part_are_warned_of(tmp_path: Path) -> None:
    """Their z points up: the camera's vertical, which is y, is not theirs."""
    (tmp_path / "raw").mkdir()
    for i in range(4):
        pose = one_sequence(TINY, seed=0, action=i, subject=0, camera=0, repetition=0).pose
        np.save(tmp_path / "raw" / f"{i}.npy", pose[..., [0, 2, 1]] * np.array([1, -1, 1], np.float32))
    (tmp_path / "raw" / "manifest.csv").write_text("path,label\n" + "".join(f"{i}.npy,0\n" for i in range(4)))
    (warning,) = run(tmp_path / "raw", tmp_path / "out").warnings
    assert warning.startswith("4 of 4 recordings are over 45 degrees off the vertical")
    upright = ReadOptions(normalisation=Normalisation.UPRIGHT)
    assert run(tmp_path / "raw", tmp_path / "upright", options=upright).warnings == ()
