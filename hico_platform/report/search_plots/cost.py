"""What the trials of a search took, and on which machines."""

from __future__ import annotations

from collections.abc import Sequence

from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.report.plot import PALETTE, Plot, Table, axis
from hico_platform.report.spending import HOUR_S


def cost(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """Seconds of each trial: its training with validation, and its downstream evaluation."""
    shown = [trial for trial in content.trials if trial.busy_s is not None]
    if not shown:
        return None
    downstream = [trial.evaluation_s or 0.0 for trial in shown]
    training = [(trial.busy_s or 0.0) - after for trial, after in zip(shown, downstream, strict=True)]
    numbers = [trial.number for trial in shown]
    return Plot(
        name=f"{prefix}cost",
        label="Seconds of each trial",
        sentence="How long each trial held its worker: training with its validations, and the downstream evaluation "
        "after it.",
        data=[
            {
                "type": "bar",
                "name": name,
                "x": numbers,
                "y": [round(one, 2) for one in seconds],
                "customdata": numbers,
                "marker": {"color": colour, "line": {"width": 0}},
                "hovertemplate": f"trial %{{x}}: %{{y:.1f}} s of {name}<extra></extra>",
            }
            for name, seconds, colour in (
                ("training and validation", training, "var(--complete)"),
                ("downstream evaluation", downstream, PALETTE[1]),
            )
        ],
        layout={
            "barmode": "stack",
            "bargap": 0.15 if len(shown) < 200 else 0,
            "xaxis": axis("trial", **({"dtick": 1} if len(shown) <= 25 else {})),
            "yaxis": axis("seconds on a worker"),
        },
        height=300,
    )


_COST_HEADINGS = (
    "count", "epochs", "worker-hours", "CPU-hours", "GPU-hours", "seconds an epoch", "downstream, % of the time",
)  # fmt: skip


def cost_table(content: ReportContent) -> Table:
    """What the trials of each state cost."""
    ended = [trial for trial in content.trials if trial.busy_s is not None]
    words = dict.fromkeys(trial.word for trial in ended)
    groups = [(word, [trial for trial in ended if trial.word == word]) for word in words]
    rows = [[word, *_cost(content, those)] for word, those in (*groups, ("all", ended))]
    return Table(headings=["trials", *_COST_HEADINGS], rows=rows)


def machine_table(content: ReportContent) -> Table | None:
    """What each machine did; None where no trial's machine is known."""
    ended = [trial for trial in content.trials if trial.busy_s is not None]
    machines = sorted({trial.machine for trial in ended if trial.machine is not None})
    if not machines:
        return None
    groups = [(name, [trial for trial in ended if trial.machine == name]) for name in (*machines, None)]
    rows = [[name or "not known", *_cost(content, those)] for name, those in groups if those]
    return Table(headings=["machine", *_COST_HEADINGS], rows=rows)


def _cost(content: ReportContent, trials: Sequence[ReportedTrial]) -> list[str]:
    busy_s = sum(trial.busy_s or 0.0 for trial in trials)
    after_s = sum(trial.evaluation_s or 0.0 for trial in trials)
    epochs = sum(trial.epoch for trial in trials)
    return [
        str(len(trials)),
        f"{epochs:,}",
        f"{busy_s / HOUR_S:.2f}",
        f"{busy_s * content.cpus / HOUR_S:.2f}",
        f"{busy_s * content.gpus / HOUR_S:.2f}",
        f"{(busy_s - after_s) / epochs:.2f}" if epochs else "",
        f"{100 * after_s / busy_s:.1f}" if busy_s > 0 else "",
    ]
