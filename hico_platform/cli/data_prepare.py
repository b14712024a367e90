"""Turn raw skeleton files into a store, in parallel; stopped, the same command goes on where it was.

examples:
  hico-platform data prepare --format ntu60 --raw nturgb+d_skeletons --missing missing.txt --out ntu60
  hico-platform data prepare --format manifest --raw recordings/manifest.csv --layout kinect-v1 --out mine
  hico-platform data prepare --format auto --raw captured --window 64 --stride 32 --out mine
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hico_platform.cli.terminal import plain
from hico_platform.cli.views.body import body_line
from hico_platform.cli.views.data_progress import DataProgress
from hico_platform.commands.data import (
    AUTO,
    BODY_ORDERS,
    FORMAT_NAMES,
    LAYOUT_CHOSEN,
    NORMALISATIONS,
    UNITS,
    prepare_dataset,
    recognised_format,
)
from hico_platform.cpus import available_cpus
from hico_platform.errors import command

_MOST_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--format", default=AUTO, choices=FORMAT_NAMES, help="what the raw files are (default: what they look like)"
    )
    parser.add_argument("--raw", required=True, type=Path, metavar="PATH", help="the raw files: a folder or a file")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the store to make; must not exist")
    parser.add_argument(
        "--layout", metavar="NAME|FILE",
        help="skeleton of formats that do not say theirs: a name that `data layouts` lists, or a YAML file (default: "
        "kinect-v2; for a manifest or table the one that its joints fit, for bvh and amc its own)",
    )  # fmt: skip
    parser.add_argument(
        "--unit", choices=UNITS,
        help="unit of the coordinates, in formats that do not fix it (default: as --map says, inches for amc, "
        "else metres)",
    )  # fmt: skip
    parser.add_argument(
        "--coordinates", type=int, choices=(2, 3),
        help="2: poses in an image, x right and y down, of which a third coordinate is a score (manifest, pyskl)",
    )  # fmt: skip
    parser.add_argument(
        "--map", metavar="NAME|FILE",
        help="what the columns or keys of CSV and JSON files are (table, bvh, amc, manifest): azure-kinect, irds, "
        "kimore, mediapipe, msrc-12 or a YAML file",
    )  # fmt: skip
    parser.add_argument(
        "--window", type=int, metavar="N", help="cut recordings into windows of so many frames (default: not cut)"
    )
    parser.add_argument("--stride", type=int, metavar="N", help="frames from a window to the next (default: --window)")
    parser.add_argument("--missing", type=Path, metavar="FILE", help="names to leave out (ntu60, ntu120)")
    parser.add_argument(
        "--bodies", default=BODY_ORDERS[0], choices=BODY_ORDERS,
        help="NTU: follow a person by bodyID, joined where the sensor gave another one, or take bodies by their "
        "order as the released reader (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--class-names", type=Path, metavar="FILE", help="names of classes, one a line, for labels that are numbers"
    )
    parser.add_argument(
        "--normalisation", choices=NORMALISATIONS,
        help="how poses are centred and turned (default: as is usual for the format)",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=available_cpus(), metavar="N", help="worker processes")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad input (exit 3)")
    parser.add_argument(
        "--accept-implausible", action="store_true", help="import bodies that cannot be people in this layout and unit"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON, with every problem")


def run(arguments: argparse.Namespace) -> int:
    """Prepares the store, and reports what was read, kept and skipped, and why."""
    format_name = arguments.format
    if format_name == AUTO:
        format_name, why = recognised_format(arguments.raw, table_map=arguments.map)
        print(plain(f"format {format_name}: {why}"), file=sys.stderr)
    try:
        with DataProgress("reading", quiet=arguments.quiet) as progress:
            report = prepare_dataset(
                format_name=format_name,
                raw=arguments.raw,
                out=arguments.out,
                layout=arguments.layout,
                unit=arguments.unit,
                coordinates=arguments.coordinates,
                table_map=arguments.map,
                window=arguments.window,
                stride=arguments.stride,
                missing=arguments.missing,
                bodies=arguments.bodies,
                class_names=arguments.class_names,
                normalisation=arguments.normalisation,
                workers=arguments.workers,
                strict=arguments.strict,
                accept_implausible=arguments.accept_implausible,
                progress=progress,
                on_phase=progress.phase,
            )
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        raise
    if arguments.json:
        printed = {
            "out": str(arguments.out),
            "read": report.read,
            "kept": report.kept,
            "skipped": len(report.skipped),
            "left_out": report.left_out,
            "unlabelled": report.unlabelled,
            "remarks": dict(report.remarks),
            "layout": report.layout,
            "body": dict(report.body),
            "warnings": list(report.warnings),
            "resumed_items": report.resumed_items,
            "reasons": report.reasons(),
            "problems": [problem.as_dict() for problem in report.skipped],
        }
        print(json.dumps(printed))
        return 0
    print(f"read {report.read:,}, kept {report.kept:,}, skipped {len(report.skipped):,}, left out {report.left_out:,}")
    if report.unlabelled:
        which = "all" if report.unlabelled == report.kept else f"{report.unlabelled:,} of"
        print(f"{which} {report.kept:,} kept have no label: pretraining uses them, evaluation does not")
    if report.body:
        is_named = arguments.layout or arguments.map or arguments.format not in LAYOUT_CHOSEN
        chosen = "" if is_named else " (none was named; its bones fit)"
        print(plain(f"layout {report.layout}{chosen}, body {body_line(report.body)}"))
    for warning in report.warnings:
        print(plain(f"warning: {warning}"))
    if report.resumed_items:
        print(f"went on from {report.resumed_items:,} that an earlier run had read")
    for remark, count in report.remarks.items():
        print(plain(f"  {count:>7,}  {remark}"))
    for reason, count in report.reasons().items():
        print(plain(f"  {count:>7,}  {reason}"))
    for problem in report.skipped[:_MOST_SHOWN]:
        print(plain(f"skipped: {problem}"))
    if len(report.skipped) > _MOST_SHOWN:
        print(f"... and {len(report.skipped) - _MOST_SHOWN:,} more; --json names them all")
    print(f"next: {command('data', 'info', arguments.out)}")
    return 0
