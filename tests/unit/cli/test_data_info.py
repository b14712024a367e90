"""How long lists and odd names are shown; test_data.py has the command on a store that was prepared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.cli.main import main
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.sequence import Sequence
from hico_platform.data.store_writer import StoreWriter


def store_of(folder: Path, *, classes: list[str], used: int, subjects: int) -> None:
    with StoreWriter(
        folder, dataset="small\x1b[2J", layout=KINECT_V2, class_names=classes, provenance={}, normalisation=None
    ) as writer:
        for number in range(subjects):
            pose = np.ones((2 + number % 2, 1, 25, 3), np.float32)
            metadata = {"subject": number}
            writer.add(Sequence(name=f"s{number}", label=number % used, pose=pose, metadata=metadata))


def lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["data", "info", str(folder)]) == 0
    first, *more = capsys.readouterr().out.splitlines()
    return {"heading": first, **{line[:10].strip(): line[10:] for line in more}}


def test_a_long_list_is_cut_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_of(tmp_path / "store", classes=["sit", "walk"], used=2, subjects=61)
    shown = lines(tmp_path / "store", capsys)
    assert shown["subject"].endswith("59: 1, ... (61 in all)")
    assert shown["classes"] == "sit: 31, walk: 30"
    assert shown["frames"] == "2 to 3, median 2, mean 2.5, 152 in all"
    assert shown["missing"] == "no joint; body absent in 0.0% of frames"


def test_the_longest_list_that_is_shown_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_of(tmp_path / "store", classes=["sit"], used=1, subjects=60)
    assert lines(tmp_path / "store", capsys)["subject"].endswith("59: 1")


def test_names_do_not_steer_the_terminal_and_classes_without_a_sequence_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_of(tmp_path / "store", classes=["a\x07b", "c", "d"], used=1, subjects=2)
    shown = lines(tmp_path / "store", capsys)
    assert shown["heading"].startswith("small?[2J: 2 sequences, 3 classes, layout kinect-v2")
    assert shown["classes"] == "a?b: 2; 2 without a sequence"
