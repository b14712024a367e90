from __future__ import annotations

import dataclasses
import io
import json
import socket
import time
from pathlib import Path

import pytest
from rich.console import Console

from hico_platform.cli.main import main
from hico_platform.cli.search_view import SearchView, shown_measures, shown_values, stopped_when, trial_table
from hico_platform.cli.status import _picture
from hico_platform.config.space import Objective
from hico_platform.search.heartbeat import DRIVER, SILENT_S
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ledger.study import StudyLedger, open_storage, sqlite_url
from hico_platform.search.lock import search_lock
from hico_platform.search.objectives import pareto_front
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.steering import Steering
from hico_platform.stages.places import Places
from hico_platform.stages.status import search_status
from tests.toy import FACTS, carry_out_toy, toy_space

SPACE = toy_space(trials=5)


def carry_out(ledger: object, folder: Path, observe: object, *, fail: int | None = None) -> tuple[TrialRecord, ...]:
    steering = Steering(
        ledger=ledger,
        space=SPACE,
        scheduler=make_scheduler(SPACE.settings.scheduler, epochs=9),
        directory=folder,
        observe=observe,
    )
    while task := steering.next_task():
        if task.number == fail:
            steering.failed(task.number, reason="ValueError: no", traceback=None)
            continue
        carry_out_toy(steering, task)
    return ledger.trials()


def memory() -> MemoryLedger:
    return MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=5, at_s=0.0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a finished search ``toy``."""
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
    carry_out(ledger, tmp_path / "searches" / "toy" / "trials", lambda event: None, fail=4)
    return tmp_path


class TestView:
    def test_plain_lines_where_there_is_no_terminal(self, tmp_path: Path) -> None:
        output = io.StringIO()
        with SearchView(space=SPACE, limit=5, name="toy", console=Console(file=output, width=200)) as view:
            trials = carry_out(memory(), tmp_path, view, fail=4)
        text = output.getvalue()
        assert "trial 0 begins: temperature 0.2, encoder transformer" in text
        assert "trial 0 epoch 1/9 knn_top1 0.077 continue" in text
        assert "trial 4 failed: ValueError: no" in text
        assert f"{len(trials)} of 5 trials, best knn_top1" in text
        assert "\x1b" not in text

    def test_a_live_table_on_a_terminal(self, tmp_path: Path) -> None:
        output = io.StringIO()
        console = Console(file=output, force_terminal=True, width=140, height=40)
        with SearchView(space=SPACE, limit=5, name="toy", console=console) as view:
            carry_out(memory(), tmp_path, view)
        text = output.getvalue()
        for word in ("trial", "encoder", "parameters", "epoch", "knn_top1", "state", "complete", "stopped", "elapsed"):
            assert word in text
        assert "5 of 5 trials" in text

    def test_what_was_known_before_counts(self, tmp_path: Path) -> None:
        ledger, output = memory(), io.StringIO()
        trials = carry_out(ledger, tmp_path, lambda event: None)
        view = SearchView(space=SPACE, limit=9, name="toy", console=Console(file=output, width=200))
        view.know(ledger.search, trials)
        assert "5 of 5 trials" in view._headline()

    def test_several_objectives_show_their_front(self, tmp_path: Path) -> None:
        objectives = [Objective.KNN, Objective.PARAMETERS]
        trials = [
            dataclasses.replace(
                trial,
                state=TrialState.COMPLETE,
                reports=(dataclasses.replace(trial.reports[-1], value=value, measures=(value, size)),),
            )
            for trial, (value, size) in zip(
                carry_out(memory(), tmp_path, lambda event: None), ((0.5, 9e3), (0.6, 1e4), (0.4, 2e4)), strict=False
            )
        ]
        console, front = Console(file=io.StringIO(), width=120), pareto_front(trials, objectives)
        console.print(trial_table(trials, epochs=9, best=trials[1], objectives=objectives, front=front))
        heading, *rows = console.file.getvalue().splitlines()
        assert heading.split()[-3:] == ["knn_top1", "size", "state"]
        assert rows[0].split()[-4:] == ["0.500", "+", "9,000", "complete"]
        assert rows[1].split()[-5:] == ["0.600", "+", "*", "10,000", "complete"]
        assert rows[2].split()[-3:] == ["0.400", "20,000", "complete"]
        assert shown_measures((0.5, 9e3), objectives) == "knn_top1 0.500, parameters 9,000"

    def test_values(self) -> None:
        assert (
            shown_values({"contrast.temperature": 0.123456, "model.encoder": "gru"}) == "temperature 0.123, encoder gru"
        )

    def test_what_was_stopped_when(self, tmp_path: Path) -> None:
        trials = carry_out(memory(), tmp_path, lambda event: None, fail=4)
        text = stopped_when(trials)
        assert "stopped at epoch 1" in text
        assert "complete" in text
        assert text.endswith("1 failed")


class TestSearch:
    def test_a_wrong_space_is_exit_2_with_the_place(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text("search:\n  model.encoder: {choice: [gruu, lstm]}\n")
        assert main(["search", "--space", str(file), "--home", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert f"error: {file}:2: search.model.encoder.choice[0]: one of gru, lstm, transformer" in error
        assert "did you mean gru?" in error

    def test_as_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["search", "--space", "nothing", "--json", "--home", str(tmp_path)]) == 2
        (problem,) = json.loads(capsys.readouterr().out)["errors"]
        assert problem["file"] == "nothing"
        assert "level_weights" in problem["remedy"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ([], "--space: given, unless --resume and --name are; try --space level_weights.yaml"),
            (["--space", "queue", "--trials", "0"], "--trials: at least 1; got 0; give a count"),
            (["--space", "queue", "--set", "trials"], "--set: KEY=VALUE; got 'trials'"),
            (["--resume", "--name", "none"], "an existing study database"),
        ],
    )
    def test_usage(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
        assert main(["search", *options, "--home", str(tmp_path)]) == 2
        assert message in capsys.readouterr().err


class TestStatus:
    def test_a_finished_search(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "toy", "--home", str(home)]) == 0
        text = capsys.readouterr().out
        assert "toy: finished, 5 of 5 trials begun" in text
        assert "best knn_top1" in text
        assert "reports: epoch 1: 4 came, 2 stopped, best 0." in text
        assert "cost: " in text
        assert "CPU-hours" in text

    def test_watched_in_a_pipe_until_the_end(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "toy", "--watch", "--home", str(home)]) == 0
        assert capsys.readouterr().out.startswith("toy: finished, 5 of 5 trials begun")
        assert main(["status", "toy", "--watch", "--json", "--home", str(home)]) == 0
        assert json.loads(capsys.readouterr().out)["stand"] == "finished"

    def test_seen_from_a_machine_without_the_home(
        self, home: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
    ) -> None:
        url = sqlite_url(home / "study.db")
        ledger = StudyLedger.open(open_storage(url), name="toy")
        ledger.reopen(source=SPACE.source, limit=6)
        elsewhere = ["--home", str(tmp_path_factory.mktemp("elsewhere")), "--storage", url]
        for at_s, stand in ((time.time(), "running"), (time.time() - 2 * SILENT_S, "interrupted")):
            ledger.set_note(DRIVER, {"pid": 7, "host": "gpu-1", "since_s": 0.0, "at_s": at_s})
            main(["status", "toy", "--json", *elsewhere])
            status = json.loads(capsys.readouterr().out)
            assert status["stand"] == stand
        # In the home of a driver that was killed the lock tells at once.
        ledger.set_note(DRIVER, {"pid": 7, "host": socket.gethostname(), "since_s": 0.0, "at_s": time.time()})
        (home / "searches" / "toy" / "lock").touch()
        main(["status", "toy", "--json", "--home", str(home)])
        assert json.loads(capsys.readouterr().out)["stand"] == "interrupted"

    def test_many_trials_fit_the_screen(self, home: Path) -> None:
        status = search_status(Places(home=home), "toy")
        console = Console(file=io.StringIO(), width=120)
        console.print(_picture(status, rows=2))
        text = console.file.getvalue()
        assert "3 earlier trials are not shown" in text
        assert "failed" in text

    def test_as_json(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "toy", "--json", "--home", str(home)]) == 0
        status = json.loads(capsys.readouterr().out)
        assert status["counts"]["failed"] == 1
        assert status["counts"]["running"] == 0
        assert status["rungs"]["1"]["reached"] == 4
        assert status["rungs"]["1"]["stopped"] == status["counts"]["pruned"] - status["rungs"]["3"]["stopped"]
        assert status["rungs"]["9"]["best"] == status["best"]["knn_top1"]
        assert status["cost"]["gpu_hours"] == 0
        assert status["trials"][4]["reason"] == "ValueError: no"
        assert status["best"]["metrics"]["recognition_top1"] > 0

    def test_all_searches(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "--home", str(home)]) == 0
        assert capsys.readouterr().out.startswith("toy ")

    def test_who_runs_it(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        storage = open_storage(sqlite_url(home / "study.db"))
        StudyLedger.open(storage, name="toy").reopen(source=SPACE.source, limit=6)
        for running, stand in ((True, "running"), (False, "interrupted")):
            if running:
                with search_lock(home / "searches" / "toy" / "lock", name="toy"):
                    main(["status", "toy", "--json", "--home", str(home)])
            else:
                main(["status", "toy", "--json", "--home", str(home)])
            assert json.loads(capsys.readouterr().out)["stand"] == stand

    def test_an_unknown_name(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "toi", "--home", str(home)]) == 2
        assert "name: the name of a search; got 'toi'; searches here: toy" in capsys.readouterr().err


def test_ui_without_anything_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--home", str(tmp_path)]) == 2
    assert "nothing to browse" in capsys.readouterr().err


def test_ui_on_a_taken_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["ui", "--home", str(tmp_path), "--port", str(port)]) == 2
    assert f"got '127.0.0.1:{port}'; Address already in use; give another --port" in capsys.readouterr().err


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["trials"]["minimum"] == 1
