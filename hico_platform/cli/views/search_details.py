"""A search whole, and a trial whole, as lines of text."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from hico_platform.amounts import shown_bytes, shown_duration
from hico_platform.cli.terminal import plain, plain_line
from hico_platform.cli.views.search_picture import endings, shown_measures, shown_score, shown_values
from hico_platform.cli.views.sparkline import sparkline
from hico_platform.config.parameters import Choice, Fixed, Parameter, Range, Simplex
from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Decision
from hico_platform.errors import command
from hico_platform.search.drivers import clock_time, starter
from hico_platform.search.keep_rule import Kept
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.score_interval import score_interval
from hico_platform.search.state import SearchState, trial_status
from hico_platform.search.status import SearchStatus
from hico_platform.search.trial_checkpoints import kept_record

_WIDTH = 14
"""Standard errors to each side of a score within which 95 % of a normal distribution lie."""


def search_lines(
    status: SearchStatus, *, bytes_on_disk: int | None, stores: str, stored: Mapping[str, int | None] = {}
) -> Iterator[str]:
    """Everything that is known of a search but its trials' curves.

    Args:
        status: the search.
        bytes_on_disk: of its folder in this home; None where this home has none.
        stored: bytes in stores of checkpoints, by address; None where a store does not say.
        stores: the options that name home and stores, for the commands that come next.
    """
    search, settings, facts = status.search, status.space.settings, status.search.facts
    yield f"{plain_line(search.name)}: {status.progress}" + (", archived" if status.is_archived else "")
    yield from _field("description", settings.description)
    yield from _field("note", None if status.note is None else f"{status.note.text} ({status.note.by})")
    yield from _field("tags", ", ".join(tag.name for tag in status.tags))
    yield from _field("former names", ", ".join(search.former_names))
    first = starter(status.drivers)
    began = clock_time(search.began_at_s)
    yield from _field("begun", f"{began}{'' if first is None else f' by {first.user} on {first.host}'}")
    if len(status.drivers) > 1:
        last = status.drivers[-1]
        times = len(status.drivers) - 1
        yield from _field(
            "resumed", f"{times} time{'' if times == 1 else 's'}, last {clock_time(last.began_at_s)} by {last.user} on "
            f"{last.host}"
        )  # fmt: skip
    yield from _field("ended by", status.ended_by)
    yield from _field("data", f"{facts.more.get('dataset', 'unknown')}, digest {facts.data_digest[:12]}")
    yield from _field("protocol", facts.protocol)
    yield from _field("code version", facts.code_version)
    yield from _field(
        "plan",
        f"{search.limit} trials of at most {status.space.base.budget.epochs} epochs by "
        f"{', '.join(map(str, settings.objectives))}; sampler {settings.sampler.name} (seed {settings.sampler.seed}), "
        f"scheduler {settings.scheduler.name}",
    )
    for index, parameter in enumerate(status.space.parameters):
        yield from _field("" if index else "space", described(parameter), keep=bool(index))
    for index, constraint in enumerate(settings.constraints):
        yield from _field("" if index else "constraints", constraint, keep=bool(index))
    for index, (name, value) in enumerate(_set_otherwise(status)):
        yield from _field("" if index else "fixed", f"{name} {value}", keep=bool(index))
    yield from _best(status)
    yield from _field("trials", ", ".join(endings(status.trials)) or "none has ended")
    yield from _field("cost", _cost(status))
    yield from _field("disk", shown_bytes(bytes_on_disk) if bytes_on_disk is not None else "no folder in this home")
    for address, size in stored.items():
        yield from _field("store", f"{'unknown' if size is None else shown_bytes(size)}: {address}")
    machines = Counter(trial.machine for trial in status.trials if trial.machine)
    yield from _field("machines", ", ".join(f"{host} ({count} trials)" for host, count in machines.most_common()))
    for machine in status.machines_left_out:
        yield from _field("excluded", f"{machine['host']}: {machine['reason']}")
    failed = [trial for trial in status.trials if trial.state is TrialState.FAILED and trial.ending is not None]
    for index, trial in enumerate(failed):
        reason = trial.ending.reason if trial.ending else None
        yield from _field("" if index else "failures", f"trial {trial.number}: {reason}", keep=bool(index))
    yield from _field("waiting", ", ".join(f"point {number}" for number in status.waiting))
    if status.is_paused or status.paused_trials:
        trials = ", ".join(map(str, status.paused_trials))
        yield from _field("paused", "the search" if status.is_paused else f"trials {trials}")
    for index, request in enumerate(status.requests):
        yield from _field("" if index else "asked", request.sentence, keep=bool(index))
    yield from _next(status, stores)


def trial_lines(status: SearchStatus, trial: TrialRecord) -> Iterator[str]:
    """Everything that is known of a trial."""
    state = trial_status(trial, has_driver=status.driver is not None)
    is_best = status.best is not None and status.best.number == trial.number
    epochs = _budget(status, trial)
    yield f"{plain_line(status.search.name)}, trial {trial.number}: {state.word} at epoch {trial.epoch} of {epochs}" + (
        ", the best" if is_best else ""
    )
    yield from _field("origin", str(trial.origin))
    width = max((len(name) for name in trial.values), default=0)
    for index, (name, value) in enumerate(trial.values.items()):
        yield from _field("" if index else "parameters", f"{name:<{width}}  {_shown(value)}", keep=bool(index))
    signal = status.space.settings.objectives[0]
    if trial.reports:
        values = [report.value for report in trial.reports]
        line = sparkline(values, ascii_only="utf" not in (sys.stdout.encoding or "").lower())
        yield from _field("curve", f"{line}  {signal} {values[0]:.3f} to {values[-1]:.3f}")
        for index, report in enumerate(trial.reports):
            score = shown_score(report.value, report.standard_error)
            answer = "stop" if report.decision is Decision.STOP else "continue"
            words = f"epoch {report.epoch:>4}  {score}  {answer}, {clock_time(report.at_s)}"
            yield from _field("" if index else "reports", words, keep=bool(index))
        last = trial.reports[-1]
        for index, (name, measured) in enumerate(last.metrics.items()):
            words = _score(name, measured, last.standard_errors.get(name))
            yield from _field("" if index else "validation", words, keep=bool(index))
    else:
        yield from _field("reports", "none yet")
    if trial.ending is not None:
        known = trial.reports[-1].metrics if trial.reports else {}
        more = {name: value for name, value in trial.ending.metrics.items() if name not in known}
        for index, (name, measured) in enumerate(more.items()):
            yield from _field("" if index else "downstream", _score(name, measured, None), keep=bool(index))
    if len(status.space.settings.objectives) > 1 and trial.measures:
        yield from _field("objectives", shown_measures(trial.measures, status.space.settings.objectives))
    yield from _field("begun", clock_time(trial.began_at_s))
    if trial.ending is not None:
        yield from _field("ended", clock_time(trial.ending.at_s))
    seconds = status.busy_s(trial)
    if seconds is not None:
        gpus = f", {seconds / 3600 * status.gpus:.3f} GPU-hours" if status.gpus else ""
        yield from _field("cost", f"{shown_duration(seconds)} on a worker ({seconds:.1f} s){gpus}")
    yield from _field("machine", trial.machine)
    yield from _field("checkpoint", None if trial.ending is None else _checkpoint(trial.ending.checkpoint))
    yield from _field("MLflow run", trial.run_id)
    if trial.ending is not None and trial.ending.reason:
        yield from _field("reason", trial.ending.reason)
        for line in (trial.ending.traceback or "").rstrip().splitlines():
            yield f"    {plain(line)}"


def described(parameter: Parameter) -> str:
    """``contrast.temperature 0.05 to 0.5 (log)``: what a search varies, in words."""
    match parameter:
        case Range():
            how = [word for word, holds in (("log", parameter.log), ("whole", parameter.integer)) if holds]
            how += [f"step {parameter.step:g}"] if parameter.step is not None else []
            words = f"{parameter.low:g} to {parameter.high:g}" + (f" ({', '.join(how)})" if how else "")
        case Choice():
            words = "one of " + ", ".join(map(str, parameter.choices))
        case Simplex():
            high = "" if math.isinf(parameter.high) else f" to {parameter.high:g}"
            words = f"weights of {', '.join(parameter.parts)}, {parameter.low:g}{high or ' and more'} each, sum "
            words += f"{parameter.total:g}"
        case Fixed():
            words = str(parameter.value)
        case _:
            words = ""
    when = " and ".join(f"{one.name} is {' or '.join(map(str, one.values))}" for one in parameter.when)
    return f"{parameter.name} {words}" + (f", when {when}" if when else "")


def _best(status: SearchStatus) -> Iterator[str]:
    best = status.best
    if best is None or best.value is None:
        yield from _field("best", "no score yet")
        return
    signal = status.space.settings.objectives[0]
    words = f"trial {best.number} at epoch {best.epoch}: {signal} {shown_score(best.value, best.standard_error)}"
    if (interval := score_interval(best.value, best.standard_error)) is not None:
        words += f" (95 %: {interval[0]:.3f} to {interval[1]:.3f})"
    yield from _field("best", words)
    yield from _field("", shown_values(best.values), keep=True)
    if len(status.space.settings.objectives) > 1:
        for trial in status.front:
            measures = shown_measures(trial.measures, status.space.settings.objectives)
            yield from _field("front", f"trial {trial.number}: {measures}")


def _cost(status: SearchStatus) -> str:
    cost = status.cost
    parts = [f"{shown_duration(cost.trial_hours * 3600)} of trials", f"{cost.cpu_hours:.2f} CPU-hours"]
    if status.gpus:
        parts.append(f"{cost.gpu_hours:.2f} GPU-hours ({status.gpus:g} GPU a trial)")
    return ", ".join(parts)


def _next(status: SearchStatus, stores: str) -> Iterator[str]:
    name = status.search.name
    if status.state in (SearchState.INTERRUPTED, SearchState.FAILED):
        yield from _field("next", command("search", "--resume", "--name", name) + stores)
    elif status.state is SearchState.FINISHED and status.best is not None:
        yield from _field("next", command("retrain", name) + stores)


def _set_otherwise(status: SearchStatus) -> list[tuple[str, Scalar | None]]:
    """The fixed settings that are not the released ones."""
    released, searched = flatten(TrialConfig()), set(status.space.searched)
    return [
        (name, value)
        for name, value in flatten(status.space.base).items()
        if name not in searched and value != released.get(name)
    ]


def _budget(status: SearchStatus, trial: TrialRecord) -> int:
    config = trial.config or {}
    budget = config.get("budget")
    epochs = budget.get("epochs") if isinstance(budget, Mapping) else None
    return epochs if isinstance(epochs, int) else status.space.base.budget.epochs


def _score(name: str, value: float, standard_error: float | None) -> str:
    shown = shown_score(value, standard_error) if abs(value) < 1000 else f"{value:,.0f}"
    return f"{name} {shown}"


def _shown(value: Scalar) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _field(name: str, value: str | None, *, keep: bool = False) -> Iterator[str]:
    """A named line; nothing where there is nothing to say. ``keep``: a further line of the field above."""
    if value:
        yield f"  {name if not keep else '':<{_WIDTH}}{plain_line(value)}"


def _checkpoint(path: str | None) -> str | None:
    """Where a checkpoint is, and what a rule took of it; one in a store is named by its address alone."""
    record = None if path is None or "://" in path else kept_record(Path(path).parent)
    if record is None:
        return path
    return str(record) if record.kept is Kept.NOTHING else f"{path} ({record})"
