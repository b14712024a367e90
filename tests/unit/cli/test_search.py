from __future__ import annotations

import dataclasses
import json
import socket
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.config.space import space_from
from hico_platform.search.controller import SearchController
from hico_platform.search.events import Observer
from hico_platform.search.ledger.base import Ledger, TrialRecord
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.messages import TrialFailure
from hico_platform.search.scheduler.make import make_scheduler
from tests.small import small_store
from tests.toy import FACTS, run_toy_task, toy_space
from tests.unit.search.test_result import result

SPACE = toy_space(trials=5)


def controller_of(ledger: Ledger, folder: Path, observe: Observer = lambda event: None) -> SearchController:
    space = space_from(ledger.search.source)
    scheduler = make_scheduler(space.settings.scheduler, epochs=9)
    return SearchController(ledger=ledger, space=space, scheduler=scheduler, directory=folder, observe=observe)


def carry_out(ledger: Ledger, folder: Path, observe: Observer, *, fail: int | None = None) -> tuple[TrialRecord, ...]:
    controller = controller_of(ledger, folder, observe)
    while task := controller.next_task():
        if task.number == fail:
            controller.failed(task.number, TrialFailure(reason="ValueError: no"))
            continue
        run_toy_task(controller, task)
    return ledger.trials()


def memory() -> MemoryLedger:
    return MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=5, at_s=0.0)


class TestSearch:
    def test_a_wrong_space_is_exit_2_with_the_place(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text("search:\n  model.encoder: {choice: [gruu, lstm]}\n")
        assert main(["search", "--space", str(file), "--home", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert f"error: {file}:2: search.model.encoder.choice[0]: expected one of gru, lstm, transformer" in error
        assert "did you mean gru?" in error

    def test_as_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["search", "--space", "nothing", "--json", "--home", str(tmp_path)]) == 2
        (problem,) = json.loads(capsys.readouterr().out)["errors"]
        assert problem["file"] == "nothing"
        assert "level_weights" in problem["remedy"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ([], "--space: expected a space file, or --resume and --name; try --space level_weights.yaml"),
            (["--space", "queue", "--trials", "0"], "--trials: expected at least 1, got 0; give a count"),
            (["--space", "queue", "--trials", "9" * 20], "--trials: expected at most 1,000,000, got 9999"),
            (["--space", "queue", "--dry-run", "--set", "trials=1000001"], "trials: expected at most 1000000, got"),
            (["--space", "queue", "--cpus", "0"], "--cpus: expected at least 1, got 0; give a count"),
            (["--space", "queue", "--dry-run", "--cpus", "1", "--set", "resources.cpus=8"],
             "resources.cpus: expected at most the 1 CPU that a search may use on this machine, got 8.0; "
             "give --set resources."),
            (["--space", "queue", "--set", "trials"], "--set: expected KEY=VALUE, got 'trials'"),
            (["--resume", "--name", "none"], "an existing study database"),
        ],
    )  # fmt: skip
    def test_usage(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
        assert main(["search", *options, "--home", str(tmp_path)]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(("scored", "code"), [(True, 0), (False, 1)])
def test_a_search_whose_trials_failed_without_a_score_is_exit_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scored: bool, code: int
) -> None:
    found = result(ended=True)
    brought = found if scored else dataclasses.replace(found, best=None)
    monkeypatch.setattr("hico_platform.cli.search._search", lambda *given, **named: brought)
    assert main(["search", "--space", "queue", "--home", str(tmp_path)]) == code
    assert ("no trial was scored" in capsys.readouterr().out) is not scored


def test_ui_without_anything_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--home", str(tmp_path)]) == 2
    assert "a home with something to browse" in capsys.readouterr().err


def test_ui_on_a_taken_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["ui", "--home", str(tmp_path), "--port", str(port)]) == 2
    assert f"got '127.0.0.1:{port} (Address already in use)'; give another --port" in capsys.readouterr().err


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["trials"]["minimum"] == 1


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_data_without_labels_cannot_be_searched(
    tmp_path: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    small_store(tmp_path / "store", unlabelled=range(48))
    words = ["search", "--space", "queue", "--data", str(tmp_path / "store"), "--home", str(tmp_path / "home")]
    assert main([*words, *more]) == 3
    said = capsys.readouterr().err
    assert "data: expected labelled sequences of at least 2 classes among the validation subjects, to score on" in said
    assert "got '0 classes; 0 of 48 sequences have a label'; label more of it and prepare it again" in said
    assert not (tmp_path / "home" / "study.db").exists()
