"""What the figures of a notebook draw, against the trials that they draw it of."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hico_platform.api.search_figures import curves_figure, history_figure, importance_figure, parallel_figure
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.ledger import importance, optuna_ledger
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.status import SearchStatus
from tests.toy import toy_space
from tests.unit.search.handmade import DRIVER, status, trial


def several(**more: Any) -> SearchStatus:
    """Complete, stopped, better, worse, failed without a report, at work."""
    return status(
        trial(0, curve={1: 0.2, 9: 0.4}, error=0.02),
        trial(1, TrialState.PRUNED, curve={1: 0.9}),
        trial(2, curve={1: 0.3, 9: 0.5}, values={"contrast.temperature": 0.25, "model.encoder": "gru"}),
        trial(3, curve={1: 0.1, 9: 0.45}),
        trial(4, TrialState.FAILED, curve={}),
        trial(5, TrialState.RUNNING, curve={1: 0.3}),
        **more,
    )


def drawn(figure: Any) -> dict[str, Any]:
    """The traces by name."""
    return {trace.name: trace for trace in figure.data}


def test_the_history_has_every_score_and_the_best_among_whole_trials() -> None:
    figure = history_figure(several())
    traces = drawn(figure)
    shown = {name: dict(zip(trace.x, trace.y, strict=True)) for name, trace in traces.items()}
    assert shown == {
        "complete": {0: 0.4, 2: 0.5, 3: 0.45},
        "stopped": {1: 0.9},
        "failed": {},
        "interrupted": {5: 0.3},
        "best complete so far": {0: 0.4, 2: 0.5, 3: 0.5},
    }
    assert list(traces["complete"].error_y.array) == [0.02, 0.0, 0.0]
    assert traces["complete"].text[1] == "trial 2, epoch 9<br>contrast.temperature 0.25<br>model.encoder gru"
    assert "running" in drawn(history_figure(several(driver=DRIVER)))
    assert figure.layout.title.text == "toy: score by trial"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("trial", "validation kNN top-1")
    colours = [trace.marker.color for trace in traces.values() if trace.mode == "markers"]
    assert len(set(colours)) == 4


def test_before_a_whole_trial_there_is_no_best() -> None:
    assert "best complete so far" not in drawn(history_figure(status(trial(1, TrialState.PRUNED, curve={1: 0.9}))))


def test_a_curve_a_trial_and_the_best_stands_out() -> None:
    figure = curves_figure(several())
    lines = [(trace.name, dict(zip(trace.x, trace.y, strict=True)), trace.showlegend) for trace in figure.data]
    assert lines == [
        ("complete", {1: 0.2, 9: 0.4}, True),
        ("trial 2, best", {1: 0.3, 9: 0.5}, True),
        ("complete", {1: 0.1, 9: 0.45}, False),
        ("stopped", {1: 0.9}, True),
        ("interrupted", {1: 0.3}, True),
    ]
    widths = [trace.line.width for trace in figure.data]
    assert [width == max(widths) for width in widths] == [False, True, False, False, False]
    assert figure.layout.title.text == "toy: learning curves"


def test_a_line_a_trial_through_parameters_and_score() -> None:
    figure = parallel_figure(several())
    temperature, encoder, epochs, score = figure.data[0].dimensions
    assert [one.label for one in figure.data[0].dimensions] == ["temperature", "encoder", "epochs", "kNN top-1"]
    assert list(temperature.values) == pytest.approx([math.log10(v) for v in (0.125, 0.125, 0.25, 0.125, 0.125)])
    assert list(temperature.ticktext) == ["0.125", "0.177", "0.25"], "a range that was searched on a log scale"
    assert list(temperature.tickvals) == pytest.approx([math.log10(v) for v in (0.125, math.sqrt(0.03125), 0.25)])
    assert (list(encoder.values), list(encoder.tickvals), list(encoder.ticktext)) == (
        [1, 1, 0, 1, 1], [0, 1], ["gru", "lstm"],
    )  # fmt: skip
    assert list(epochs.values) == [9, 1, 9, 9, 1]
    assert list(score.values) == list(figure.data[0].line.color) == [0.4, 0.9, 0.5, 0.45, 0.3]


def test_numbers_on_a_plain_scale_and_a_field_that_a_trial_does_not_have() -> None:
    space = toy_space(search={"model.layers": {"low": 1, "high": 4}})
    values = {"model.layers": 2, "x.flag": True}
    shown = status(trial(0, values=values), trial(1, values={"model.layers": 4}), space=space)
    layers, flag, *_ = parallel_figure(shown).data[0].dimensions
    assert (list(layers.values), layers.ticktext) == ([2, 4], None)
    assert (list(flag.values), list(flag.ticktext)) == ([0, None], ["True"]), "a truth is a choice, and no number"


def test_nothing_to_draw() -> None:
    for figure in (history_figure(status()), curves_figure(status())):
        assert len(figure.data) == 0
    assert [one.label for one in parallel_figure(status()).data[0].dimensions] == ["epochs", "kNN top-1"]


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the importance comes to, and of which study."""
    found = SimpleNamespace(result=None, asked=None)

    def of(storage: object, *, name: str) -> object:
        found.asked = (storage, name)
        return found.result

    monkeypatch.setattr(optuna_ledger, "open_storage", lambda url, create: (url, create))
    monkeypatch.setattr(importance, "parameter_importance", of)
    return found


def test_the_importance_has_level_weights_as_one_bar(shares: SimpleNamespace) -> None:
    weights = {"contrast.level_weights.clip.share": 0.25, "contrast.level_weights.part.share": 0.125}
    shares.result = ({**weights, "model.encoder": 0.125, "contrast.temperature": 0.5}, 3, 20)
    figure = importance_figure(HomePaths(home=Path("/h")), several())
    (bar,) = figure.data
    assert dict(zip(bar.y, bar.x, strict=True)) == {
        "model.encoder": 0.125, "contrast.level_weights": 0.375, "contrast.temperature": 0.5,
    }  # fmt: skip
    assert list(bar.x) == sorted(bar.x)
    assert figure.layout.title.text == "toy: importance of parameters (PED-ANOVA, 20 trials at epoch 3)"
    assert shares.asked == (("sqlite:////h/study.db", False), "toy"), "it is read only"


def test_the_importance_of_too_few_trials(shares: SimpleNamespace) -> None:
    with pytest.raises(UsageError) as caught:
        importance_figure(HomePaths(home=Path("/h")), several())
    assert str(caught.value) == (
        "importance: expected at least 4 trials with different scores at one epoch, got '6 trials'; "
        "wait for more, or go on with the search: resume=True, trials=N"
    )
