"""What is in a store: counts by class, subject and camera, lengths, missing joints, and a picture.

examples:
  hico-platform data info ntu60
  hico-platform data info s3://bucket/ntu60 --draw skeletons.gif
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hico_platform.cli.main import home_of
from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.body import body_line
from hico_platform.commands.data import describe_dataset
from hico_platform.data.address import data_address

_MOST_SHOWN = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("dir", metavar="DIR", type=data_address, help="the store: a folder, or file://, s3:// or gs://")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="draw a few sequences to a .png or .gif")
    parser.add_argument("--draw-count", type=int, default=4, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Describes the store."""
    found, drawn = describe_dataset(
        arguments.dir, home=home_of(arguments), picture=arguments.draw, count=arguments.draw_count
    )
    if arguments.json:
        print(json.dumps(found.as_dict() | {"drawn": drawn}))
        return 0
    unlabelled = f" ({found.unlabelled:,} of them unlabelled)" if found.unlabelled else ""
    classes = f"{len(found.classes)} classes"
    _show(f"{found.dataset}: {found.sequences:,} sequences{unlabelled}, {classes}, layout {found.layout}")
    if found.body:
        _show(f"body      {body_line(found.body)}")
    _show(f"digest    {found.digest}")
    for name, parts in found.protocols.items():
        _show(f"protocol  {name}: {_counts(parts)}")
    for name, reason in found.unfit_protocols.items():
        _show(f"protocol  {name} does not fit: {reason}")
    lengths = found.frames
    _show(
        f"frames    {lengths.shortest} to {lengths.longest}, median {lengths.median:g}, mean {lengths.mean:.1f}, "
        f"{lengths.total:,} in all"
    )
    _show(f"bodies    {_counts(found.bodies)}")
    held = {name: count for name, count in found.classes.items() if count}
    empty = len(found.classes) - len(held)
    none = f"; {found.unlabelled:,} sequences without a label" if found.unlabelled else ""
    _show(f"classes   {_counts(held) or 'none'}" + (f"; {empty} without a sequence" if empty else "") + none)
    for column, counts in found.columns.items():
        _show(f"{column:<9} {_counts(counts)}")
    shares = {joint: f"{share:.1%}" for joint, share in found.missing_joints.items() if share > 0}
    _show(f"missing   {_counts(shares) if shares else 'no joint'}; body absent in {found.empty_frames:.1%} of frames")
    if found.tilted is None:
        _show("poses     as recorded")
    else:
        upright = f"{found.tilted:,} over 45 degrees off the vertical" if found.tilted else "all upright"
        _show(f"poses     normalised as {found.normalisation}, {upright}")
    if drawn:
        _show(f"drawn     {arguments.draw}: {', '.join(drawn)}")
    return 0


def _show(line: str) -> None:
    """Prints a line, made safe for a terminal, since names of classes and columns come from the store."""
    print(plain_line(line))


def _counts(counts: dict[str, int] | dict[str, str]) -> str:
    shown = [f"{value}: {count}" for value, count in list(counts.items())[:_MOST_SHOWN]]
    more = f", ... ({len(counts)} in all)" if len(counts) > _MOST_SHOWN else ""
    return ", ".join(shown) + more
