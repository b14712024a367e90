from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from hico_platform.data.draw import draw
from hico_platform.data.store import Store
from hico_platform.errors import UsageError
from tests.small import small_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("made") / "store", count=8)


def labels(store: Store, names: list[str]) -> list[int]:
    return [int(store.labels[store.names.index(name)]) for name in names]


def test_sequences_of_different_classes_are_drawn_in_a_strip(store: Store, tmp_path: Path) -> None:
    names = draw(store, tmp_path / "a.PNG", count=2)
    assert labels(store, names) == [0, 3]
    with Image.open(tmp_path / "a.PNG") as image:
        assert (image.format, image.size) == ("PNG", (1320, 480))
        assert len(set(image.convert("L").getdata())) > 1


def test_2d_poses_are_drawn_with_y_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[np.ndarray, np.ndarray]] = []
    monkeypatch.setattr(Axes, "plot", lambda self, x, y, **style: drawn.append((x, y)))
    flat = small_store(tmp_path / "flat", count=4, coordinates=2)
    draw(flat, tmp_path / "a.png", count=1)
    bone = flat.pose(0)[0, 0, [0, flat.layout.parents[0]]]
    np.testing.assert_array_equal(drawn[0], bone.T)


@pytest.mark.slow
def test_no_more_than_a_sequence_of_each_class(store: Store, tmp_path: Path) -> None:
    assert labels(store, draw(store, tmp_path / "a.png", count=99)) == [0, 1, 2, 3]


def test_a_moving_picture_has_every_second_frame(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hico_platform.data.draw._GIF_FRAMES", 3)
    assert len(draw(store, tmp_path / "a.gif", count=1)) == 1
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.format, image.n_frames) == ("GIF", 3)


@pytest.mark.parametrize(
    ("name", "count", "field"), [("a.svg", 4, "draw"), ("a", 4, "draw"), ("a.png", 0, "draw-count")]
)
def test_what_cannot_be_drawn(store: Store, tmp_path: Path, name: str, count: int, field: str) -> None:
    with pytest.raises(UsageError, match=rf"^{field}: expected "):
        draw(store, tmp_path / name, count=count)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a.png: draw: expected a file that can be written, got .*give another"):
        draw(store, tmp_path / "none" / "a.png", count=1)
