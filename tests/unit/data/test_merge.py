from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V1, KINECT_V2, Layout
from hico_platform.data.merge import merge
from hico_platform.data.normalise import Normalisation
from hico_platform.data.overlap import Chosen, overlapping
from hico_platform.data.sequence import Sequence
from hico_platform.data.split import Split, split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter
from hico_platform.data.verify import verify
from hico_platform.errors import DataError, UsageError

ROD = {"train": {"subject": "odd"}}


def of(split: Split, part: str) -> np.ndarray:
    """The indices of a part, or of the sequences that join pretraining alone."""
    return split.open_test(Purpose.COUNTS) if part == "test" else getattr(split, part)


def store(
    path: Path,
    dataset: str,
    seeds: dict[str, int],
    *,
    classes: tuple[str, ...] = ("a", "b"),
    layout: Layout = KINECT_V2,
    normalisation: Normalisation | None = Normalisation.RELEASED,
    coordinates: int = 3,
    unlabelled: Container[int] = (),
) -> Store:
    """Sequences by name with a seed of their pose; subjects 1 to 6 in turn."""
    with StoreWriter(
        path, dataset=dataset, layout=layout, class_names=classes, provenance={}, normalisation=normalisation,
        protocols={"mine": ROD}, coordinates=coordinates,
    ) as writer:  # fmt: skip
        for i, (name, seed) in enumerate(seeds.items()):
            pose = np.random.default_rng(seed).standard_normal((4 + seed % 3, 1, len(layout.joints), coordinates))
            metadata = {"subject": 1 + i % 6, "site": "x"}
            label = None if i in unlabelled else i % len(classes)
            writer.add(Sequence(name=name, label=label, pose=pose.astype(np.float32), metadata=metadata))
    return Store.open(path)


def test_sequences_of_another_dataset_join_pretraining_alone(tmp_path: Path) -> None:
    first = store(tmp_path / "a", "first", {f"a{i}": i for i in range(12)})
    second = store(tmp_path / "b", "second", {f"b{i}": 100 + i for i in range(8)}, classes=("b", "c", "d"))
    told: list[tuple[int, int]] = []
    done = merge([first, second], tmp_path / "out", progress=lambda *at: told.append(at))
    merged = Store.open(tmp_path / "out")
    assert (done.kept, done.copies, told[-1]) == ({"first": 12, "second": 8}, (), (20, 20))
    assert verify(merged) == []
    assert merged.class_names == ("first/a", "first/b", "second/b", "second/c", "second/d")
    own, alone = split_store(merged, "first-mine"), split_store(first, "mine")
    for part in ("train", "val", "test"):
        names = {merged.names[i] for i in of(own, part)}
        assert names == {first.names[i] for i in of(alone, part)} != set()
    assert {merged.names[i] for i in own.pretrain_only} == set(second.names)
    assert {merged.class_names[merged.labels[i]] for i in own.train} <= {"first/a", "first/b"}
    assert {merged.names[i] for i in split_store(merged, "second-mine").pretrain_only} == set(first.names)
    np.testing.assert_array_equal(merged.pose(15), second.pose(3))


def test_unlabelled_sequences_stay_in_their_part(tmp_path: Path) -> None:
    """Subjects of two datasets are others though they have one number; a protocol that scores nothing is left out."""
    first = store(tmp_path / "a", "first", {f"a{i}": i for i in range(24)}, unlabelled=range(12))
    second = store(tmp_path / "b", "second", {f"b{i}": 100 + i for i in range(6)}, unlabelled=range(6))
    assert set(merge([first, second], tmp_path / "out").protocols) == {"first-mine", "first-odd-subjects"}
    merged, alone = Store.open(tmp_path / "out"), split_store(first, "mine")
    own = split_store(merged, "first-mine")
    for part in ("train", "val", "test", "pretrain_only_val"):
        assert {merged.names[i] for i in of(own, part)} == {first.names[i] for i in of(alone, part)} != set()
    joined = {first.names[i] for i in alone.pretrain_only} | set(second.names)
    assert {merged.names[i] for i in own.pretrain_only} == joined


def test_a_copy_is_kept_once_and_never_pretrained_on_where_it_is_tested(tmp_path: Path) -> None:
    first = store(tmp_path / "a", "first", {f"a{i}": i for i in range(12)})
    second = store(
        tmp_path / "b", "second", {**{f"b{i}": 100 + i for i in range(8)}, "copy": 1, "a0": 55}, unlabelled=[8]
    )
    done = merge([second, first], tmp_path / "out")
    merged = Store.open(tmp_path / "out")
    (copy,) = done.copies
    assert str(copy) == "a1 of first: the same pose as copy of second"
    split = split_store(merged, "first-mine")
    tested = {merged.names[i] for i in split.open_test(Purpose.COUNTS)}
    assert "copy" in tested  # a1 is of subject 2, which first tests on
    assert "first/a0" in {merged.names[i] for i in split.train_and_val}  # another recording, so it gets another name
    assert "a0" in {merged.names[i] for i in split.pretrain_only}
    trained = Chosen(store=merged, indices=np.concatenate([split.train_and_val, split.pretrain_only]))
    assert overlapping(trained, Chosen(store=merged, indices=split.open_test(Purpose.COUNTS))) == []


def test_ntu_120_holds_ntu_60(tmp_path: Path) -> None:
    """The same recording by its name, though prepared in another way; the classes are those of both."""
    names = [f"S001C00{1 + i % 3}P00{1 + i % 8}R001A00{1 + i % 2}" for i in range(12)]
    smaller = store(tmp_path / "a", "ntu60", {name: i for i, name in enumerate(names[:9])}, classes=("A001", "A002"))
    larger = store(tmp_path / "b", "ntu120", {name: 50 + i for i, name in enumerate(names)},
                   classes=("A001", "A002"))  # fmt: skip
    done = merge([smaller, larger], tmp_path / "out")
    assert len(done.copies) == len(set(names[:9]))
    assert not any(copy.same_pose for copy in done.copies)
    assert Store.open(tmp_path / "out").class_names == ("A001", "A002")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"layout": KINECT_V1},
            "layout: expected the same as in .*, kinect-v2, got 'kinect-v1'; bring both to one",
        ),
        ({"normalisation": None}, "normalisation: expected the same as in .*, released, got 'None'"),
        (
            {"layout": KINECT_V1, "coordinates": 2},
            "coordinates: expected the same as in .*, 3, got '2'; prepare both with the same coordinates",
        ),
    ],
)
def test_stores_that_differ_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    first = store(tmp_path / "a", "first", {"a": 1})
    second = store(tmp_path / "b", "second", {"b": 2}, **options)
    with pytest.raises(DataError, match=message):
        merge([first, second], tmp_path / "out")
    with pytest.raises(UsageError, match="at least 2 stores"):
        merge([first], tmp_path / "out")
    with pytest.raises(DataError, match="never written over another"):
        merge([first, first], tmp_path / "a")
    assert not (tmp_path / "out").exists()


def test_two_datasets_of_one_name_are_refused(tmp_path: Path) -> None:
    """Else a protocol of one would pretrain on test people of the other, and class 0 of both be one class."""
    first = store(tmp_path / "a", "recordings", {f"a{i}": i for i in range(12)})
    second = store(tmp_path / "b", "recordings", {f"b{i}": 100 + i for i in range(12)})
    with pytest.raises(DataError, match=r"b: dataset: expected another name than that of .*a, got 'recordings'"):
        merge([first, second], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_copy_of_another_class_is_kept_for_the_scores_of_its_dataset(tmp_path: Path) -> None:
    first = store(tmp_path / "a", "first", {f"a{i}": i for i in range(12)}, classes=("x", "y"))
    second = store(tmp_path / "b", "second", {f"b{i}": 6 + i for i in range(12)}, classes=("p", "q"))
    assert merge([first, second], tmp_path / "out").copies == ()
    merged = Store.open(tmp_path / "out")
    for dataset in ("first", "second"):
        split = split_store(merged, f"{dataset}-mine")
        own = (*split.train, *split.val, *split.open_test(Purpose.COUNTS))
        assert len(own) == 12
        assert {merged.class_names[merged.labels[i]].split("/")[0] for i in own} == {dataset}
        trained = Chosen(store=merged, indices=np.concatenate([split.train_and_val, split.pretrain_only_in_retraining]))
        assert overlapping(trained, Chosen(store=merged, indices=split.open_test(Purpose.COUNTS))) == []


def test_a_copy_gives_its_label_to_one_without(tmp_path: Path) -> None:
    first = store(tmp_path / "a", "first", {f"a{i}": i for i in range(12)}, unlabelled=range(12))
    second = store(tmp_path / "b", "second", {f"b{i}": i for i in range(12)})
    merge([first, second], tmp_path / "out")
    merged = Store.open(tmp_path / "out")
    assert [merged.class_names[label] for label in merged.labels] == ["second/a", "second/b"] * 6
    assert len(split_store(merged, "second-mine").open_test(Purpose.COUNTS)) == len(
        split_store(second, "mine").open_test(Purpose.COUNTS)
    )


def test_a_copy_of_a_copy_is_found(tmp_path: Path) -> None:
    name = "S001C001P001R001A001"
    first, second = store(tmp_path / "a", "ntu60", {name: 1}), store(tmp_path / "b", "ntu120", {name: 2})
    third = store(tmp_path / "c", "mine", {"x": 2, "y": 3}, unlabelled=range(2))
    done = merge([first, second, third], tmp_path / "out")
    assert [str(copy) for copy in done.copies] == [
        f"{name} of ntu120: the same recording as {name} of ntu60",
        f"x of mine: the same recording as {name} of ntu60",
    ]


def test_windows_of_a_scored_recording_are_not_pretrained_on(tmp_path: Path) -> None:
    names = [f"S001C00{1 + i % 3}P00{1 + i % 6}R001A00{1 + i % 2}" for i in range(6)]
    whole = store(tmp_path / "a", "ntu60", {name: i for i, name in enumerate(names)})
    cut = store(
        tmp_path / "b", "ntu120", {f"{name}.w0000{i}0": 20 * i + j for j, name in enumerate(names) for i in (1, 2)}
    )
    merge([whole, cut], tmp_path / "out")
    merged = Store.open(tmp_path / "out")
    split = split_store(merged, "ntu60-mine")
    trained = {merged.names[i][:20] for i in (*split.train_and_val, *split.pretrain_only_in_retraining)}
    assert trained == {merged.names[i] for i in split.train_and_val} != set()
    assert not trained & {merged.names[i] for i in split.open_test(Purpose.COUNTS)}
