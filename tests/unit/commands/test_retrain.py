from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hico_platform.commands import retrain as command
from hico_platform.commands.checkpoints_option import CheckpointsOption
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.checkpoint_place import CheckpointsAsked
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
        "further": ("semi", "occlusion"),
        "address": "cluster",
        "observe": observe,
        "command": "me",
        "checkpoints": CheckpointsAsked(folder="x"),
    }


@pytest.mark.parametrize(
    ("of_search", "asked", "url", "default", "folder"),
    [
        (None, CheckpointsOption(default="s3://env"), None, "s3://env", "x"),
        ("s3://search", CheckpointsOption(default="s3://env"), None, "s3://search", "x-0123"),
        ("s3://search", CheckpointsOption(url="s3://asked"), "s3://asked", "s3://search", "x-0123"),
    ],
)
def test_checkpoints_are_where_those_of_the_search_are_unless_another_store_is_asked_for(
    of_search: str | None, asked: CheckpointsOption, url: str | None, default: str, folder: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    found: list[CheckpointsAsked] = []
    monkeypatch.setattr(command, "retrain", lambda inputs, *, checkpoints, **_: found.append(checkpoints) or REPORT)
    monkeypatch.setattr(command, "add_figures", lambda report, **_: None)
    monkeypatch.setattr(mlflow_tracker, "MlflowTracker", lambda **_: "tracker")
    inputs = dataclasses.replace(
        Stage(tmp_path).inputs(), store=of_search, folder_in_store="x-0123" if of_search else None
    )
    command.retrain_in_home(
        HomePaths(home=tmp_path), inputs, seeds=1, epochs=1, address=None, observe=print, checkpoints=asked
    )
    assert found == [CheckpointsAsked(url=url, default=default, folder=folder)]


def test_names_of_tasks_are_checked_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "retrain", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(UsageError, match="got 'knnn'"):
        command.retrain_in_home(
            HomePaths(home=tmp_path), Stage(tmp_path).inputs(), seeds=3, epochs=7, address=None, observe=print,
            tasks=("semi", "knnn"),
        )  # fmt: skip
