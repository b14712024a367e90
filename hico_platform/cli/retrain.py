"""Train the best configuration of a search again, on the whole training split, and score it on the test split.

Beside it, at the same budget: the released settings, the untrained encoder and the raw poses, each in every quick
downstream task, with 95 % intervals over persons and seeds and paired tests; then, as --tasks says, with few labels
and with parts of the body or frames missing. With --candidates 3 the best three configurations of the search are first
trained with all seeds on the training subjects; the mean on the validation subjects chooses, and only the chosen one is
scored on the test split.

The model of the first seed is registered in MLflow: under the alias champion where it is better than released
settings and untrained encoder beyond noise, else under challenger. Where registering fails the results are shown
all the same, with the reason, and the exit code is 1; the same command then registers it without training again, and
with other --tasks it scores these on what is trained already.

examples:
  hico-platform retrain level_weights
  hico-platform retrain level_weights --candidates 3
  hico-platform retrain level_weights --seeds 5 --epochs 100
  hico-platform retrain level_weights --tasks semi,occlusion,finetune
  hico-platform retrain --config best.yaml --data prepared/ntu60 --protocol xsub
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.cli import numbers
from hico_platform.cli.overlap_option import add_allow_overlap
from hico_platform.cli.shared_option import add_shared, make_home
from hico_platform.cli.store_options import add_store_options, home_paths, store_words
from hico_platform.cli.tasks_option import task_names
from hico_platform.data.address import data_address

if TYPE_CHECKING:
    from hico_platform.cli.views.output import Output
    from hico_platform.home import HomePaths
    from hico_platform.retrain.inputs import RetrainInputs
    from hico_platform.retrain.run import RetrainReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the search whose best configuration is trained")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a configuration file instead of a search")
    parser.add_argument(
        "--seeds", type=numbers.count, default=3, metavar="N", help="seeds of each entry and candidate (default: 3)"
    )
    parser.add_argument(
        "--candidates", type=numbers.count, default=1, metavar="N",
        help="how many of the search's best configurations validation chooses among, all seeds each (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=numbers.count, metavar="N", help="budget of a run (default: that of the configuration)"
    )
    parser.add_argument(
        "--tasks", type=task_names, default=("semi", "occlusion"), metavar="NAME,...|quick|all",
        help="tasks of evaluate beside the quick ones, which always run (default: semi,occlusion; quick: no others)",
    )  # fmt: skip
    parser.add_argument(
        "--unfinished", action="store_true", help="take the best so far of a search that still runs; the model says so"
    )
    parser.add_argument(
        "--data", metavar="DIR", type=data_address, help="the prepared data (default: what was searched on)"
    )
    parser.add_argument("--protocol", metavar="P", help="xsub, xview, ... with --config (default: xsub)")
    parser.add_argument(
        "--cpus", type=numbers.cpus, metavar="N", help="CPUs of a run (default: those of a trial, or one for each GPU)"
    )
    parser.add_argument(
        "--gpus",
        type=numbers.gpus,
        metavar="N",
        help="GPUs of a run, which share each batch (default: those of a trial, else 0)",
    )
    parser.add_argument(
        "--checkpoints", metavar="URL",
        help="where checkpoints are kept: s3://BUCKET/FOLDER, gs://... or file:///... (default: where those of the "
        "search are; with --config $HICO_CHECKPOINTS, else the home)",
    )  # fmt: skip
    parser.add_argument("--address", metavar="RAY", help="an existing Ray cluster (default: one of its own)")
    add_store_options(parser)
    add_allow_overlap(parser)
    add_shared(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Retrains and prints the comparison."""
    from hico_platform.cli.failure import known_secrets
    from hico_platform.cli.views.console import console_on
    from hico_platform.cli.views.output import Output
    from hico_platform.cli.views.run_log import RunLog
    from hico_platform.errors import Problem, UsageError
    from hico_platform.names import check_known_name

    if (arguments.name is None) == (arguments.config is None):
        raise UsageError(
            Problem(
                field="NAME",
                rule="the name of a search or --config FILE",
                remedy="see hico-platform retrain --help; hico-platform status lists the searches",
            )
        )
    if arguments.name is not None:
        check_known_name(arguments.name, field="NAME")
    paths = home_paths(arguments)
    paths.check_writable(study=False)
    make_home(paths.home, arguments)
    secrets = known_secrets(arguments)
    output = Output(console_on(sys.stderr, goes_on=True), quiet=arguments.quiet, log=RunLog(secrets=secrets))
    output.note(_words(arguments))
    with output:
        report = _retrain(arguments, paths, output)
        _print(report, arguments, output)
    if arguments.name is not None and not report.untracked:
        from hico_platform.commands.report_artifact import keep_report_of_search

        keep_report_of_search(paths, arguments.name)
    return 0 if report.unregistered is None else 1


def _retrain(arguments: argparse.Namespace, paths: HomePaths, output: Output) -> RetrainReport:
    """Retrains, and shows what goes on.

    Raises:
        KeyboardInterrupt: interrupted; its message says how to go on.
    """
    from hico_platform.cli.views.retrain_progress import RetrainView
    from hico_platform.search.phases import Phase

    try:
        with RetrainView(name=arguments.name or arguments.config.stem, output=output) as view:
            view.phase(Phase.LIBRARIES)
            from hico_platform.commands.checkpoints_option import checkpoints_option
            from hico_platform.commands.retrain import retrain_in_home

            checkpoints = checkpoints_option(arguments.checkpoints, field="--checkpoints")
            view.phase(Phase.DATA)
            inputs = _inputs(arguments, paths, progress=view.making)
            view.begins(inputs.name, log=paths.search(inputs.name) / "final" / "retrain.log", signal=inputs.data.signal)
            return retrain_in_home(
                paths,
                inputs,
                seeds=arguments.seeds,
                epochs=arguments.epochs,
                tasks=arguments.tasks,
                address=arguments.address,
                observe=view,
                watch=view.watch,
                command=_words(arguments),
                checkpoints=checkpoints,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with: {_repeat_command(arguments)}") from None


def _words(arguments: argparse.Namespace) -> str:
    from hico_platform.cli.failure import known_secrets
    from hico_platform.search.drivers import command_line

    return command_line(["hico-platform", *arguments.words], secrets=known_secrets(arguments))


def _print(report: RetrainReport, arguments: argparse.Namespace, output: Output) -> None:
    """Prints the comparison, and keeps it in the log."""
    from hico_platform.cli.views.retrain_view import as_json, next_commands, print_report

    plain = as_json(report)
    output.note(f"results {json.dumps(plain)}")
    if arguments.json:
        print(json.dumps({**plain, "log": None if output.log.path is None else str(output.log.path)}, indent=1))
        return
    print_report(report, again=_repeat_command(arguments))
    if output.log.path is not None:
        print(f"Log: {output.log.path}")
    for line in next_commands(report, is_search=arguments.name is not None, stores=store_words(arguments)):
        print(line)


def _inputs(
    arguments: argparse.Namespace,
    paths: HomePaths,
    *,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> RetrainInputs:
    """The configurations, data, CPUs and GPUs that the options select."""
    from hico_platform.errors import Problem, UsageError
    from hico_platform.retrain.inputs import inputs_of_file, inputs_of_search

    if arguments.config is not None:
        if arguments.candidates > 1:
            raise UsageError(
                Problem(
                    field="--candidates",
                    rule="the name of a search, of which several configurations are compared",
                    value=f"--config {arguments.config}",
                    remedy="leave out --candidates, or give the name of a search",
                )
            )
        inputs = inputs_of_file(
            paths,
            arguments.config,
            data=arguments.data,
            protocol=arguments.protocol,
            progress=progress,
            allow_overlap=arguments.allow_overlap,
        )
    else:
        inputs = inputs_of_search(
            paths,
            arguments.name,
            data=arguments.data,
            though_running=arguments.unfinished,
            allow_overlap=arguments.allow_overlap,
            candidates=arguments.candidates,
        )
        if len(inputs.candidates) < arguments.candidates > 1:
            print(
                f"{inputs.name} has {len(inputs.candidates)} different configurations with a score, and "
                f"{arguments.candidates} candidates were asked for",
                file=sys.stderr,
            )
        if inputs.best_so_far_of:
            print(f"the best so far is trained: {inputs.name} is {inputs.best_so_far_of}", file=sys.stderr)
    gpus = inputs.gpus if arguments.gpus is None else arguments.gpus
    cpus = max(inputs.cpus, int(gpus)) if arguments.cpus is None else arguments.cpus
    return dataclasses.replace(inputs, cpus=cpus, gpus=gpus)


def _repeat_command(arguments: argparse.Namespace) -> str:
    options = {
        "--config": arguments.config,
        "--seeds": arguments.seeds,
        "--candidates": arguments.candidates if arguments.candidates > 1 else None,
        "--epochs": arguments.epochs,
        "--tasks": ",".join(arguments.tasks) if arguments.tasks != ("semi", "occlusion") else None,
        "--data": arguments.data,
        "--protocol": arguments.protocol,
        "--checkpoints": arguments.checkpoints,
    }
    words = [arguments.name] if arguments.name else []
    words += [word for option, value in options.items() if value is not None for word in (option, str(value))]
    return f"hico-platform retrain {shlex.join(words)}{store_words(arguments)}"
