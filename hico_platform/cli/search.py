"""Search for the best configuration; interrupted, the same search goes on with --resume.

examples:
  hico-platform search --space level_weights.yaml
  hico-platform search --space my_space.yaml --data prepared/ntu60 --protocol xsub --trials 40
  hico-platform search --space level_weights.yaml --set budget.epochs=27 --set contrast.momentum=0.995 --name longer
  hico-platform search --resume --name longer
  hico-platform search --space level_weights.yaml --notify env:HICO_NOTIFY
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.cli.failure import known_secrets
from hico_platform.cli.metrics_options import add_metrics_options, check_metrics_options, exported_metrics
from hico_platform.cli.overlap_option import add_allow_overlap
from hico_platform.cli.shared_option import add_shared, make_home
from hico_platform.cli.store_options import add_store_options, home_paths, store_words
from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.console import console_on
from hico_platform.cli.views.output import Output
from hico_platform.cli.views.plan_view import print_plan
from hico_platform.cli.views.pretrain_only import joining
from hico_platform.cli.views.result_view import print_result
from hico_platform.cli.views.run_log import RunLog
from hico_platform.cli.views.search_view import SearchView
from hico_platform.commands.checkpoints_option import checkpoints_option
from hico_platform.config.package_files import find_space
from hico_platform.config.runtime_env import read_runtime_env
from hico_platform.config.space import CheckedSpace, load_space, space_from
from hico_platform.config.space_settings import MOST_TRIALS
from hico_platform.data.address import data_address
from hico_platform.errors import Problem, UsageError, command
from hico_platform.home import HomePaths
from hico_platform.names import check_known_name, check_name
from hico_platform.search.drivers import command_line, this_driver
from hico_platform.search.ledger.base import SearchRecord, TrialRecord
from hico_platform.search.phases import Phase
from hico_platform.search.result import SearchResult
from hico_platform.search.start import check_resumable

if TYPE_CHECKING:
    from hico_platform.commands.search_inputs import SearchInputs
    from hico_platform.monitoring.search_metrics import SearchMetrics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--space",
        metavar="FILE|NAME",
        help="what to search: a file, or the name of a space that ships with the package",
    )
    parser.add_argument(
        "--data", metavar="DIR", type=data_address, help="a prepared folder (default: the embedded dataset)"
    )
    parser.add_argument("--protocol", metavar="P", help="how train and test are chosen (default: the space's)")
    parser.add_argument("--name", metavar="NAME", help="name of the search (default: the space's)")
    parser.add_argument("--trials", type=int, metavar="N", help="trials in all (default: the space's)")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the search of this name; with --trials, extend it"
    )
    parser.add_argument(
        "--take-over", action="store_true", help="with --resume, go on with a search that another user ran last"
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything, show the plan, start nothing")
    parser.add_argument("--address", metavar="RAY", help="an existing Ray cluster, such as auto or host:6379")
    parser.add_argument(
        "--runtime-env", metavar="FILE",
        help="what Ray prepares on each machine before workers start there, as YAML: py_modules, pip, env_vars ...",
    )  # fmt: skip
    parser.add_argument("--cpus", type=int, metavar="N", help="CPUs to use on this machine (default: all)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments",
        help="overrides the space file: budget.epochs=3, trials=5, scheduler.grace_epochs=2 (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--notify", action="append", default=[], metavar="URL",
        help="tell how the search goes (may be repeated): https://HOST/PATH gets JSON, command:FILE runs a program; "
        "env:NAME or file:FILE hold addresses with secrets: slack://..., mailtos://...",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoints", metavar="URL",
        help="where checkpoints are kept: s3://BUCKET/FOLDER, gs://... or file:///..., reached by every machine "
        "(default: $HICO_CHECKPOINTS, else the home)",
    )  # fmt: skip
    add_store_options(parser)
    add_allow_overlap(parser)
    add_shared(parser)
    add_metrics_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to standard error")


def run(arguments: argparse.Namespace) -> int:
    """Checks the space before anything heavy is imported, then plans or runs the search."""
    paths = home_paths(arguments)
    _check_options(arguments)
    check_metrics_options(arguments)
    space = _space(arguments, paths)
    name = _name(arguments, space)
    if arguments.dry_run:
        return _dry_run(arguments, space, paths, name)
    paths.check_writable(study=True)
    if arguments.resume:
        check_resumable(paths, name, take_over=arguments.take_over)
    make_home(paths.home, arguments)
    console = console_on(sys.stderr if arguments.json else sys.stdout, goes_on=True)
    output = Output(console, quiet=arguments.quiet, log=RunLog(secrets=known_secrets(arguments)))
    with output, exported_metrics(arguments, name=name, paths=paths, say=output.say) as metrics:
        _warn_of_machine(arguments, paths, say=output.say)
        result = _search(arguments, space, paths, name, output=output, metrics=metrics)
        if arguments.json:
            log = None if output.log.path is None else str(output.log.path)
            print(json.dumps({**result.as_dict(), "log": log}), flush=True)
        else:
            print_result(
                result,
                objectives=space.settings.objectives,
                again=_resume_command(arguments, name),
                stores=store_words(arguments),
                output=output,
            )
    if not result.untracked:  # else the store is away
        from hico_platform.commands.report_artifact import keep_report_of_search

        keep_report_of_search(paths, name)
    return 1 if result.without_score else 0


def _warn_of_machine(arguments: argparse.Namespace, paths: HomePaths, *, say: Callable[[str], None]) -> None:
    """The quick checks of ``doctor``; what does not work ends the search by itself, with an error of its own."""
    from hico_platform.commands.doctor.examine import QUICK, examine
    from hico_platform.commands.doctor.finding import Surroundings

    around = Surroundings(paths=paths, environment=dict(os.environ), address=arguments.address)
    for finding in examine(around, checks=QUICK):
        if finding.remedy is not None:
            say(plain_line(f"warning: {finding.about}: {finding.found}; {finding.remedy}"))


def _search(
    arguments: argparse.Namespace,
    space: CheckedSpace,
    paths: HomePaths,
    name: str,
    *,
    output: Output,
    metrics: SearchMetrics | None,
) -> SearchResult:
    """Runs the search, and shows what goes on from the first second.

    Raises:
        KeyboardInterrupt: interrupted; its message says how to go on.
    """
    view = SearchView(space=space, limit=arguments.trials or space.settings.trials, name=name, output=output)
    words = command_line(["hico-platform", *arguments.words], secrets=known_secrets(arguments))
    output.note(words)

    def on_start(search: SearchRecord, trials: Sequence[TrialRecord]) -> None:
        output.open_log(paths.search(name) / "search.log")  # this process holds the search's lock
        view.on_start(search, trials)

    try:
        with view:
            view.phase(Phase.LIBRARIES)
            from hico_platform.commands import search, search_inputs
            from hico_platform.commands.notifying import senders
            from hico_platform.search.execution import ClusterOptions
            from hico_platform.search.start import SearchRequest
            from hico_platform.tracking.tracker_process import tracker_process

            told = senders(space, arguments.notify)
            runtime_env = None if arguments.runtime_env is None else read_runtime_env(Path(arguments.runtime_env))
            view.phase(Phase.DATA)
            inputs = search_inputs.search_inputs(
                space, home=paths.home, data=_data(arguments, paths, name), progress=view.making
            )
            _say_inputs(inputs, space=space, name=name, home=paths.home, output=output)
            request = SearchRequest(
                name=name,
                space=space,
                facts=inputs.facts,
                resume=arguments.resume,
                limit=arguments.trials,
                driver=this_driver(command=words),
                take_over=arguments.take_over,
            )
            with tracker_process(uri=paths.tracking_uri, artifacts=paths.artifacts) as tracker:
                return search.run_search(
                    request,
                    paths=paths,
                    function=inputs.function,
                    tracker=tracker,
                    cluster=ClusterOptions(address=arguments.address, runtime_env=runtime_env, cpus=arguments.cpus),
                    probe=inputs.probe,
                    observers=[view],
                    on_start=on_start,
                    senders=told,
                    metrics=metrics,
                    watch=view.watch,
                    checkpoints=checkpoints_option(arguments.checkpoints, field="--checkpoints"),
                )
    except KeyboardInterrupt:
        if view.has_begun or arguments.resume:
            raise KeyboardInterrupt(f"go on with: {_resume_command(arguments, name)}") from None
        raise KeyboardInterrupt(f"the search has not begun, run the same command again: {words}") from None


def _say_inputs(inputs: SearchInputs, *, space: CheckedSpace, name: str, home: Path, output: Output) -> None:
    """What is searched on, and what of it is worth knowing before."""
    more = inputs.facts.more
    output.say(
        f"search {name}: trials of at most {space.base.budget.epochs} epochs on {more['dataset']} "
        f"({inputs.facts.protocol}), home {home}"
    )
    for warning in inputs.warnings:
        output.warn(warning)
    if words := joining(more):
        output.say(f"{more['train_sequences']:,} labelled sequences are trained on; {words}")


def _check_options(arguments: argparse.Namespace) -> None:
    for option, value in (("--trials", arguments.trials), ("--cpus", arguments.cpus)):
        if value is not None and value < 1:
            raise UsageError(Problem(field=option, rule="at least 1", value=value, remedy="give a count"))
    if arguments.trials is not None and arguments.trials > MOST_TRIALS:
        rule = f"at most {MOST_TRIALS:,}"
        raise UsageError(Problem(field="--trials", rule=rule, value=arguments.trials, remedy="give a count"))
    if arguments.name is not None:
        check_known_name(arguments.name, field="--name")
    checkpoints_option(arguments.checkpoints, field="--checkpoints")
    if arguments.take_over and not arguments.resume:
        raise UsageError(
            Problem(
                field="--take-over",
                rule="a search that is resumed",
                remedy="leave it out: a new search is nobody else's",
            )
        )


def _name(arguments: argparse.Namespace, space: CheckedSpace) -> str:
    """The name of the search; the rule for names applies to new searches only."""
    name, field = (arguments.name, "--name") if arguments.name is not None else (space.name, "name")
    return check_known_name(name, field=field) if arguments.resume else check_name(name, field=field)


def _dry_run(arguments: argparse.Namespace, space: CheckedSpace, paths: HomePaths, name: str) -> int:
    from hico_platform.commands.dry_run import dry_run

    plan = dry_run(
        space,
        paths=paths,
        name=name,
        resume=arguments.resume,
        take_over=arguments.take_over,
        limit=arguments.trials,
        data=arguments.data,
        address=arguments.address,
        cpus=arguments.cpus,
    )
    if arguments.json:
        print(json.dumps(plan.as_dict()))
    else:
        print(f"space {space.name} is sound; nothing was started")
        print_plan(plan)
    return 0


def _space(arguments: argparse.Namespace, paths: HomePaths) -> CheckedSpace:
    assignments = list(arguments.assignments)
    if arguments.protocol:
        assignments.append(f"protocol={arguments.protocol}")
    if arguments.allow_overlap:
        assignments.append("allow_overlap=true")
    if arguments.space:
        return load_space(find_space(arguments.space), assignments=assignments)
    if not (arguments.resume and arguments.name):
        raise UsageError(
            Problem(
                field="--space",
                rule="a space file, or --resume and --name",
                remedy="try --space level_weights.yaml",
            )
        )
    from hico_platform.search.status import search_status

    source = search_status(paths, arguments.name).search.source
    return space_from(source, assignments=assignments)


def _data(arguments: argparse.Namespace, paths: HomePaths, name: str) -> str | None:
    """The dataset of ``--data``, else the one of the search that is resumed."""
    if arguments.data or not arguments.resume:
        return str(arguments.data) if arguments.data else None
    from hico_platform.search.status import search_status
    from hico_platform.worker.datasets import located

    try:
        return located(str(search_status(paths, name).search.facts.more["data"]), home=paths.home)
    except UsageError:  # no such search yet: this one begins it
        return None


def _resume_command(arguments: argparse.Namespace, name: str) -> str:
    return command("search", "--resume", "--name", name) + store_words(arguments)
