"""Pretrain one configuration, without a search.

Interrupted (Ctrl-C, SIGTERM, or killed), the same command goes on from the last checkpoint. Each configuration, on
each dataset and protocol, has a folder of its own; a folder given by --out that holds another run is refused. The
configuration holds what differs from the released settings, for example

  model: {encoder: gru, hidden_width: 64}
  optimiser: {name: adamw, learning_rate: 1.0e-3}
  budget: {epochs: 40}

examples:
  hico-platform pretrain --config my.yaml
  hico-platform pretrain --config my.yaml --set budget.seed=1 --out runs/second
  hico-platform pretrain --config my.yaml --data prepared/ntu60 --protocol xsub --gpus 1 --json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from hico_platform.cli import numbers
from hico_platform.cli.failure import known_secrets
from hico_platform.cli.overlap_option import add_allow_overlap
from hico_platform.cli.shared_option import add_shared, follow_option, make_home
from hico_platform.data.address import data_address
from hico_platform.search.drivers import command_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration")
    parser.add_argument(
        "--data", metavar="DIR", type=data_address, help="a prepared folder (default: the embedded dataset)"
    )
    parser.add_argument(
        "--protocol", metavar="P", help="xsub, xview, ... (default: xsub; all, for data without labels)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="checkpoints (default: in the home, runs/CONFIG-DIGEST)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="overrides the file")
    parser.add_argument(
        "--validate-every",
        type=numbers.count,
        default=5,
        metavar="N",
        help="epochs between two validations (default: 5)",
    )
    parser.add_argument("--cpus", type=numbers.cpus, metavar="N", help="CPU threads (default: all)")
    parser.add_argument(
        "--gpus",
        type=numbers.gpus,
        default=0,
        metavar="N",
        help="1: train on the GPU; more: share each batch (default: 0)",
    )
    add_allow_overlap(parser)
    add_shared(parser)
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Trains, shows the progress and prints the metrics."""
    from hico_platform.checkpoint import precision_of
    from hico_platform.cli.main import home_of
    from hico_platform.cli.views.pretrain_view import PretrainView
    from hico_platform.commands.pretrain import pretrain_one, pretraining_facts, run_folder
    from hico_platform.commands.short_recordings import crop_warning
    from hico_platform.config.merge import override
    from hico_platform.config.schema import parse
    from hico_platform.config.trial import TrialConfig
    from hico_platform.config.yaml_loader import read_yaml
    from hico_platform.cpus import available_cpus
    from hico_platform.worker.datasets import dataset, with_usual_protocol
    from hico_platform.writable import check_writable

    home = home_of(arguments)
    check_writable(
        arguments.out or home,
        rule="a folder for checkpoints that this user may write",
        remedy="give another by --out, or another --home",
    )
    config = parse(TrialConfig, override(read_yaml(arguments.config), arguments.set, whole=frozenset()))
    if arguments.out is None or arguments.data is None:
        make_home(home, arguments)
    else:
        follow_option(home, arguments)
    view = PretrainView(epochs=config.budget.epochs, quiet=arguments.quiet)
    directory = arguments.out
    try:
        with view:
            view.phase("opening the data")
            source = dataset(arguments.data, protocol=arguments.protocol or "xsub", home=home, progress=view.making)
            if arguments.protocol is None:
                source = with_usual_protocol(source)
            facts = pretraining_facts(source)
            _say(facts, warning=crop_warning(source, min_crop_frames=config.views.min_crop_frames), arguments=arguments)
            if directory is None:
                directory = run_folder(home / "runs", name=arguments.config.stem, config=config, source=source)
            store, outcome = pretrain_one(
                config=config,
                source=source,
                directory=directory,
                validate_every=arguments.validate_every,
                cpus=available_cpus() if arguments.cpus is None else arguments.cpus,
                gpus=arguments.gpus,
                allow_overlap=arguments.allow_overlap,
                report=view.report,
                watch=view.watch,
                progress=view.progress,
                activity=view.phase,
                command=command_line(["hico-platform", *arguments.words], secrets=known_secrets(arguments)),
            )
    except KeyboardInterrupt:
        if directory is None:
            raise
        if arguments.json:
            print(json.dumps({"interrupted": True, "epochs": view.epoch, "directory": str(directory)}, indent=1))
        done = f"{view.epoch} of {config.budget.epochs}"
        print(f"interrupted after epoch {done}; the same command goes on from {directory}", file=sys.stderr)
        return 130
    result = {
        "dataset": store.dataset,
        "data_digest": store.digest,
        "protocol": source.protocol,
        "split": "validation subjects of the training split" if outcome.metrics else None,
        **facts,
        "seed": config.budget.seed,
        "precision": precision_of(outcome.checkpoint.parent),
        "epochs": outcome.epoch,
        "epochs_trained_now": view.trained,
        "metrics": dict(outcome.metrics),
        "checkpoint": str(outcome.checkpoint),
    }
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        for name, value in outcome.metrics.items():
            print(f"{name:<24} {value:.1%}")
        scored = "validation subjects of" if outcome.metrics else "no label, so no evaluation:"
        print(f"{scored} {store.dataset} ({source.protocol}), data {store.digest[:12]}")
        print(f"epochs: {outcome.epoch}, of which {view.trained} were trained now")
        print(f"checkpoint: {outcome.checkpoint}")
    return 0


def _say(facts: Mapping[str, int], *, warning: str | None, arguments: argparse.Namespace) -> None:
    """What of the data is worth knowing before it is trained on."""
    from hico_platform.cli.views.pretrain_only import joining

    if (words := joining(facts)) and not arguments.quiet:
        labelled = f"{facts['train_sequences']:,} labelled sequences are trained on"
        print(f"{labelled if facts['train_sequences'] else 'nothing is evaluated'}; {words}", file=sys.stderr)
    if warning is not None:
        print(f"warning: {warning}", file=sys.stderr)
