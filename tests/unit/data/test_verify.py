from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.describe import describe
from hico_platform.data.draw import draw
from hico_platform.data.remote import open_store
from hico_platform.data.sequence import Sequence
from hico_platform.data.store import Store
from hico_platform.data.verify import verify
from hico_platform.errors import DataError, UsageError
from tests.unit.data.test_store import sequences, without_labels, write


def test_a_sound_store_has_no_problem(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert verify(write(tmp_path / "store", sequences(12)), progress=lambda *at: seen.append(at)) == []
    assert seen[-1] == (12, 12)
    assert verify(write(tmp_path / "empty", [])) == []


def poke(store: Store, i: int, value: float) -> None:
    with (store.directory / "pose.arrow").open("r+b") as file:
        file.seek(int(store.offsets[i]) * 4)
        file.write(np.float32(value).tobytes())


def test_an_altered_value_changes_the_digest(tmp_path: Path) -> None:
    store = write(tmp_path / "store", sequences(5))
    poke(store, 3, 1.25)
    sequence, whole = verify(Store.open(store.directory))
    assert "sequence-3: content: expected the digest of this sequence's pose, " in str(sequence)
    assert "digest: expected the digest of the content, " in str(whole)
    assert "prepare or copy the dataset again" in str(whole)


def test_an_invariant_that_broke_is_named(tmp_path: Path) -> None:
    store = write(tmp_path / "store", sequences(5))
    poke(store, 3, np.nan)
    problems = verify(Store.open(store.directory))
    assert "sequence-3: pose: expected a finite value for every coordinate" in str(problems[0])


@pytest.mark.parametrize(("key", "value"), [("class_names", ["z", "b", "c"]), ("protocols", {}), ("dataset", "ntu60")])
def test_an_altered_header_changes_the_digest(tmp_path: Path, key: str, value: object) -> None:
    store = write(tmp_path / "store", sequences(5))
    header = json.loads((store.directory / "store.json").read_text())
    header[key] = value
    (store.directory / "store.json").write_text(json.dumps(header))
    assert len(verify(Store.open(store.directory))) == 1


def test_a_pose_file_that_is_no_arrow_file(tmp_path: Path) -> None:
    store = write(tmp_path / "store", sequences(5))
    path = store.directory / "pose.arrow"
    path.write_bytes(b"\0" * path.stat().st_size)
    (problem,) = verify(Store.open(store.directory))
    assert "pose.arrow: expected an Arrow file of poses" in str(problem)


def test_a_description_counts(tmp_path: Path) -> None:
    items = sequences(10)
    items[0].pose[0, 0, 3] = 0
    items[1].pose[2, 1] = 0
    said = describe(write(tmp_path / "store", items))
    assert said.classes == {"a": 4, "b": 3, "c": 3}
    assert said.columns["subject"] == {"0": 2, "1": 2, "2": 2, "3": 2, "4": 2}
    assert said.columns["camera"] == {"1": 5, "(none)": 5}
    assert said.bodies == {"1": 5, "2": 5}
    assert (said.frames.shortest, said.frames.longest) == (5, 11)
    assert said.missing_joints["head"] > 0 == said.missing_joints["neck"]
    assert said.empty_frames == pytest.approx(1 / sum(i.pose.shape[0] * i.pose.shape[1] for i in items))
    assert said.protocols == {"odd-subjects": {"train": 2, "val": 2, "test": 6}}
    assert json.dumps(said.as_dict())


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_skeletons_are_drawn(tmp_path: Path, suffix: str) -> None:
    store = write(tmp_path / "store", sequences(6))
    assert draw(store, tmp_path / f"out{suffix}", count=2) == ["sequence-0", "sequence-2"]
    assert (tmp_path / f"out{suffix}").stat().st_size > 1000


def test_another_picture_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"draw: expected a \.png or \.gif file, got 'out.svg'"):
        draw(write(tmp_path / "store", sequences(2)), tmp_path / "out.svg")


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    store = write(tmp_path / "store", sequences(2))
    with pytest.raises(UsageError, match="draw-count: expected at least 1, of the 2 sequences that there are, got 0"):
        draw(store, tmp_path / "out.png", count=0)
    with pytest.raises(UsageError, match="draw-count: expected at least 1, of the 0 sequences"):
        draw(write(tmp_path / "empty", []), tmp_path / "out.png")
    with pytest.raises(
        UsageError, match=r"absent/out\.png: draw: expected a file that can be written, got .*No such file"
    ):
        draw(store, tmp_path / "absent" / "out.png", count=1)


def test_a_name_is_drawn_as_it_is(tmp_path: Path) -> None:
    pose = sequences(1)[0].pose
    odd = Sequence(name="$\\frac{a$ b^_", label=0, pose=pose)
    assert draw(write(tmp_path / "store", [odd]), tmp_path / "out.PNG") == [odd.name]
    assert (tmp_path / "out.PNG").stat().st_size > 1000


def test_a_remote_store_is_fetched_once_and_checked(tmp_path: Path) -> None:
    store = write(tmp_path / "store", sequences(5))
    cache = tmp_path / "cache"
    first = open_store(f"file://{store.directory}", cache=cache)
    assert first.directory == cache / store.digest
    np.testing.assert_array_equal(first.pose(4), store.pose(4))
    (store.directory / "pose.arrow").unlink()
    assert open_store(f"file://{store.directory}", cache=cache).digest == store.digest
    assert open_store(first.directory, cache=cache).digest == store.digest


def test_what_a_killed_fetch_or_a_torn_cache_left_is_fetched_again(tmp_path: Path) -> None:
    store = write(tmp_path / "store", sequences(5))
    cache = tmp_path / "cache"
    left = cache / f".partial-{store.digest}"
    left.mkdir(parents=True)
    (left / "pose.arrow").write_bytes(b"half")
    first = open_store(f"file://{store.directory}", cache=cache)
    assert not left.exists()
    with (first.directory / "pose.arrow").open("r+b") as file:
        file.truncate(100)
    again = open_store(f"file://{store.directory}", cache=cache)
    np.testing.assert_array_equal(again.pose(4), store.pose(4))


def test_a_remote_store_that_was_altered_is_refused(tmp_path: Path) -> None:
    store = write(tmp_path / "store", sequences(5))
    poke(store, 2, 7)
    with pytest.raises(DataError, match=r"digest: expected a store of the digest .*; fetch again"):
        open_store(f"file://{store.directory}", cache=tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


@pytest.mark.parametrize("place", ["file:///absent/store", "ftp://host/store"])
def test_a_remote_store_that_cannot_be_reached(tmp_path: Path, place: str) -> None:
    with pytest.raises(DataError, match=r"a store that can be fetched, got .*; check the address"):
        open_store(place, cache=tmp_path / "cache")


def test_unlabelled_sequences_are_counted_apart(tmp_path: Path) -> None:
    said = describe(write(tmp_path / "store", without_labels(sequences(10), of=slice(0, 4))))
    assert (said.sequences, said.unlabelled) == (10, 4)
    assert said.classes == {"a": 2, "b": 2, "c": 2}
    assert said.protocols == {
        "odd-subjects": {"train": 1, "val": 1, "test": 4, "pretrain_only": 1, "pretrain_only_val": 1}
    }
    none = describe(write(tmp_path / "none", without_labels(sequences(10))))
    assert (none.unlabelled, none.classes) == (10, {"a": 0, "b": 0, "c": 0})
    assert none.protocols["all"] == {"train": 0, "val": 0, "test": 0, "pretrain_only": 10}


def test_a_label_that_is_stored_as_a_negative_number_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hico_platform.data.store_writer.check_sequence", lambda *_, **__: None)
    store = write(tmp_path / "store", [replace(sequences(1)[0], label=-1)])
    (problem,) = verify(store)
    assert "sequence-0: label: expected a class, 0 to 2, got -1" in str(problem)


@pytest.mark.slow
def test_sequences_without_labels_are_drawn(tmp_path: Path) -> None:
    some = write(tmp_path / "some", without_labels(sequences(9), of=slice(0, 3)))
    assert draw(some, tmp_path / "some.png", count=4) == ["sequence-0", "sequence-3", "sequence-4", "sequence-5"]
    none = write(tmp_path / "none", without_labels(sequences(9)))
    assert draw(none, tmp_path / "none.png", count=3) == ["sequence-0", "sequence-4", "sequence-8"]
