"""What a trained model says of recordings: the probable classes, and the most similar training sequences.

A file holds raw joints of the skeleton that the model was trained on, in metres (or pixels of 2D poses): .npy (T, J, 3)
or (T, M, J, 3), .npz with several of these, .skeleton as NTU RGB+D, or .csv with a row of 3 J numbers for each frame
(--map for other tables). They are normalised as the training data were. A file that cannot be read is an error of its
own, and the exit code is 3; the others are answered.

examples:
  hico-platform predict --model level_weights@champion waving.npy
  hico-platform predict --model level_weights@champion --k 3 --json recordings/*.skeleton
  hico-platform predict --model ./encoder --map azure-kinect session.csv
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.cli import numbers
from hico_platform.cli.encoder_options import add_tracking, tracking_of
from hico_platform.errors import DataError, Problem

if TYPE_CHECKING:
    from hico_platform.commands.predict import Prediction

_SHOWN_CLASSES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--model", required=True, metavar="MODEL",
        help="NAME@ALIAS or NAME/VERSION of the registry, or the folder of a model",
    )  # fmt: skip
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings of joints")
    parser.add_argument(
        "--k", type=numbers.count, default=5, metavar="N", help="neighbours of a recording (default: %(default)s)"
    )
    parser.add_argument("--map", metavar="MAP", help="how columns become joints: a name or a YAML file")
    add_tracking(parser)
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each recording")


def run(arguments: argparse.Namespace) -> int:
    """Answers file after file."""
    from hico_platform.commands.predict import load_model, model_source, predict_files
    from hico_platform.config.table_map_file import find_table_map

    table = None if arguments.map is None else find_table_map(arguments.map)
    source = model_source(arguments.model)
    encoder = load_model(source, tracking=tracking_of(source, arguments, field="--model"))
    failed = False
    for found in predict_files(encoder, arguments.files, k=arguments.k, table=table):
        failed |= isinstance(found, Problem)
        _show(found, as_json=arguments.json)
    return DataError.exit_code if failed else 0


def _show(found: Prediction | Problem, *, as_json: bool) -> None:
    from hico_platform.cli.views.prediction_view import as_line, as_text

    if isinstance(found, Problem):
        from hico_platform.cli.terminal import plain_line

        if as_json:
            print(json.dumps({"error": found.as_dict()}), flush=True)
        else:
            print(f"error: {plain_line(str(found))}", file=sys.stderr, flush=True)
    elif as_json:
        print(json.dumps(as_line(found)), flush=True)
    else:
        print(as_text(found, classes=_SHOWN_CLASSES), flush=True)
