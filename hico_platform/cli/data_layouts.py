"""List the built-in skeleton layouts, or show one: joints, bones, centre and axes, and a person with numbered joints.

examples:
  hico-platform data layouts
  hico-platform data layouts coco --draw coco.png
  hico-platform data layouts my_layout.yaml --json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hico_platform.cli.terminal import plain_line
from hico_platform.commands.data import show_layouts
from hico_platform.data.layout import Layout, Point


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", nargs="?", metavar="NAME|FILE", help="a layout to show: a name, or a YAML file")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="draw the layout to a .png")
    parser.add_argument("--json", action="store_true", help="print layouts as JSON, with the keys of a layout file")


def run(arguments: argparse.Namespace) -> int:
    """Prints the layouts."""
    found = show_layouts(arguments.name, picture=arguments.draw)
    if arguments.json:
        plain = [one.layout.as_plain() | {"source": one.source, "also": list(one.also)} for one in found]
        print(json.dumps(plain if arguments.name is None else plain[0]))
        return 0
    if arguments.name is None:
        for one in found:
            also = f" (also {', '.join(one.also)})" if one.also else ""
            centre = _said(one.layout, one.layout.centre)
            print(f"{one.layout.name:<13} {len(one.layout.joints):>3} joints, centre {centre}{also}")
            print(f"{'':<13} {one.source}")
        return 0
    [one] = found
    print(plain_line(f"{one.layout.name}: {len(one.layout.joints)} joints"))
    for joint, (name, parent) in enumerate(zip(one.layout.joints, one.layout.parents, strict=True)):
        bone = "root" if parent == joint else f"parent {parent:>3} {one.layout.joints[parent]}"
        print(plain_line(f"{joint:>4}  {name:<20} {bone}"))
    print(plain_line(f"centre  {_said(one.layout, one.layout.centre)}"))
    for name, (start, end) in (("z_axis", one.layout.z_axis), ("x_axis", one.layout.x_axis)):
        print(plain_line(f"{name}  from {_said(one.layout, start)} to {_said(one.layout, end)}"))
    print(plain_line(f"source  {one.source}"))
    if arguments.draw:
        print(plain_line(f"drawn   {arguments.draw}"))
    return 0


def _said(layout: Layout, point: Point) -> str:
    if isinstance(point, int):
        return layout.joints[point]
    return f"the midpoint of {' and '.join(layout.joints[joint] for joint in point)}"
