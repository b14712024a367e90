"""The options of commands that read a trained encoder, whatever holds it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.cli import numbers

if TYPE_CHECKING:
    import torch

    from hico_platform.commands.released_encoder import NotInTheFile
    from hico_platform.commands.trained_encoder import TrainedEncoder

TRACKING_FILE = "mlflow.db"  # of a home; looking a model up would make one
STREAMS = ("joint", "bone", "motion")


def add_tracking(parser: argparse.ArgumentParser) -> None:
    """Adds the option for the store that has the registry."""
    parser.add_argument(
        "--tracking", metavar="URI", default=os.environ.get("MLFLOW_TRACKING_URI"),
        help="MLflow tracking store that has models:/... (default: $MLFLOW_TRACKING_URI, else mlflow.db in the home)",
    )  # fmt: skip


def add_not_in_the_file(parser: argparse.ArgumentParser) -> None:
    """Adds the options for what a released checkpoint does not say."""
    group = parser.add_argument_group("what a released .pth.tar does not say")
    group.add_argument(
        "--stream", choices=STREAMS, help="what it was trained on (default: joint, and the output says so)"
    )
    group.add_argument(
        "--heads", type=numbers.count, metavar="N", help="attention heads of a Transformer (default: 4, as released)"
    )
    group.add_argument(
        "--layout", metavar="NAME|FILE", help="the layout of its skeletons (default: kinect-v2, as released)"
    )


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Adds the options for CPU threads and the GPU."""
    parser.add_argument("--cpus", type=numbers.cpus, metavar="N", help="CPU threads (default: all)")
    parser.add_argument("--gpus", type=numbers.gpus, default=0, metavar="N", help="1: compute on the GPU (default: 0)")


def not_in_the_file(arguments: argparse.Namespace) -> NotInTheFile:
    """What the options say of a released checkpoint."""
    from hico_platform.commands.released_encoder import NotInTheFile
    from hico_platform.enums import Stream

    stream = None if arguments.stream is None else Stream(arguments.stream)
    return NotInTheFile(stream=stream, heads=arguments.heads, layout=arguments.layout)


def tracking_of(source: str | Path, arguments: argparse.Namespace, *, field: str) -> str:
    """The tracking store of a source. Raises UsageError where it is to hold a model and the home has none."""
    from hico_platform.cli.main import home_of
    from hico_platform.commands.encoder import is_registered
    from hico_platform.errors import Problem, UsageError
    from hico_platform.home import mlflow_uri

    home = home_of(arguments)
    if is_registered(source) and not arguments.tracking and not (home / TRACKING_FILE).exists():
        raise UsageError(
            Problem(field=field, rule="a model of a tracking store", value=f"{source}, and {home} has none",
                    remedy="give the home or the store that has it by --home or --tracking")
        )  # fmt: skip
    return arguments.tracking or mlflow_uri(home)


def read_encoder(source: str, arguments: argparse.Namespace) -> TrainedEncoder:
    """The encoder of a source, with a line on what was assumed of a released checkpoint."""
    import sys

    from hico_platform.commands.trained_encoder import trained_encoder

    tracking = tracking_of(source, arguments, field="checkpoint")
    encoder = trained_encoder(source, tracking=tracking, given=not_in_the_file(arguments))
    assumed = encoder.provenance.get("assumed") or {}
    if assumed:
        said = ", ".join(f"{name} {value}" for name, value in assumed.items())
        print(f"{source}: {said}: assumed, as released, since its file does not say", file=sys.stderr)
    return encoder


def use_machine(arguments: argparse.Namespace) -> torch.device:
    """Sets the number of threads; returns the device. Raises UsageError where there is no GPU to use."""
    import torch

    from hico_platform.cpus import available_cpus
    from hico_platform.errors import Problem, UsageError

    torch.set_num_threads(max(1, int(available_cpus() if arguments.cpus is None else arguments.cpus)))
    if not arguments.gpus:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError(
            Problem(field="gpus", rule="a GPU that PyTorch can use", value=arguments.gpus,
                    remedy="leave it out to compute on the CPU, or install a PyTorch for this machine's GPU")
        )  # fmt: skip
    return torch.device("cuda")
