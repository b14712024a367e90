from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.sequence import nan_where_zero
from hico_platform.data.skeleton_file import read_skeleton
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.data.synth.generate import generate
from hico_platform.data.synth.presets import TINY
from hico_platform.data.synth.write import PROTOCOLS, synthesise, write_skeleton_files
from hico_platform.errors import DataError


def test_a_store_is_normalised_and_the_same_each_time(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    synthesise(tmp_path / "a", preset=TINY, seed=0, progress=lambda done, total: told.append((done, total)))
    synthesise(tmp_path / "b", preset=TINY, seed=0)
    synthesise(tmp_path / "c", preset=TINY, seed=1)
    first, again, other = (Store.open(tmp_path / name) for name in "abc")
    assert told[-1] == (len(TINY), len(TINY))
    assert first.digest == again.digest != other.digest
    assert first.normalisation == "released"
    assert first.class_names == tuple(action.name for action in TINY.actions)
    for i in range(len(first)):
        assert not first.pose(i)[:, 0, 1].any()  # body 0 is centred on its middle of the spine


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_fits(tmp_path: Path, protocol: str) -> None:
    synthesise(tmp_path / "a", preset=TINY, seed=0)
    split = split_store(Store.open(tmp_path / "a"), protocol)
    assert len(split.train_and_val) + len(split.open_test(Purpose.COUNTS)) == len(TINY)
    assert min(len(split.train), len(split.val), len(split.open_test(Purpose.COUNTS))) > 0


def test_skeleton_files_come_back_exactly(tmp_path: Path) -> None:
    write_skeleton_files(tmp_path / "raw", preset=TINY, seed=0)
    sequences = list(generate(TINY, seed=0))
    assert len(list((tmp_path / "raw").iterdir())) == len(sequences)
    for sequence in sequences[::7]:
        read = read_skeleton(tmp_path / "raw" / f"{sequence.name}.skeleton")
        np.testing.assert_array_equal(nan_where_zero(read.pose), sequence.pose)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(DataError, match="never written over another"):
        synthesise(tmp_path / "mine", preset=TINY, seed=0)
    with pytest.raises(DataError, match="never written over another"):
        write_skeleton_files(tmp_path / "mine", preset=TINY, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
