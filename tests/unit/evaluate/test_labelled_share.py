"""Draws of labels against the loops of released code, and lists of names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from hico_platform.errors import DataError
from hico_platform.evaluate.data import EvalData
from hico_platform.evaluate.labelled_share import Draw, draw_labelled, read_label_lists
from tests.handmade import handmade_data, points

LABELS = torch.tensor([0] * 150 + [1] * 50 + [2] * 30 + [3] * 4)[
    torch.randperm(234, generator=torch.Generator().manual_seed(1))
]


def by_hand(percent: int, draw: Draw, seed: int, number: int) -> list[int]:
    """A shuffle, and then what the released loops take of it."""
    shuffled = np.random.default_rng((seed, number)).permutation(len(LABELS)).tolist()
    if draw is Draw.UNSTRATIFIED:
        return sorted(shuffled[: int(len(LABELS) * percent / 100)])
    chosen: list[int] = []
    for label in range(4):
        members = [i for i in shuffled if LABELS[i] == label]
        chosen += members[: round(percent / 100 * len(members))]
    return sorted(chosen)


@pytest.mark.parametrize("draw", Draw)
@pytest.mark.parametrize("percent", [1, 5, 10, 20])
def test_draws_are_those_of_the_loops(draw: Draw, percent: int) -> None:
    drawn = [draw_labelled(LABELS, percent=percent, draw=draw, seed=3, number=number).tolist() for number in range(5)]
    assert drawn == [by_hand(percent, draw, 3, number) for number in range(5)]
    assert len({tuple(one) for one in drawn}) == 5, "five draws are five"
    assert drawn[0] != draw_labelled(LABELS, percent=percent, draw=draw, seed=4, number=0).tolist()


def test_how_many_are_drawn() -> None:
    def counts(percent: int, draw: Draw) -> list[int]:
        return (
            LABELS[draw_labelled(LABELS, percent=percent, draw=draw, seed=0, number=0)].bincount(minlength=4).tolist()
        )

    # 150, 50, 30 and 4 sequences: a half is rounded to the even number, and a class may have none.
    assert counts(1, Draw.PER_CLASS) == [2, 0, 0, 0]
    assert counts(5, Draw.PER_CLASS) == [8, 2, 2, 0]
    assert counts(20, Draw.PER_CLASS) == [30, 10, 6, 1]
    assert sum(counts(1, Draw.UNSTRATIFIED)) == 2, "2.34 of 234"
    assert sum(counts(20, Draw.UNSTRATIFIED)) == 46
    assert len(draw_labelled(LABELS[:40], percent=1, draw=Draw.UNSTRATIFIED, seed=0, number=0)) == 0
    assert len(draw_labelled(LABELS[:40], percent=1, draw=Draw.PER_CLASS, seed=0, number=0)) == 0


@pytest.mark.parametrize("draw", Draw)
def test_a_larger_share_holds_the_smaller_one(draw: Draw) -> None:
    small, large = (
        set(draw_labelled(LABELS, percent=percent, draw=draw, seed=0, number=0).tolist()) for percent in (10, 20)
    )
    assert small < large


def named_data() -> EvalData:
    data, _ = handmade_data(points(classes=3, train=20, held_out=10, seed=0))
    return dataclasses.replace(data, names=tuple(f"S{index:03d}" for index in range(30)))


def test_lists_are_read_by_the_names_of_their_files(tmp_path: Path) -> None:
    (tmp_path / "five-Percent.txt").write_text("S020\n\n S011 \nS029\n")
    (tmp_path / "other.txt").write_text("S010\n")
    lists = read_label_lists([tmp_path / "five-Percent.txt", tmp_path / "other.txt"], data=named_data())
    assert {name: sequences.tolist() for name, sequences in lists.items()} == {
        "five_percent": [11, 20, 29],
        "other": [10],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("S010\nS099\n", r"list\.txt:2: expected the name of a sequence of this dataset, got 'S099'"),
        ("S010\n\nS003\n", r"list\.txt:3: expected a sequence of the training part.*got 'S003'"),
        ("S010\nS010\n", r"list\.txt:2: expected each sequence once, got 'S010'"),
        ("\n", r"list\.txt: expected at least one name"),
    ],
)
def test_what_is_wrong_in_a_list_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        read_label_lists([tmp_path / "list.txt"], data=named_data())


def test_a_list_that_is_not_there_and_two_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.txt: expected a readable text file"):
        read_label_lists([tmp_path / "gone.txt"], data=named_data())
    for name in ("a-b.txt", "a_b.txt"):
        (tmp_path / name).write_text("S010\n")
    with pytest.raises(DataError, match="expected a file name of its own"):
        read_label_lists([tmp_path / "a-b.txt", tmp_path / "a_b.txt"], data=named_data())
