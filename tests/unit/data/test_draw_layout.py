from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hico_platform.data.draw_layout import draw_layout
from hico_platform.data.layouts import LAYOUTS
from hico_platform.errors import UsageError


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mediapipe", "kinect-v1"])
def test_a_layout_is_drawn(tmp_path: Path, name: str) -> None:
    draw_layout(LAYOUTS[name], tmp_path / "layout.png")
    assert (tmp_path / "layout.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"draw: expected a .png file, got 'layout.pdf'"):
        draw_layout(LAYOUTS["coco"], tmp_path / "layout.pdf")
    with pytest.raises(UsageError, match="draw: expected a file that can be written"):
        draw_layout(LAYOUTS["coco"], tmp_path / "none" / "layout.png")
    strange = replace(LAYOUTS["coco"], joints=("antenna", *LAYOUTS["coco"].joints[1:]))
    with pytest.raises(
        UsageError, match=r"layout.joints: expected a name that built-in layouts have, .*, got \['antenna'\]"
    ):
        draw_layout(strange, tmp_path / "layout.png")
