from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hico_platform as hico
from hico_platform.api.datasets import place_of, source_of
from hico_platform.data.split_guard import ClosedTestSplitError, closed_test_split
from tests.small import small_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "store"
    small_store(folder, unlabelled={3})
    return folder


class TestWithoutAProtocol:
    def test_everything_can_be_read(self, folder: Path) -> None:
        recordings = hico.load_dataset(folder)
        assert (len(recordings), len(recordings.names), recordings.layout) == (48, 48, "kinect-v2")
        assert recordings.class_names == ("class-0", "class-1", "class-2", "class-3")
        first, by_name = recordings[5], recordings["S005"]
        assert (first.name, first.label, first.metadata) == ("S005", 1, {"subject": 1})
        assert first.pose.shape == (recordings.metadata.frames["S005"], 2, 25, 3)
        np.testing.assert_array_equal(first.pose, by_name.pose)
        assert not first.pose.flags.writeable
        assert recordings[3].label is None
        assert recordings.labels[3] == -1
        assert [one.name for one in recordings[1:3]] == ["S001", "S002"]
        assert sum(1 for _ in recordings) == 48
        assert "S007" in recordings

    def test_the_metadata_as_a_table(self, folder: Path) -> None:
        table = hico.load_dataset(folder).metadata
        assert list(table.columns) == ["label", "class", "frames", "bodies", "subject"]
        assert table["class"]["S005"] == "class-1"

    def test_it_has_no_parts(self, folder: Path) -> None:
        recordings = hico.load_dataset(folder)
        for part in (lambda: recordings.train, lambda: recordings.val, recordings.open_test):
            with pytest.raises(hico.UsageError, match="protocol: expected a protocol"):
                part()

    def test_what_is_not_there(self, folder: Path, tmp_path: Path) -> None:
        recordings = hico.load_dataset(folder)
        with pytest.raises(KeyError):
            recordings["nobody"]
        with pytest.raises(IndexError):
            recordings[48]
        with pytest.raises(hico.DataError, match="expected a prepared dataset"):
            hico.load_dataset(tmp_path)


class TestWithAProtocol:
    def test_the_test_split_is_closed(self, folder: Path) -> None:
        recordings = hico.load_dataset(folder, protocol="odd-subjects")
        parts = [recordings.train, recordings.val]
        seen = {one.name for part in parts for one in part}
        closed = [name for name in recordings.names if name not in seen and recordings.metadata.subject[name] % 2 == 0]
        closed.remove("S003")  # without a label it is never scored, and in no part
        assert (recordings.metadata.label[closed] == -1).all()
        for name in closed:
            with pytest.raises(ClosedTestSplitError, match=f"got '{name}'"):
                recordings.pose(name)
        assert {one.metadata["subject"] % 2 for part in parts for one in part} == {1}

    def test_it_is_opened_by_name_alone_and_not_within_a_search(self, folder: Path) -> None:
        recordings = hico.load_dataset(folder, protocol="odd-subjects")
        test = recordings.open_test()
        assert {one.metadata["subject"] % 2 for one in test} == {0}
        assert (test.labels >= 0).all()
        with closed_test_split("a search"), pytest.raises(ClosedTestSplitError):
            recordings.open_test()

    def test_parts_have_no_parts(self, folder: Path) -> None:
        part = hico.load_dataset(folder, protocol="odd-subjects").train
        with pytest.raises(hico.UsageError):
            part.open_test()

    def test_a_protocol_that_does_not_fit(self, folder: Path) -> None:
        with pytest.raises(hico.DataError):
            hico.load_dataset(folder, protocol="xview")


@pytest.mark.filterwarnings("ignore:bones are unlike", "ignore:bodies are", "ignore:4 of 4 recordings are over")
class TestWriting:
    def test_arrays_become_a_dataset(self, tmp_path: Path, folder: Path) -> None:
        poses = [hico.load_dataset(folder).pose(i) for i in range(4)]
        mine = hico.write_dataset(
            (
                hico.Recording(name=f"r{i}", pose=pose, label=["wave", "nod"][i % 2], metadata={"subject": i})
                for i, pose in enumerate(poses)
            ),
            tmp_path / "mine",
            name="mine",
            layout="kinect-v2",
            accept_implausible=True,
        )
        assert (mine.dataset, mine.names, mine.class_names) == ("mine", ("r0", "r1", "r2", "r3"), ("nod", "wave"))
        assert mine.labels.tolist() == [1, 0, 1, 0]
        assert mine[2].metadata == {"subject": 2}
        assert mine[2].pose.shape == poses[2].shape
        assert [path.name for path in tmp_path.iterdir()] == ["mine"], "nothing else is left"

    def test_one_that_breaks_a_rule(self, tmp_path: Path) -> None:
        wrong = [hico.Recording(name="r0", pose=np.zeros((5, 24, 3), np.float32))]
        with pytest.raises(hico.DataError, match="expected an array"):
            hico.write_dataset(wrong, tmp_path / "mine", name="mine", layout="kinect-v2")
        with pytest.raises(hico.DataError, match="expected at least one recording"):
            hico.write_dataset([], tmp_path / "mine", name="mine", layout="kinect-v2")
        assert not any(tmp_path.iterdir())
        (tmp_path / "mine").mkdir()
        with pytest.raises(hico.DataError, match="mine"):
            hico.write_dataset(wrong, tmp_path / "mine", name="mine", layout="kinect-v2")


def test_a_dataset_is_taken_wherever_data_is(folder: Path, tmp_path: Path) -> None:
    recordings = hico.load_dataset(folder, protocol="odd-subjects")
    assert source_of(recordings, protocol="all", home=tmp_path).location == str(folder)
    assert place_of(None, home=tmp_path) is None
    with pytest.raises(hico.UsageError, match="without keys"):
        place_of("s3://key:word@bucket/x", home=tmp_path)
