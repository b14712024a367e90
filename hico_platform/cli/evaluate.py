"""Score a trained encoder on downstream tasks, beside an untrained one and the poses themselves.

A checkpoint is a run's folder (its newest one counts) or one checkpoint in it, an exported encoder, a model of the
registry, or a released HiCo .pth.tar. Several of them, one a stream, are fused too (--tasks fusion). Tasks are quick
(knn, linear, retrieval, calibration, transfer, fusion) or all: also semi, semi-finetune, finetune, transfer-finetune,
occlusion and those of other packages; or they are named one by one. With --split test, the default, classifiers are
fitted on the whole training part; with --split val on the part that a search trains on.

examples:
  hico-platform evaluate --checkpoint models:/mine@champion --data prepared/mine --protocol odd-subjects
  hico-platform evaluate --checkpoint runs/mine-1a2b3c4d --data prepared/mine --protocol odd-subjects --split val
  hico-platform evaluate --checkpoint checkpoint_0450.pth.tar --data ntu60 --tasks knn,linear --by-class
  hico-platform evaluate --checkpoint joint --checkpoint bone --checkpoint motion --data ntu60 --tasks fusion
  hico-platform evaluate --checkpoint encoder --data ntu60 --tasks transfer --target pku2 --json
  hico-platform evaluate --checkpoint encoder --data ntu60 --out evaluated    (scores.json, confusion matrices, figures)
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hico_platform.cli.encoder_options import (
    add_machine,
    add_not_in_the_file,
    add_tracking,
    read_encoder,
    use_machine,
)
from hico_platform.cli.tasks_option import task_names
from hico_platform.data.address import data_address

SPLITS = ("test", "val")
BASELINES = ("quick", "all", "none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--checkpoint", action="append", required=True, metavar="FILE|FOLDER|models:/NAME@ALIAS",
        help="the encoder; given several times: one of each stream",
    )  # fmt: skip
    parser.add_argument("--data", required=True, metavar="DIR", type=data_address, help="a prepared folder")
    parser.add_argument("--protocol", default="xsub", metavar="P", help="xsub, xview, ... or a file (default: xsub)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="what is scored (default: test)")
    parser.add_argument(
        "--tasks",
        type=task_names,
        default=("quick",),
        metavar="NAME,...|quick|all",
        help="what is run (default: quick)",
    )
    parser.add_argument(
        "--baselines", choices=BASELINES, default="quick",
        help="tasks on which the untrained encoder and the poses themselves are scored beside it (default: quick)",
    )  # fmt: skip
    parser.add_argument("--target", metavar="DIR", type=data_address, help="another prepared folder, for transfer")
    parser.add_argument("--target-protocol", metavar="P", help="its protocol (default: that of --data)")
    parser.add_argument(
        "--label-list", action="append", default=[], type=Path, metavar="FILE",
        help="names of training sequences, a line each, whose labels semi-supervised tasks use (default: drawn)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of whatever tasks draw (default: 0)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="a setting, such as evaluation.linear_epochs=200 (default: those of the first checkpoint)",
    )  # fmt: skip
    parser.add_argument("--by-class", action="store_true", help="show the accuracy by class too")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="a new folder for scores.json, confusion matrices and figures"
    )
    parser.add_argument(
        "--allow-overlap", action="store_true",
        help="score sequences even where the encoder was trained on them; every number then says how many",
    )  # fmt: skip
    add_not_in_the_file(parser)
    add_machine(parser)
    add_tracking(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Evaluates, shows the progress and prints the scores."""
    from hico_platform.cli.main import home_of
    from hico_platform.cli.views.progress_line import ProgressLine

    loading = ProgressLine("loading libraries, data and encoder", quiet=arguments.quiet)
    from hico_platform.cli.views.evaluation_view import EvaluationView, as_json, print_evaluation
    from hico_platform.commands.evaluate import evaluate, evaluation_settings
    from hico_platform.commands.evaluation_files import write_evaluation
    from hico_platform.commands.evaluation_report import Baselines, EvaluationRequest
    from hico_platform.enums import Part
    from hico_platform.evaluate.tasks.registry import wanted_tasks
    from hico_platform.worker.datasets import dataset
    from hico_platform.writable import check_free

    wanted_tasks(arguments.tasks)
    if arguments.out is not None:
        check_free(arguments.out)
    home = home_of(arguments)
    source = dataset(arguments.data, protocol=arguments.protocol, home=home)
    target = None
    if arguments.target is not None:
        target = dataset(arguments.target, protocol=arguments.target_protocol or arguments.protocol, home=home)
    encoders = [read_encoder(checkpoint, arguments) for checkpoint in arguments.checkpoint]
    request = EvaluationRequest(
        encoders=encoders,
        source=source,
        part=Part(arguments.split),
        tasks=arguments.tasks,
        config=evaluation_settings(encoders[0].config.evaluation, arguments.set),
        target=target,
        baselines=Baselines(arguments.baselines),
        seed=arguments.seed,
        allow_overlap=arguments.allow_overlap,
        label_lists=arguments.label_list,
        figures=arguments.out is not None,
    )
    device = use_machine(arguments)
    view = EvaluationView(quiet=arguments.quiet)
    loading.clear()
    with view:
        report = evaluate(request, device=device, watch=view)
    plain = as_json(report)
    files = [] if arguments.out is None else write_evaluation(report, plain, arguments.out)
    if arguments.json:
        print(json.dumps(plain, indent=1))
        return 0
    print_evaluation(report, by_class=arguments.by_class)
    if files:
        print(f"written: {arguments.out} ({', '.join(files)})", file=sys.stderr)
    return 0
