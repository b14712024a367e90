from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.commands import data as module
from hico_platform.commands.data import prepare_dataset, show_layouts
from hico_platform.data.layouts import BUILT_IN
from hico_platform.errors import ConfigError, DataError, UsageError
from tests.unit.config.test_layout_file import LAYOUT

OPTIONS: dict[str, Any] = {
    "format_name": "manifest", "layout": None, "unit": None, "coordinates": None, "table_map": None, "window": None,
    "stride": None, "missing": None, "bodies": "followed", "class_names": None, "normalisation": None, "workers": 1,
    "strict": False, "accept_implausible": False, "progress": None,
}  # fmt: skip


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    np.save(folder / "a.npy", np.ones((3, 25, 3)))
    (folder / "manifest.csv").write_text("path,label\na.npy,0\n")
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers: expected at least 1, got 0"),
        ({"window": 0}, "window: expected at least 1 frame, got 0"),
        ({"window": 3, "stride": 0}, "stride: expected at least 1 frame, got 0"),
        ({"stride": 3}, "window: expected a number of frames beside --stride; give --window"),
        ({"coordinates": 2}, "layout: expected the layout of poses in an image.*; give --layout coco"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    raw: Path, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "import_dataset", lambda *given, **more: pytest.fail("it was begun"))
    with pytest.raises(UsageError, match=message):
        prepare_dataset(raw=raw, out=raw / "out", **{**OPTIONS, **options})


def test_raw_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises((UsageError, DataError), match="nowhere"):
        prepare_dataset(raw=tmp_path / "nowhere", out=tmp_path / "out", **OPTIONS)


def test_the_layout_is_the_named_one_else_the_map_s(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(module, "import_dataset", lambda *given, options, **more: asked.append(options))
    prepare_dataset(raw=raw, out=raw / "out", **{**OPTIONS, "table_map": "kimore"})
    prepare_dataset(raw=raw, out=raw / "out", **{**OPTIONS, "table_map": "kimore", "layout": "coco"})
    prepare_dataset(raw=raw, out=raw / "out", **{**OPTIONS, "window": 8, "unit": "cm", "layout": "kinect-v2"})
    assert [options.layout.name for options in asked] == ["kinect-v2", "coco", "kinect-v2"]
    assert [options.map is None for options in asked] == [False, False, True]
    assert (asked[2].window, asked[2].stride, asked[2].unit_read) == (8, None, "cm")


def test_layouts_are_listed_one_is_found_and_one_of_a_file_says_its_file(tmp_path: Path) -> None:
    assert show_layouts(None, picture=None) == list(BUILT_IN.values())
    assert show_layouts("kinect-v2", picture=None) == [BUILT_IN["kinect-v2"]]
    file = tmp_path / "stick.yaml"
    file.write_text(LAYOUT)
    (own,) = show_layouts(str(file), picture=None)
    assert (own.layout.name, own.source) == ("stick", str(file))
    with pytest.raises(UsageError, match="draw: expected the layout to draw; name one beside it"):
        show_layouts(None, picture=tmp_path / "x.png")
    with pytest.raises(ConfigError, match="layout: expected one of"):
        show_layouts("nobody", picture=None)
