"""Write the features of a dataset as a Parquet file, for tools of your own.

A row is a sequence: name (string), label (int, null where there is none) and feature (a list of 2*G*D float32, before
any normalisation), of the centre crop, dropout off. The table's metadata, under the key hico, say in JSON what they
depend on: data, protocol, split, checkpoint and code. The parts train and val together are what a test split is scored
against.

examples:
  hico-platform features --checkpoint models:/mine@champion --data prepared/mine --split train --out train.parquet
  hico-platform features --checkpoint checkpoint_0450.pth.tar --data ntu60 --split test --out test.parquet
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hico_platform.cli.encoder_options import (
    add_machine,
    add_not_in_the_file,
    add_tracking,
    read_encoder,
    use_machine,
)
from hico_platform.data.address import data_address

SPLITS = ("train", "val", "test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--checkpoint", required=True, metavar="FILE|FOLDER|models:/NAME@ALIAS",
        help="the encoder: as evaluate takes it",
    )  # fmt: skip
    parser.add_argument("--data", required=True, metavar="DIR", type=data_address, help="a prepared folder")
    parser.add_argument(
        "--protocol", metavar="P", help="xsub, xview, ... (default: xsub; all, for data without labels)"
    )
    parser.add_argument("--split", choices=SPLITS, required=True, help="which part of the data")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.parquet", help="where to write; must not exist"
    )
    add_not_in_the_file(parser)
    add_machine(parser)
    add_tracking(parser)
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Encodes and writes."""
    from hico_platform.cli.main import home_of
    from hico_platform.cli.views.progress_line import ProgressLine
    from hico_platform.commands.features import write_features
    from hico_platform.enums import Part
    from hico_platform.worker.datasets import dataset, with_usual_protocol
    from hico_platform.writable import check_free

    check_free(arguments.out)
    source = dataset(arguments.data, protocol=arguments.protocol or "xsub", home=home_of(arguments))
    if arguments.protocol is None:
        source = with_usual_protocol(source)
    encoder = read_encoder(arguments.checkpoint, arguments)
    device = use_machine(arguments)
    progress = ProgressLine("encoding", quiet=arguments.quiet)
    written = write_features(
        encoder, source=source, part=Part(arguments.split), out=arguments.out, device=device, progress=progress
    )
    if arguments.json:
        print(json.dumps({"out": str(arguments.out), **written}, indent=1))
    else:
        print(f"{arguments.out}: {written['sequences']:,} sequences, {written['feature_width']} numbers each")
    return 0
