from __future__ import annotations

import json
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from hico_platform.cli.main import main
from hico_platform.cli.status import _picture
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.heartbeat import DEAD_AFTER_S, DRIVER
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.lock import search_lock
from hico_platform.search.messages import TrialFailure
from hico_platform.search.notes import SESSIONS
from hico_platform.search.start import check_startable
from hico_platform.search.status import progress_of, search_status
from tests.toy import FACTS, run_toy_task
from tests.unit.cli.test_search import SPACE, controller_of


class TestStatus:
    def test_a_finished_search(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "toy", "--home", str(home)]) == 0
        text = capsys.readouterr().out
        assert "toy: finished, 5 of 5 trials ended" in text
        assert "best knn_top1" in text
        assert "reports: epoch 1: 4 came, 2 stopped, best 0." in text
        assert "cost: " in text
        assert "CPU-hours" in text

    def test_watched_in_a_pipe_until_the_end(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "toy", "--watch", "--home", str(home)]) == 0
        assert capsys.readouterr().out.startswith("toy: finished, 5 of 5 trials ended")
        assert main(["status", "toy", "--watch", "--json", "--home", str(home)]) == 0
        assert json.loads(capsys.readouterr().out)["state"] == "finished"

    def test_seen_from_a_machine_without_the_home(
        self, home: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
    ) -> None:
        url = sqlite_url(home / "study.db")
        ledger = StudyLedger.open(open_storage(url), name="toy")
        ledger.reopen(source=SPACE.source, limit=6)
        elsewhere = ["--home", str(tmp_path_factory.mktemp("elsewhere")), "--storage", url]
        for at_s, state in ((time.time(), "running"), (time.time() - 2 * DEAD_AFTER_S, "interrupted")):
            ledger.set_note(DRIVER, {"pid": 7, "host": "gpu-1", "since_s": 0.0, "at_s": at_s})
            main(["status", "toy", "--json", *elsewhere])
            status = json.loads(capsys.readouterr().out)
            assert status["state"] == state
        # In the home of a driver that was killed the lock tells at once.
        ledger.set_note(DRIVER, {"pid": 7, "host": socket.gethostname(), "since_s": 0.0, "at_s": time.time()})
        (home / "searches" / "toy" / "lock").touch()
        main(["status", "toy", "--json", "--home", str(home)])
        assert json.loads(capsys.readouterr().out)["state"] == "interrupted"

    def test_before_its_first_report_a_trial_says_since_when_it_runs(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ledger = StudyLedger.create(
            open_storage(sqlite_url(tmp_path / "study.db")), name="toy", space=SPACE, facts=FACTS, limit=5, at_s=0.0
        )
        now_s = time.time()
        ledger.set_note(SESSIONS, [now_s - 800.0])
        for ago_s in (723.0, 60.0):
            ledger.begin(SPACE, at_s=now_s - ago_s)
        ledger.set_note(DRIVER, {"pid": 7, "host": "gpu-1", "since_s": now_s - 800.0, "at_s": now_s})
        status = search_status(HomePaths(home=tmp_path), "toy", at_s=now_s)
        assert status.without_report == pytest.approx({0: 723.0, 1: 60.0})
        said = "at work, no report yet: trial 0 for 12:03, trial 1 for 1:00; a trial first reports at epoch 1"
        assert said in _picture(status).notes
        assert status.as_dict()["without_report"] == pytest.approx({"0": 723.0, "1": 60.0})
        ended = search_status(HomePaths(home=tmp_path), "toy", at_s=now_s + 2 * DEAD_AFTER_S)
        assert ended.without_report == {}, "without a driver none is at work"

    def test_many_trials_fit_the_screen(self, home: Path) -> None:
        lines = [
            line.plain for line in _picture(search_status(HomePaths(home=home), "toy")).fitting(width=80, height=7)
        ]
        assert lines[0].startswith("toy: finished, 5 of 5 trials ended, best knn_top1 0.")
        assert lines[-1].split()[:2] == ["4", "failed"]
        assert len(lines) == 7

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
        assert capsys.readouterr().out.startswith("toy: finished, ")

    def test_who_runs_it(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        storage = open_storage(sqlite_url(home / "study.db"))
        StudyLedger.open(storage, name="toy").reopen(source=SPACE.source, limit=6)
        for running, state in ((True, "running"), (False, "interrupted")):
            if running:
                with search_lock(home / "searches" / "toy" / "lock", name="toy"):
                    main(["status", "toy", "--json", "--home", str(home)])
            else:
                main(["status", "toy", "--json", "--home", str(home)])
            assert json.loads(capsys.readouterr().out)["state"] == state

    def test_an_unknown_name(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "toi", "--home", str(home)]) == 2
        assert (
            "name: expected the name of a search, got 'toi'; choose among the searches here: toy"
            in capsys.readouterr().err
        )


class TestOneStateEverywhere:
    """Table, headline, list of all, JSON and report of one search agree."""

    @pytest.fixture
    def cut_off(self, tmp_path: Path) -> Path:
        """A home whose driver was killed: one trial has ended, two were at work, one of them with a report."""
        storage = open_storage(sqlite_url(tmp_path / "study.db"))
        ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
        controller = controller_of(ledger, tmp_path / "searches" / "toy" / "trials")
        tasks = [controller.next_task() for _ in range(3)]
        run_toy_task(controller, tasks[0])
        return tmp_path

    def pages(self, home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str, dict, str, list]:
        capsys.readouterr()
        words = ["--home", str(home)]
        main(["status", "toy", *words])
        table = capsys.readouterr().out.splitlines()
        main(["status", *words])
        listed = capsys.readouterr().out
        main(["status", "toy", "--json", *words])
        plain = json.loads(capsys.readouterr().out)
        main(["report", "toy", "--json", *words])
        reported = json.loads(capsys.readouterr().out)
        return table, listed, plain, f"{reported['state']}, {reported['progress']}", reported["trials"]

    def test_machines_that_were_excluded(self, cut_off: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ledger = StudyLedger.open(open_storage(sqlite_url(cut_off / "study.db")), name="toy")
        left_out = {"host": "node7", "reason": "RuntimeError: CUDA \x1b[2J", "trials": [3, 4, 5], "at_s": 9.0}
        ledger.set_note("machines_left_out", [left_out])
        table, _, plain, _, _ = self.pages(cut_off, capsys)
        (line,) = [line for line in table if line.startswith("excluded: ")]
        assert line.startswith(
            "excluded: node7, on which trials 3, 4, 5 failed that went on elsewhere (RuntimeError: CUDA"
        )
        assert "\x1b" not in line
        assert plain["machines_left_out"] == [left_out]

    @pytest.mark.parametrize(
        ("running", "said"),
        [
            (True, "running, 1 of 5 trials ended, 2 running"),
            (False, "interrupted, 1 of 5 trials ended, 2 interrupted"),
        ],
    )
    def test_with_and_without_a_driver(
        self, cut_off: Path, running: bool, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if running:
            with search_lock(cut_off / "searches" / "toy" / "lock", name="toy"):
                table, listed, plain, report, trials = self.pages(cut_off, capsys)
        else:
            table, listed, plain, report, trials = self.pages(cut_off, capsys)
        state, unfinished = said.split(maxsplit=1)[0].rstrip(","), said.rsplit(maxsplit=1)[-1]
        assert table[-1].startswith(f"toy: {said}")
        assert [line.split()[1] for line in table[1:4]] == ["complete", unfinished, unfinished]
        assert listed.startswith(f"toy: {said}")
        assert (plain["state"], plain["counts"][unfinished], sum(plain["counts"].values())) == (state, 2, 3)
        assert [trial["state"] for trial in plain["trials"]] == ["complete", unfinished, unfinished]
        assert report == f"{state}, 1 of 5 trials ended, 2 {unfinished}"
        assert [trial["state"] for trial in trials] == ["complete", unfinished, unfinished]

    def test_a_search_with_too_many_failures_is_failed(self, cut_off: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ledger = StudyLedger.open(open_storage(sqlite_url(cut_off / "study.db")), name="toy")
        ledger.reopen(source=dict(SPACE.source) | {"resources": {"cpus": 1, "max_failures": 1}}, limit=5)
        controller = controller_of(ledger, cut_off)
        for _ in range(2):
            controller.failed(controller.next_task().number, TrialFailure(reason="ValueError: no"))
        table, listed, plain, report, _ = self.pages(cut_off, capsys)
        assert table[-1].startswith("toy: failed, 3 of 5 trials ended")
        assert listed.startswith("toy: failed")
        assert (plain["state"], report) == ("failed", "failed, 3 of 5 trials ended")

    def test_a_limit_below_what_was_begun(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        StudyLedger.open(open_storage(sqlite_url(home / "study.db")), name="toy").reopen(source=SPACE.source, limit=2)
        table, _, _, report, _ = self.pages(home, capsys)
        assert table[-1].startswith("toy: finished, 5 trials ended, limit 2")
        assert report == "finished, 5 trials ended, limit 2"

    def test_for_who_goes_on_with_its_results(self, cut_off: Path) -> None:
        progress = progress_of(HomePaths(home=cut_off), "toy")
        assert (str(progress.state), progress.ended, progress.limit) == ("interrupted", 1, 5)


class TestInAPipe:
    def test_a_trial_is_a_line_without_colour_or_wrapping(
        self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "40")
        monkeypatch.delenv("FORCE_COLOR", raising=False)
        assert main(["status", "toy", "--home", str(home)]) == 0
        text = capsys.readouterr().out
        heading, *lines = text.splitlines()
        assert heading.split() == ["trial", "state", "epoch", "knn_top1", "encoder", "parameters"]
        assert [line.split()[0] for line in lines[:5]] == ["0", "1", "2", "3", "4"]
        assert all("temperature 0." in line for line in lines[:5])
        assert [line.split(":")[0] for line in lines[5:]] == ["reports", "cost", "toy"]
        assert "\x1b" not in text

    def test_the_list_of_all_is_a_line_each(
        self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "40")
        storage = open_storage(sqlite_url(home / "study.db"))
        StudyLedger.create(storage, name="another", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
        assert main(["status", "--home", str(home)]) == 0
        assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == [
            "another: interrupted",
            "toy: finished",
        ]


class TestOthers:
    """Searches of other versions, and studies that are no searches."""

    def altered(self, home: Path, name: str, **content: object) -> None:
        """A search that another version began."""
        storage = open_storage(sqlite_url(home / "study.db"))
        StudyLedger.create(storage, name=name, space=SPACE, facts=FACTS, limit=5, at_s=0.0)
        study = optuna.load_study(study_name=name, storage=storage)
        study.set_user_attr("search", study.user_attrs["search"] | content)

    @pytest.mark.slow
    def test_a_search_that_cannot_be_read_keeps_none_of_the_others_from_being_shown(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.altered(home, "newer", source=dict(SPACE.source) | {"curriculum": {"stages": 3}})
        self.altered(home, "damaged", source=None)
        self.altered(home, "lacking", facts={"code_version": "9.0"})
        assert main(["status", "--home", str(home)]) == 0
        damaged, lacking, newer, toy = capsys.readouterr().out.splitlines()
        assert toy.startswith("toy: finished")
        assert newer.startswith(
            "newer: cannot be read: ledger: curriculum: expected a known key, got 'curriculum'; use the version"
        )
        assert damaged.startswith("damaged: cannot be read: ")
        assert "lacking: cannot be read: " in lacking
        assert "use the version that wrote it (9.0), or a newer one" in lacking
        assert main(["status", "--json", "--home", str(home)]) == 0
        every = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
        assert every["newer"]["state"] is None
        assert "curriculum" in every["newer"]["error"]
        assert every["toy"]["state"] == "finished"
        for name, code in (("newer", 2), ("damaged", 3), ("lacking", 2)):
            for command in ("status", "report"):
                assert main([command, name, "--home", str(home)]) == code
            assert capsys.readouterr().err.startswith("error: ")

    def test_fields_that_a_newer_version_adds_are_left_out(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        storage = open_storage(sqlite_url(home / "study.db"))
        study = optuna.load_study(study_name="toy", storage=storage)
        study.set_user_attr("search", study.user_attrs["search"] | {"owner": "me"})
        for frozen in study.get_trials(deepcopy=False):
            for key, value in frozen.user_attrs.items():
                if key.startswith("report:") or key in ("ending", "trial"):
                    raw_attribute(home, frozen._trial_id, key, value | {"energy_kwh": 0.1})
        assert main(["status", "toy", "--home", str(home)]) == 0
        assert "toy: finished, 5 of 5 trials ended" in capsys.readouterr().out

    def test_a_study_that_is_no_search_is_neither_shown_as_one_nor_offered_nor_begun_in(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        storage = open_storage(sqlite_url(home / "study.db"))
        study = optuna.create_study(storage=storage, study_name="theirs")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        assert main(["status", "--home", str(home)]) == 0
        assert capsys.readouterr().out.splitlines()[0] == (
            "theirs: not a search: a study that this package did not make"
        )
        assert main(["status", "theirs", "--home", str(home)]) == 2
        assert (
            capsys.readouterr()
            .err.strip()
            .endswith("got 'theirs, a study that this package did not make'; choose among the searches here: toy")
        )
        with pytest.raises(UsageError, match="a name that no other study has, got 'theirs'"):
            StudyLedger.create(storage, name="theirs", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
        for resume in (False, True):
            with pytest.raises(UsageError, match="a name that no other study has, got 'theirs'"):
                check_startable(HomePaths(home=home), "theirs", SPACE, facts=FACTS, resume=resume)
        assert "search" not in optuna.load_study(study_name="theirs", storage=storage).user_attrs


def raw_attribute(home: Path, trial_id: int, key: str, value: object) -> None:
    """Overwrites what a finished trial has, which Optuna refuses to."""
    with closing(sqlite3.connect(home / "study.db")) as connection, connection:
        connection.execute(
            "UPDATE trial_user_attributes SET value_json = ? WHERE trial_id = ? AND key = ?",
            (json.dumps(value), trial_id, key),
        )
