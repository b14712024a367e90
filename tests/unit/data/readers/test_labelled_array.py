from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.readers import labelled_array as module
from hico_platform.data.readers.labelled_array import LabelledArray, class_names_of, is_centred, labelled_arrays
from hico_platform.errors import DataError

SUFFIX = "_data.npy"


def make(
    folder: Path, prefix: str, labels: Any = (0, 2), *, shape: tuple[int, ...] = (2, 3, 4, 25, 1)
) -> LabelledArray:
    np.save(folder / f"{prefix}{SUFFIX}", np.zeros(shape, np.float32))
    if isinstance(labels, np.ndarray):
        np.save(folder / f"{prefix}_label.npy", labels)
    elif labels is not None:
        names = [f"S001C002P00{i + 1}R001A003.skeleton" for i in range(len(labels))]
        (folder / f"{prefix}_label.pkl").write_bytes(pickle.dumps((names, list(labels))))
    return next(array for array in labelled_arrays(folder, SUFFIX) if array.prefix == prefix)


def test_arrays_are_found_with_their_parts(tmp_path: Path) -> None:
    for prefix in ("train", "val", "extra"):
        make(tmp_path, prefix)
    assert [(array.prefix, array.part) for array in labelled_arrays(tmp_path, SUFFIX)] == [
        ("extra", "extra"), ("train", "train"), ("val", "test")
    ]  # fmt: skip
    assert labelled_arrays(tmp_path / "nowhere", SUFFIX) == []


def test_names_and_labels_of_a_pickle_and_of_an_array(tmp_path: Path) -> None:
    rows, problems = make(tmp_path, "train").rows(KINECT_V2)
    assert [(row.index, row.name, row.label) for row in rows] == [
        (0, "S001C002P001R001A003", 0), (1, "S001C002P002R001A003", 2)
    ]  # fmt: skip
    assert problems == []
    numbered = make(tmp_path, "test", np.array([[1], [3]]))
    assert [(row.name, row.label) for row in numbered.rows(KINECT_V2)[0]] == [("test-000000", 1), ("test-000001", 3)]
    assert class_names_of(labelled_arrays(tmp_path, SUFFIX)) == ("0", "1", "2", "3")
    found = labelled_arrays(tmp_path, SUFFIX)[1].metadata("S001C002P001R001A003")
    assert (found["split"], found["subject"], found["camera"]) == ("train", 1, 2)


def test_a_label_that_is_none_is_a_problem_of_its_row(tmp_path: Path) -> None:
    array = make(tmp_path, "train", (0, -1))
    rows, (problem,) = array.rows(KINECT_V2)
    assert [row.index for row in rows] == [0]
    assert str(problem).startswith(f"{array.label_file}: [1]: expected a name and a label, 0 to 9999, got ")
    assert array.largest_label() == 0


@pytest.mark.parametrize(
    ("labels", "shape", "message"),
    [
        ((0, 2), (2, 3, 4, 24, 1), r"train_data.npy: expected an array of floats \(N, 3, T, 25, M\), got"),
        ((0, 2), (2, 4, 25, 1), r"train_data.npy: expected an array of floats"),
        ((0, 2), (2, 3, 9, 25, 1), "train_data.npy: expected at most 8 frames a recording, got 9"),
        (
            (0, 2, 1),
            (2, 3, 4, 25, 1),
            "train_label.pkl: expected the names of 2 sequences, as in train_data.npy,",
        ),
        (None, (2, 3, 4, 25, 1), "train_label.pkl: expected a file of labels, which goes with train_data.npy"),
        (np.zeros((2, 2)), (2, 3, 4, 25, 1), r"train_label.npy: expected an array \(N,\) of labels, got"),
        (np.array(["a", "b"]), (2, 3, 4, 25, 1), r"train_label.npy: expected an array \(N,\) of labels, got"),
    ],
)
def test_a_file_that_does_not_fit_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: Any, shape: tuple[int, ...], message: str
) -> None:
    monkeypatch.setattr(module, "MOST_FRAMES", 8)
    array = make(tmp_path, "train", labels, shape=shape)
    with pytest.raises(DataError, match=message):
        array.rows(KINECT_V2)


def test_centres_at_zero_to_the_precision_of_float16() -> None:
    assert is_centred(np.full((2, 3), 9e-5))
    assert not is_centred(np.array([[0, 0, 2e-4]]))
