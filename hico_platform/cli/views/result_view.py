"""The result of a search in words: what ``search`` prints at its end."""

from __future__ import annotations

from collections.abc import Sequence

from hico_platform.cli.views.output import Output
from hico_platform.cli.views.search_picture import endings, shown_measures, shown_values
from hico_platform.config.space import Objective
from hico_platform.errors import command
from hico_platform.search.result import SearchResult


def print_result(
    result: SearchResult, *, objectives: Sequence[Objective], again: str, stores: str, output: Output
) -> None:
    """State, best trial, Pareto front, what the tracking store lacks, and what to do next.

    Args:
        result: the result.
        objectives: of the space.
        again: the command that resumes the search.
        stores: the options that name home and stores, for the commands that come next.
        output: where it is printed.
    """
    say = output.tell
    best = result.best
    say("")
    say(f"search {result.search.name} {result.progress}: {', '.join(endings(result.trials))}")
    if result.ended_by:
        say(f"ended before its {result.search.limit} trials: {result.ended_by}")
    if best is not None:
        metrics = best.ending.metrics if best.ending else {}
        say(f"best: trial {best.number}, {shown_values(best.values)}", style="bold")
        say(f"      {', '.join(f'{metric} {value:.3f}' for metric, value in metrics.items())} (validation)")
    elif result.without_score:
        say("no trial was scored", style="bold")
    if len(objectives) > 1:
        say("Pareto front:")
        for trial in result.front:
            measures = shown_measures(trial.measures, objectives)
            say(f"      trial {trial.number}: {measures}; {shown_values(trial.values)}")
    if result.untracked:
        missing = f"the tracking store was away: {result.untracked} writes are missing there"
        say(f"{missing}; they are made up for by: {again}")
    if result.refused:
        say(f"{result.refused} writes were refused by the tracking store: {result.refusal}")
    if output.log.path is not None:
        say(f"log: {output.log.path}")
    output.tell_command("next", f"{result.next_command}{stores}")
    output.tell_command("browse", f"{command('ui')}{stores}")
