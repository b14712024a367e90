from __future__ import annotations

import struct

import pytest

from hico_platform.report.picture import picture, plain, png, short


@pytest.mark.slow
def test_a_picture_is_1200_pixels_wide() -> None:
    content = png(picture(height_inches=2.0))
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (1200, 200)


def test_names() -> None:
    assert plain("$a$") == r"\$a\$"
    assert short("abcdef", most=4) == "abc…"
    assert short("abcd", most=4) == "abcd"
