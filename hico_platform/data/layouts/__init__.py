"""The built-in layouts; another one is an entry in the file of its family, and its joints' places in ``anatomy``."""

from __future__ import annotations

from hico_platform.data.anatomy import joint_key
from hico_platform.data.layout import Layout
from hico_platform.data.layouts.built_in import BuiltIn
from hico_platform.data.layouts.common import COMMON
from hico_platform.data.layouts.images import IMAGES
from hico_platform.data.layouts.kinect import KINECT
from hico_platform.data.layouts.motion_capture import MOTION_CAPTURE

_MADE = {one.layout.name for one in COMMON}
BUILT_IN: dict[str, BuiltIn] = {one.layout.name: one for one in (*KINECT, *IMAGES, *MOTION_CAPTURE, *COMMON)}
LAYOUTS: dict[str, Layout] = {name: one.layout for name, one in BUILT_IN.items()}
RECORDED: dict[str, Layout] = {name: layout for name, layout in LAYOUTS.items() if name not in _MADE}
"""Those that raw files are in."""
ALSO: dict[str, Layout] = {name: one.layout for one in BUILT_IN.values() for name in one.also}
"""Layouts by other names, of datasets that have them."""


def same_joints(one: Layout, other: Layout) -> bool:
    """Whether two layouts have the same joints in the same order."""
    return [*map(joint_key, one.joints)] == [*map(joint_key, other.joints)]


__all__ = ["ALSO", "BUILT_IN", "LAYOUTS", "RECORDED", "BuiltIn", "same_joints"]
