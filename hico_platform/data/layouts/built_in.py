"""What is known of a built-in layout besides the layout itself."""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.data.layout import Layout, Line, Point


@dataclass(frozen=True, kw_only=True)
class BuiltIn:
    """A layout, where its joints and bones are defined, and other names under which users look for it."""

    layout: Layout
    source: str
    also: tuple[str, ...] = ()


def built_in(
    name: str,
    *,
    joints: str,
    parents: tuple[int, ...],
    centre: Point,
    z_axis: Line,
    x_axis: Line,
    source: str,
) -> BuiltIn:
    """A layout with the names of its joints in one text."""
    layout = Layout(
        name=name, joints=tuple(joints.split()), parents=parents, centre=centre, z_axis=z_axis, x_axis=x_axis
    )
    return BuiltIn(layout=layout, source=source)
