from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.data.readers.labels import Labels
from hico_platform.errors import DataError

FILE = Path("manifest.csv")


def classes(cells: list[object]) -> list[int | str | None]:
    """The class of each cell, or the message about it."""
    labels, found = Labels.of(cells), []
    for cell in cells:
        try:
            found.append(labels.class_of(cell, file=FILE, line=7))
        except DataError as error:
            found.append(str(error))
    return found


def test_names_are_numbered_whatever_the_order_of_the_rows() -> None:
    assert classes(["walk", "Run", None, "jump", "walk"]) == [2, 0, None, 1, 2]
    assert Labels.of(["b", "a", "b"]) == Labels.of(["a", "b"])


@pytest.mark.parametrize("number", [3, 3.0, "3", "3.0", "3.0e+00"])
def test_whole_numbers_are_numbers(number: object) -> None:
    assert classes([number]) == [3]
    assert Labels.of([number]).class_names == ("0", "1", "2", "3")


@pytest.mark.parametrize("empty", [None, "", "  ", "nan", "NaN", float("nan")])
def test_what_says_that_there_is_no_label(empty: object) -> None:
    assert classes([empty]) == [None]
    assert classes([1, empty]) == [1, None]
    assert classes(["walk", empty]) == [0, None]
    assert Labels.of([empty]).class_names == ()


def test_the_rarer_kind_is_refused_in_its_row() -> None:
    *fine, wrong = classes(["walk", "run", 7])
    assert fine == [1, 0]
    assert "manifest.csv:7: label: expected the name of one of at most 10000 classes, since most" in str(wrong)
    *fine, wrong = classes(["0", "1", "1O"])
    assert fine == [0, 1]
    assert "label: expected a whole number, 0 to 9999, got '1O'; number the classes from 0, or name all" in str(wrong)


@pytest.mark.parametrize("cell", [1.5, "1.5", "-0.25", float("inf"), "inf", True, -1, "-1", 10_000])
def test_a_number_that_is_no_class_is_no_name_either(cell: object) -> None:
    (message,) = classes([cell])
    assert "label: expected a whole number, 0 to 9999, got" in str(message)
    assert "leave the cell empty where there is no label" in str(message)


def test_more_names_than_classes_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hico_platform.data.readers.labels.MOST_CLASSES", 2)
    *fine, wrong = classes(["a", "b", "c"])
    assert fine == [0, 1]
    assert "expected the name of one of at most 2 classes" in str(wrong)
