"""A search as figures of plotly, for notebooks; the report draws its own page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hico_platform.errors import Problem, UsageError
from hico_platform.home import HomePaths
from hico_platform.search.state import TrialStatus, trial_status
from hico_platform.search.status import SearchStatus

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from hico_platform.search.ledger.base import TrialRecord

_COLOURS = {
    TrialStatus.RUNNING: "#2563a8",
    TrialStatus.INTERRUPTED: "#8250df",
    TrialStatus.COMPLETE: "#1a7f4b",
    TrialStatus.PRUNED: "#c98a00",
    TrialStatus.FAILED: "#b3261e",
}
_BEST = "#d6336c"
_LEVEL_WEIGHTS = "contrast.level_weights"


def history_figure(status: SearchStatus) -> go.Figure:
    """Score by trial with standard errors, coloured by state, and the best so far among those of the most epochs."""
    import plotly.graph_objects as go

    figure = _figure(status, title=f"{status.search.name}: score by trial", x="trial")
    for state, trials in _by_state(status).items():
        scored = [trial for trial in trials if trial.value is not None]
        figure.add_trace(
            go.Scatter(
                x=[trial.number for trial in scored],
                y=[trial.value for trial in scored],
                error_y={"type": "data", "array": [trial.standard_error or 0.0 for trial in scored], "thickness": 1},
                mode="markers",
                name=state.word,
                marker={"color": _COLOURS[state], "size": 8},
                text=[_hover(trial) for trial in scored],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    best, xs, ys = None, [], []
    for trial in status.trials:
        if trial.value is not None and trial.epoch >= status.space.base.budget.epochs:
            best = trial.value if best is None else max(best, trial.value)
            xs.append(trial.number)
            ys.append(best)
    if xs:
        line = {"color": _BEST, "shape": "hv"}
        figure.add_trace(go.Scatter(x=xs, y=ys, mode="lines", name="best complete so far", line=line))
    return figure


def curves_figure(status: SearchStatus) -> go.Figure:
    """Score by epoch, a line a trial, coloured by state; the best is the thick one."""
    import plotly.graph_objects as go

    figure = _figure(status, title=f"{status.search.name}: learning curves", x="epoch")
    for state, trials in _by_state(status).items():
        for index, trial in enumerate(trial for trial in trials if trial.curve):
            is_best = status.best is not None and trial.number == status.best.number
            figure.add_trace(
                go.Scatter(
                    x=list(trial.curve),
                    y=list(trial.curve.values()),
                    mode="lines+markers",
                    name=f"trial {trial.number}, best" if is_best else state.word,
                    legendgroup="best" if is_best else str(state),
                    showlegend=is_best or index == 0,
                    line={"color": _BEST if is_best else _COLOURS[state], "width": 3 if is_best else 1.5},
                    text=[_hover(trial)] * len(trial.curve),
                    hovertemplate="epoch %{x}: %{y:.3f}<br>%{text}<extra></extra>",
                )
            )
    return figure


def parallel_figure(status: SearchStatus) -> go.Figure:
    """A line a trial through its parameters and its score; a trial without a field that others have is left out there.

    Ranges that were searched on a log scale are shown on one.
    """
    import plotly.graph_objects as go

    scored = [trial for trial in status.trials if trial.value is not None]
    log = _log_fields(status)
    dimensions = [_dimension(field, [trial.values.get(field) for trial in scored], log=field in log)
                  for field in dict.fromkeys(name for trial in scored for name in trial.values)]  # fmt: skip
    values = [trial.value or 0.0 for trial in scored]
    dimensions += [
        {"label": "epochs", "values": [trial.epoch for trial in scored]},
        {"label": status.space.settings.signal.heading, "values": values},
    ]
    figure = go.Figure(
        go.Parcoords(line={"color": values, "colorscale": "Viridis", "showscale": True}, dimensions=dimensions)
    )
    figure.update_layout(title=f"{status.search.name}: parameters and score", template="plotly_white")
    return figure


def importance_figure(paths: HomePaths, status: SearchStatus) -> go.Figure:
    """Bars of each parameter's share in the spread of scores.

    Raises:
        UsageError: too few trials have reported at one epoch, or their scores are all the same.
    """
    import plotly.graph_objects as go

    from hico_platform.search.ledger.importance import FEWEST_TRIALS, parameter_importance
    from hico_platform.search.ledger.optuna_ledger import open_storage

    found = parameter_importance(open_storage(paths.storage_url, create=False), name=status.search.name)
    if found is None:
        raise UsageError(
            Problem(
                field="importance",
                rule=f"at least {FEWEST_TRIALS} trials with different scores at one epoch",
                value=f"{len(status.trials)} trials",
                remedy="wait for more, or go on with the search: resume=True, trials=N",
            )
        )
    shares, epoch, count = found
    named = sorted(_as_people_name_them(shares).items(), key=lambda item: item[1])
    figure = go.Figure(
        go.Bar(x=[share for _, share in named], y=[name for name, _ in named], orientation="h", marker_color="#2563a8")
    )
    figure.update_layout(
        title=f"{status.search.name}: importance of parameters (PED-ANOVA, {count} trials at epoch {epoch})",
        xaxis={"title": "share of the spread", "range": [0, 1]},
        template="plotly_white",
    )
    return figure


def _as_people_name_them(shares: Mapping[str, float]) -> dict[str, float]:
    """Shares with the coordinates of weights on a simplex, which mean nothing one by one, as one bar for them all."""
    found: dict[str, float] = {}
    for name, share in shares.items():
        shown = _LEVEL_WEIGHTS if name.startswith(_LEVEL_WEIGHTS) else name
        found[shown] = found.get(shown, 0.0) + share
    return found


def _figure(status: SearchStatus, *, title: str, x: str) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        title=title,
        xaxis_title=x,
        yaxis_title=f"validation {status.space.settings.signal.heading}",
        template="plotly_white",
    )
    return figure


def _by_state(status: SearchStatus) -> dict[TrialStatus, list[TrialRecord]]:
    found: dict[TrialStatus, list[TrialRecord]] = {}
    for trial in status.trials:
        found.setdefault(trial_status(trial, has_driver=status.driver is not None), []).append(trial)
    return found


def _hover(trial: TrialRecord) -> str:
    values = "<br>".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in trial.values.items()
    )
    return f"trial {trial.number}, epoch {trial.epoch}<br>{values}"


def _log_fields(status: SearchStatus) -> set[str]:
    from hico_platform.config.parameters import Range

    return {
        field
        for parameter in status.space.parameters
        for axis in parameter.coordinates()
        if isinstance(axis, Range) and axis.log
        for field in parameter.fields
    }


def _dimension(field: str, values: Sequence[Any], *, log: bool) -> dict[str, Any]:
    """A vertical axis: of numbers, of their logarithms, or of choices in the order of their names."""
    import math

    label = field.rpartition(".")[2]
    numbers = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers):
        if not log:
            return {"label": label, "values": values}
        shown = [None if value is None else math.log10(value) for value in values]
        ticks = sorted({shown for shown in shown if shown is not None})
        ends = [ticks[0], (ticks[0] + ticks[-1]) / 2, ticks[-1]] if ticks else []
        return {"label": label, "values": shown, "tickvals": ends, "ticktext": [f"{10**tick:.3g}" for tick in ends]}
    choices = sorted({str(value) for value in numbers})
    places = {choice: place for place, choice in enumerate(choices)}
    return {
        "label": label,
        "values": [None if value is None else places[str(value)] for value in values],
        "tickvals": list(places.values()),
        "ticktext": choices,
    }
