"""Gathers a search's ledger and the results of its retrainings for the report."""

from __future__ import annotations

import json
import time
from pathlib import Path

from hico_platform.config.parameters import Range
from hico_platform.enums import Signal
from hico_platform.home import HomePaths
from hico_platform.report.content import Importance, ReportContent, ReportedTrial, RetrainRow, RetrainTable
from hico_platform.retrain.results import FIGURES, PLAN, read_result, summarise
from hico_platform.search.ledger.base import Facts, TrialRecord
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.state import TrialStatus, trial_status
from hico_platform.search.status import search_status


def report_content(paths: HomePaths, name: str) -> ReportContent:
    """Everything that the report of the search ``name`` shows; the search may still run.

    Raises:
        UsageError: there is no search of that name.
    """
    from hico_platform.search.ledger.importance import parameter_importance
    from hico_platform.search.ledger.optuna_ledger import open_storage

    status = search_status(paths, name)
    settings, facts = status.space.settings, status.search.facts
    epochs = status.space.base.budget.epochs
    found = parameter_importance(open_storage(paths.storage_url, create=False), name=name)
    return ReportContent(
        name=name,
        description=settings.description,
        state=str(status.state),
        progress=", ".join(status.progress.parts),
        ended_by=status.ended_by,
        limit=status.search.limit,
        epochs=epochs,
        rungs=[epoch for epoch in make_scheduler(settings.scheduler, epochs=epochs).report_epochs if epoch < epochs],
        trials=[_trial(trial, trial_status(trial, has_driver=status.driver is not None)) for trial in status.trials],
        best=None if status.best is None else status.best.number,
        facts={
            "dataset": str(facts.more.get("dataset", "")),
            "data digest": facts.data_digest[:12],
            "protocol": facts.protocol,
            **_pretrain_only(facts),
            "scored on": "all subjects of the training split"
            if settings.signal is Signal.KNN_SUBJECTS
            else "validation subjects of the training split",
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
        importance=None if found is None else Importance(shares=found[0], epoch=found[1], trials=found[2]),
        finals=retrain_tables(paths.search(name) / "final"),
        made=_clock(status.at_s),
    )


def _pretrain_only(facts: Facts) -> dict[str, str]:
    names = {"pretrain_only_sequences": "pretrained on and never scored", "unlabelled_sequences": "without a label"}
    return {word: f"{facts.more[name]} sequences" for name, word in names.items() if name in facts.more}


def retrain_tables(directory: Path) -> list[RetrainTable]:
    """The retrainings of a search that have a result, the newest first."""
    tables: list[tuple[float, RetrainTable]] = []
    for file in directory.glob(f"*/{PLAN}"):
        plan = json.loads(file.read_text())
        results = [result for folder in file.parent.iterdir() if (result := read_result(folder)) is not None]
        rows = [
            RetrainRow(
                name=entry.heading,
                scores={metric: (one.mean, one.deviation, one.count) for metric, one in spreads.items()},
            )
            for entry, spreads in summarise(results).items()
        ]
        if rows:
            figures = tuple(str(one) for one in sorted((file.parent / FIGURES).glob("*.png")))
            table = RetrainTable(epochs=plan["epochs"], facts=plan["facts"], rows=rows, figures=figures)
            tables.append((file.stat().st_mtime, table))
    return [table for _, table in sorted(tables, key=lambda item: item[0], reverse=True)]


def _trial(trial: TrialRecord, status: TrialStatus) -> ReportedTrial:
    ending = trial.ending
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
    )


def _clock(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
