from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hico_platform.commands import retrain as command
from hico_platform.home import HomePaths
from hico_platform.search.phases import DriverWatch
from hico_platform.tracking import mlflow_tracker
from tests.unit.cli.views.test_retrain_view import REPORT
from tests.unit.retrain.test_run import Stage


def test_results_lie_with_the_search_and_runs_in_the_homes_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    stores: list[dict[str, Any]] = []
    monkeypatch.setattr(command, "retrain", lambda inputs, **more: asked.update(more, inputs=inputs) or REPORT)
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(command, "add_figures", lambda report, **more: drawn.update(more, report=report) or "no disk")
    monkeypatch.setattr(mlflow_tracker, "MlflowTracker", lambda **more: stores.append(more) or "tracker")
    paths, inputs = HomePaths(home=tmp_path), Stage(tmp_path).inputs()
    observe = print
    found = command.retrain_in_home(paths, inputs, seeds=3, epochs=7, address="cluster", observe=observe, command="me")
    assert found.figures_missing == "no disk"
    assert drawn == {"report": REPORT, "data": inputs.data, "tracker": "tracker"}
    assert stores == [{"uri": paths.tracking_uri, "artifacts": tmp_path / "mlartifacts"}]
    assert isinstance(asked.pop("watch"), DriverWatch)
    assert asked == {
        "inputs": inputs,
        "directory": tmp_path / "searches" / "x" / "final",
        "tracker": "tracker",
        "seeds": 3,
        "epochs": 7,
        "address": "cluster",
        "observe": observe,
        "command": "me",
    }
