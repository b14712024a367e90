"""A search's trials and learning curves as tables of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hico_platform.search.state import trial_status
from hico_platform.search.status import SearchStatus

if TYPE_CHECKING:
    import pandas as pd

NUMBER, EPOCH, SCORE, STANDARD_ERROR = "trial", "epoch", "score", "standard_error"


def trials_table(status: SearchStatus) -> pd.DataFrame:
    """One row a trial, by its number.

    Columns: ``state`` (complete, pruned, failed, running, interrupted), ``origin``, ``epochs``, ``score`` (what the
    search goes by, at the last report) with ``standard_error``, the further objectives, each searched field by its
    dotted name (a field whose condition does not hold is missing), ``seconds``, the downstream metrics that the trial
    ended with as ``metrics.NAME``, ``reason`` (of a failure), ``checkpoint`` and ``run_id``. ``attrs`` has what the
    numbers depend on.
    """
    import pandas as pd

    objectives = status.space.settings.objectives
    fields = list(dict.fromkeys([*status.space.searched, *(name for trial in status.trials for name in trial.values)]))
    metrics = list(dict.fromkeys(name for trial in status.trials if trial.ending for name in trial.ending.metrics))
    rows: list[dict[str, Any]] = []
    for trial in status.trials:
        ending = trial.ending
        rows.append(
            {
                NUMBER: trial.number,
                "state": str(trial_status(trial, has_driver=status.driver is not None)),
                "origin": str(trial.origin),
                "epochs": trial.epoch,
                SCORE: trial.value,
                STANDARD_ERROR: trial.standard_error,
                **dict(zip(map(str, objectives[1:]), trial.measures[1:], strict=False)),
                **trial.values,
                "seconds": None if ending is None else ending.at_s - trial.began_at_s,
                **({} if ending is None else {f"metrics.{name}": value for name, value in ending.metrics.items()}),
                "reason": None if ending is None else ending.reason,
                "checkpoint": None if ending is None else ending.checkpoint,
                "run_id": trial.run_id,
            }
        )
    columns = [
        NUMBER, "state", "origin", "epochs", SCORE, STANDARD_ERROR, *map(str, objectives[1:]), *fields, "seconds",
        *(f"metrics.{name}" for name in metrics), "reason", "checkpoint", "run_id",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns).set_index(NUMBER)
    numbers = [SCORE, STANDARD_ERROR, *map(str, objectives[1:]), "seconds", *(f"metrics.{name}" for name in metrics)]
    table = table.astype(dict.fromkeys(numbers, "float64"))
    table.attrs.update(facts_of(status))
    return table


def curves_table(status: SearchStatus) -> pd.DataFrame:
    """One row a report: ``trial``, ``epoch``, ``score`` with ``standard_error``, ``decision`` and validation scores.

    The scores of a report are ``val.NAME``: besides what the search goes by, whatever else was scored there.
    """
    import pandas as pd

    names = list(dict.fromkeys(name for trial in status.trials for report in trial.reports for name in report.metrics))
    rows = [
        {
            NUMBER: trial.number,
            EPOCH: report.epoch,
            SCORE: report.value,
            STANDARD_ERROR: report.standard_error,
            "decision": str(report.decision),
            **{f"val.{name}": value for name, value in report.metrics.items()},
        }
        for trial in status.trials
        for report in trial.reports
    ]
    columns = [NUMBER, EPOCH, SCORE, STANDARD_ERROR, "decision", *(f"val.{name}" for name in names)]
    numbers = [SCORE, STANDARD_ERROR, *(f"val.{name}" for name in names)]
    table = pd.DataFrame(rows, columns=columns).astype(
        {NUMBER: "int64", EPOCH: "int64"} | dict.fromkeys(numbers, "float64")
    )
    table.attrs.update(facts_of(status))
    return table


def facts_of(status: SearchStatus) -> dict[str, Any]:
    """What the numbers of a search depend on, as plain values."""
    search, settings = status.search, status.space.settings
    return {
        "search": search.name,
        "score": settings.signal.metric,
        "dataset": search.facts.more.get("dataset"),
        "data_digest": search.facts.data_digest,
        "protocol": search.facts.protocol,
        "split": settings.signal.scored_on,
        "epochs": status.space.base.budget.epochs,
        "seed": search.facts.seed,
        "code_version": search.facts.code_version,
    }
