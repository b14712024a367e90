"""Gathers a search's ledger and the results of its retrainings for the report."""

from __future__ import annotations

import itertools
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hico_platform.config.parameters import Range, Simplex
from hico_platform.config.yaml_writer import yaml_text
from hico_platform.enums import Signal
from hico_platform.errors import HicoError
from hico_platform.home import HomePaths
from hico_platform.masking import masked
from hico_platform.plug_in_names import missing_plug_ins_named
from hico_platform.report.content import (
    FurtherCell,
    Importance,
    ReportContent,
    ReportedTrial,
    RetrainCandidate,
    RetrainDifference,
    RetrainRow,
    RetrainTable,
)
from hico_platform.retrain.comparison import Comparison, compare
from hico_platform.retrain.further_scores import read_further_scores
from hico_platform.retrain.plan import Entry, PlannedRun
from hico_platform.retrain.promotion import promotion, tested_metric
from hico_platform.retrain.results import FIGURE_NUMBERS, FIGURES, METRICS, PLAN, read_result, summarise
from hico_platform.search.ledger.base import Facts, TrialRecord
from hico_platform.search.state import TrialStatus, trial_status
from hico_platform.search.status import SearchStatus, search_status
from hico_platform.search.stopping import spans_between


def report_content(paths: HomePaths, name: str, *, coordinates: bool = False) -> ReportContent:
    """Everything that the report of the search ``name`` shows; the search may still run.

    ``coordinates``: also the importance of what the sampler draws, which the page does not show.

    Raises:
        UsageError: there is no search of that name.
    """
    from hico_platform.search.ledger.importance import named_importance

    status = search_status(paths, name)
    settings, facts = status.space.settings, status.search.facts
    epochs = status.space.base.budget.epochs
    named = named_importance(status.trials, status.space)
    finals = retrain_tables(paths.search(name) / "final", signal=settings.signal)
    return ReportContent(
        name=name,
        description=settings.description,
        state=str(status.state),
        progress=", ".join(status.progress.parts),
        ended_by=status.ended_by,
        limit=status.search.limit,
        epochs=epochs,
        rungs=[epoch for epoch in status.report_epochs if epoch < epochs],
        trials=[
            _trial(
                trial,
                trial_status(trial, has_driver=status.driver is not None),
                status,
                machine=status.ran_on.get(trial.number),
            )
            for trial in status.trials
        ],
        best=None if status.best is None else status.best.number,
        facts={
            "dataset": str(facts.more.get("dataset", "")),
            "data digest": facts.data_digest[:12],
            "protocol": facts.protocol,
            **_pretrain_only(facts),
            "scored on": settings.signal.scored_on,
            "budget": f"{epochs} epochs a trial",
            "seed": str(facts.seed),
            "sampler": str(settings.sampler.name),
            "scheduler": str(settings.scheduler.name),
            "code version": facts.code_version,
            "began": _clock(status.search.began_at_s),
            **({"run by": ", ".join(dict.fromkeys(one.user for one in status.drivers))} if status.drivers else {}),
        },
        score=settings.signal.heading,
        metric=settings.signal.metric,
        log_parameters=frozenset(
            field
            for parameter in status.space.parameters
            for axis in parameter.coordinates()
            if isinstance(axis, Range) and axis.log
            for field in parameter.fields
        ),
        finals=finals,
        made=_clock(status.at_s),
        importance=_of_coordinates(paths, name) if coordinates else None,
        named_importance=None
        if named is None
        else Importance(
            shares=named.shares, epoch=named.epoch, trials=named.trials, errors=named.errors, draws=named.draws
        ),
        simplexes={
            parameter.name: parameter.fields for parameter in status.space.parameters if isinstance(parameter, Simplex)
        },
        cpus=float(settings.resources.cpus),
        gpus=float(status.gpus),
        commands=_commands(status, retrained=bool(finals)),
        space=yaml_text(status.search.source),
        drivers=[
            {
                "user": driver.user,
                "host": driver.host,
                "began": _clock(driver.began_at_s),
                "what": "resumed it" if driver.resumed else "began it",
                "command": driver.command,
            }
            for driver in status.drivers
        ],
        more_facts={
            "data digest": facts.data_digest,
            **{name.replace("_", " "): masked(str(value)) for name, value in facts.more.items() if value is not None},
        },
        scheduler=str(settings.scheduler.name),
    )


def _of_coordinates(paths: HomePaths, name: str) -> Importance | None:
    from hico_platform.search.ledger.importance import parameter_importance
    from hico_platform.search.ledger.optuna_ledger import open_storage

    found = parameter_importance(open_storage(paths.storage_url, create=False), name=name)
    return None if found is None else Importance(shares=found[0], epoch=found[1], trials=found[2])


def _commands(status: SearchStatus, *, retrained: bool) -> dict[str, str]:
    """What a search was run with, and how to go on, as they are typed in a shell."""
    name = shlex.quote(status.search.name)
    first = next((driver.command for driver in status.drivers if not driver.resumed), None)
    return {
        "search": first or f"hico-platform search --space space.yaml --name {name}",
        "retrain the best": f"hico-platform retrain {name} --candidates 3 --seeds 3"
        if not retrained
        else f"hico-platform retrain {name}",
        "make this page again": f"hico-platform report {name}",
    }


def _pretrain_only(facts: Facts) -> dict[str, str]:
    names = {"pretrain_only_sequences": "pretrained on and never scored", "unlabelled_sequences": "without a label"}
    return {word: f"{facts.more[name]} sequences" for name, word in names.items() if name in facts.more}


def retrain_tables(directory: Path, *, signal: Signal = Signal.KNN_TOP1) -> list[RetrainTable]:
    """The retrainings of a search that went by ``signal`` which have a result, the newest first."""
    tables: list[tuple[float, RetrainTable]] = []
    for file in directory.glob(f"*/{PLAN}"):
        table = _retrain_table(file.parent, json.loads(file.read_text()), metric=tested_metric(signal))
        if table is not None:
            tables.append((file.stat().st_mtime, table))
    return [table for _, table in sorted(tables, key=lambda item: item[0], reverse=True)]


def _retrain_table(folder: Path, plan: Mapping[str, Any], *, metric: str) -> RetrainTable | None:
    results = [result for one in sorted(folder.iterdir()) if (result := read_result(one)) is not None]
    rows = [
        RetrainRow(
            name=entry.heading,
            scores={name: (one.mean, one.deviation, one.count) for name, one in spreads.items()},
        )
        for entry, spreads in summarise(results).items()
    ]
    if not rows:
        return None
    compared = _compared(folder, plan, metric=metric)
    promoted = promotion(compared, metric=metric)
    further = read_further_scores(folder)
    return RetrainTable(
        epochs=plan["epochs"],
        facts=plan["facts"],
        rows=rows,
        figures=tuple(str(one) for one in sorted((folder / FIGURES).glob("*.png"))),
        intervals={
            entry.heading: {name: (one.low, one.high) for name, one in found.items()}
            for entry, found in compared.intervals.items()
        },
        differences=[
            RetrainDifference(
                name=entry.heading,
                metric=name,
                difference=one.test.difference,
                low=one.test.interval.low,
                high=one.test.interval.high,
                p=one.p,
                p_one_sided=one.test.p_greater,
                better=one.test.better,
                method=one.test.method,
            )
            for entry, found in compared.differences.items()
            for name, one in found.items()
        ],
        candidates=[
            RetrainCandidate(
                trial=one["trial"],
                searched=one.get("searched"),
                stopped=bool(one.get("stopped")),
                mean=one["mean"],
                deviation=one.get("std"),
                seeds=one["seeds"],
                chosen=bool(one.get("chosen")),
            )
            for one in plan.get("candidates", ())
        ],
        headings={name: METRICS[name] for name in METRICS if any(name in row.scores for row in rows)},
        metric=metric,
        alias=promoted.alias,
        verdict=promoted.sentence,
        untested=compared.untested,
        persons=compared.persons,
        counted=compared.clusters.counted(compared.persons) if compared.persons else "sequences",
        seeds=max(count for row in rows for _, _, count in row.scores.values()),
        drawn=_figure_numbers(folder / FIGURES / FIGURE_NUMBERS),
        further=_further(further),
        lacking={**further.get("skipped", {}), **further.get("failed", {})},
    )


def _further(kept: Mapping[str, Any]) -> dict[str, dict[str, FurtherCell]]:
    """The scores of tasks beyond the quick ones, by row and name."""
    return {
        Entry(entry).heading: {
            name: FurtherCell(
                mean=one["mean"],
                deviation=one.get("std"),
                seeds=one["seeds"],
                low=one.get("low"),
                high=one.get("high"),
            )
            for name, one in scores.items()
        }
        for entry, scores in kept.get("scores", {}).items()
    }


def _compared(folder: Path, plan: Mapping[str, Any], *, metric: str) -> Comparison:
    """The intervals and tests of a plan's runs, which are known by their keys; none while a run has not ended."""
    from hico_platform.config.document import Document
    from hico_platform.config.schema import parse
    from hico_platform.config.trial import TrialConfig

    entries = {str(entry).replace(" ", "-"): entry for entry in Entry}
    keys = [str(key).rpartition("-seed-") for key in plan["runs"]]
    missing = [key for key in plan["runs"] if read_result(folder / key) is None]
    if missing:
        return Comparison(untested=f"{', '.join(missing)}: not scored yet")
    try:
        with missing_plug_ins_named():
            config = parse(TrialConfig, Document(data=plan["config"], file=folder / PLAN))
    except HicoError as error:  # another version wrote it
        return Comparison(untested=f"its configuration cannot be read: {error}")
    runs = [PlannedRun(entry=entries[name], seed=int(seed), config=config) for name, _, seed in keys]
    return compare(folder, runs, metric=metric)


def _figure_numbers(file: Path) -> dict[str, Any]:
    """The numbers of figures; none where an older version drew pictures alone, or the file is damaged."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _trial(trial: TrialRecord, status: TrialStatus, search: SearchStatus, *, machine: str | None) -> ReportedTrial:
    ending = trial.ending
    spent = _spent_s(trial, sessions=search.sessions)
    return ReportedTrial(
        number=trial.number,
        state=str(status),
        word=status.word,
        origin=str(trial.origin),
        values=dict(trial.values),
        curve=trial.curve,
        metrics={} if ending is None else dict(ending.metrics),
        seconds=None if ending is None else ending.at_s - trial.began_at_s,
        reason=None if ending is None else ending.reason,
        run_id=trial.run_id,
        errors={report.epoch: report.standard_error for report in trial.reports if report.standard_error is not None},
        metric_errors=dict(trial.reports[-1].standard_errors) if trial.reports else {},
        spent_s={report.epoch: seconds for report, seconds in zip(trial.reports, spent, strict=False)},
        at_s={report.epoch: report.at_s for report in trial.reports},
        busy_s=None if ending is None else spent[-1],
        ended_at_s=None if ending is None else ending.at_s,
        traceback=None if ending is None else ending.traceback,
        machine=machine,
    )


def _spent_s(trial: TrialRecord, *, sessions: Sequence[float]) -> list[float]:
    """Seconds on workers by each of a trial's reports and, if it has ended, by its end."""
    marks = [report.at_s for report in trial.reports] + ([] if trial.ending is None else [trial.ending.at_s])
    parts = [
        sum(end - begin for begin, end in spans_between(pair, sessions=sessions, pauses=trial.pauses))
        for pair in itertools.pairwise([trial.began_at_s, *marks])
    ]
    return list(itertools.accumulate(parts))


def _clock(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
