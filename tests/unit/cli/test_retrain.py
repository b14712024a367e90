from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from hico_platform.cli import retrain as command
from hico_platform.cli.main import main
from hico_platform.home import HomePaths
from hico_platform.retrain import inputs as inputs_module
from hico_platform.retrain.further_tasks import DEFAULT_TASKS
from hico_platform.tracking import mlflow_tracker
from tests.unit.retrain.test_run import Stage, keep_tasks


def test_table_json_and_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stage = Stage(tmp_path / "runs")
    stage.train()
    keep_tasks(stage)
    monkeypatch.setattr(inputs_module, "inputs_of_search", lambda *_, **__: stage.inputs())
    monkeypatch.setattr(mlflow_tracker, "MlflowTracker", lambda **_: stage.tracker)
    home = tmp_path / "home"
    (home / "searches" / "x").mkdir(parents=True)
    (home / "searches" / "x" / "final").symlink_to(stage.folder)
    words = ["retrain", "x", "--seeds", "1", "--home", str(home)]
    stage.tracker.refuses = {"register_champion"}
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert "best configuration" in shown
    assert "5 % of labels, linear probe" in shown
    assert "The model is not registered: the tracking store refused it: register_champion is not allowed" in shown
    assert f"without training again: hico-platform retrain x --seeds 1 --home {home}" in shown
    assert main([*words, "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["champion"]["version"] is None
    assert printed["further"]["scores"]["best"]["semi_unstratified_5_linear_top1"]["mean"] == pytest.approx(0.9)
    assert printed["further"]["skipped"]["occlusion, raw pose"] == "an encoder"
    assert "register_champion is not allowed" in printed["champion"]["unregistered"]
    stage.tracker.refuses = set()
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["champion"]["version"] == 1


@pytest.mark.parametrize(
    ("options", "held"),
    [
        ([], (1.0, 0.0)),
        (["--gpus", "4"], (4.0, 4.0)),
        (["--gpus", "0.5"], (1.0, 0.5)),
        (["--gpus", "4", "--cpus", "2"], (2.0, 4.0)),
    ],
)
def test_each_gpu_of_a_run_has_a_cpu_unless_told_otherwise(
    options: list[str], held: tuple[float, float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(inputs_module, "inputs_of_search", lambda *_, **__: Stage(tmp_path).inputs())
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    inputs = command._inputs(parser.parse_args(["x", *options]), HomePaths(home=tmp_path))
    assert (inputs.cpus, inputs.gpus) == held


def test_the_command_to_go_on_with_names_the_tasks_that_were_asked_for() -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    parser.add_argument("--home")
    found = parser.parse_args(["x", "--tasks", "semi, finetune"])
    assert found.tasks == ("semi", "finetune")
    assert "--tasks semi,finetune" in command._repeat_command(found)
    assert "--tasks" not in command._repeat_command(parser.parse_args(["x"]))
    assert parser.parse_args(["x"]).tasks == DEFAULT_TASKS
