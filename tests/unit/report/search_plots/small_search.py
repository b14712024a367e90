"""A search of five trials that ended differently, and the traces of a plot by name."""

from __future__ import annotations

from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.report.plot import Plot

# Scores fall within a trial and between trials; trials end in another order than they began.
CURVES = [{1: 0.30, 3: 0.55, 9: 0.50}, {1: 0.20}, {}, {1: 0.35, 3: 0.60, 9: 0.58}, {1: 0.40, 3: 0.52}]
STATES = ["complete", "pruned", "failed", "complete", "running"]
ENDS = [900.0, 150.0, 20.0, 500.0, None]


def _trial(number: int) -> ReportedTrial:
    curve, end = CURVES[number], ENDS[number]
    return ReportedTrial(
        number=number,
        state=STATES[number],
        word={"pruned": "stopped"}.get(STATES[number], STATES[number]),
        origin="sampler",
        values={"contrast.temperature": 0.1 * (number + 1), "model.encoder": ("gru", "lstm")[number % 2]},
        curve=curve,
        metrics={},
        seconds=None,
        reason=None,
        run_id=None,
        errors=dict.fromkeys(curve, 0.02),
        spent_s={epoch: 10.0 * epoch for epoch in curve},
        at_s={epoch: 100.0 + 30.0 * epoch + number for epoch in curve},
        busy_s=None if end is None else 10.0 * max(curve, default=0) + 5.0,
        ended_at_s=end,
    )


CONTENT = ReportContent(
    name="toy",
    description="",
    state="running",
    progress="4 of 5 trials ended",
    ended_by=None,
    limit=5,
    epochs=9,
    rungs=[1, 3],
    trials=[_trial(number) for number in range(5)],
    best=3,
    facts={},
    log_parameters=frozenset({"contrast.temperature"}),
    cpus=2.0,
)


def traces(plot: Plot | None) -> dict[str, dict]:
    assert plot is not None
    return {trace["name"]: trace for trace in plot.data}
