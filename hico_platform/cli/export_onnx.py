"""Write the encoder of a trained model as an ONNX file, checked against PyTorch.

The file takes ``poses``, float32 (N, T, M, J, C) as ``load_encoder(...).prepare(recordings)`` returns them, for any N,
and gives ``features``, float32 (N, 2*G*D). Needs the packages onnx and onnxruntime: pip install 'hico-platform[onnx]'.

example:
  hico-platform export-onnx --model level_weights@champion --out encoder.onnx
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hico_platform.cli.encoder_options import add_tracking, tracking_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--model", required=True, metavar="MODEL",
        help="NAME@ALIAS or NAME/VERSION of the registry, or the folder of a model",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the .onnx file to write")
    add_tracking(parser)
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Writes the file and prints how far it is from PyTorch."""
    from hico_platform.commands.encoder import load_encoder
    from hico_platform.commands.predict import model_source
    from hico_platform.export.onnx_file import MOST_DIFFERENCE, check_onnx_packages, write_onnx

    check_onnx_packages()
    source = model_source(arguments.model)
    encoder = load_encoder(source, tracking=tracking_of(source, arguments, field="--model"))
    difference = write_onnx(encoder, arguments.out)
    if arguments.json:
        print(json.dumps({"file": str(arguments.out), "largest_difference": difference}))
    else:
        print(
            f"{arguments.out}: features differ from PyTorch's by at most {difference:.1e} ({MOST_DIFFERENCE} allowed)"
        )
    return 0
