from __future__ import annotations

import dataclasses
from pathlib import Path

import optuna
import pytest

from hico_platform.config.space import SamplerName
from hico_platform.errors import UsageError
from hico_platform.search.drivers import this_driver
from hico_platform.search.ledger.base import Ledger, TrialState, config_of
from hico_platform.search.ledger.names import other_study_names, search_names
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.ledger.serialization import report_to_plain
from tests.toy import FACTS, toy_space
from tests.unit.search.ledger.contract import SPACE, WIDER, LedgerContract, Open, ending, report


class TestStudyLedger(LedgerContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return sqlite_url(tmp_path / "home" / "study.db")

    @pytest.fixture
    def reopen(self, url: str) -> Open:
        def reopen() -> Ledger:
            storage = open_storage(url)
            if StudyLedger.exists(storage, name="toy"):
                return StudyLedger.open(storage, name="toy")
            return StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)

        return reopen

    def test_a_driver_that_another_program_wrote_is_read_as_far_as_it_goes(self, ledger: Ledger, url: str) -> None:
        study = optuna.load_study(study_name="toy", storage=open_storage(url))
        hostile = {"user": "\x1b]0;x\x07eve\nerror: x", "pid": "7", "host": 7, "began_at_s": 10**400, "more": {}}
        for number, plain in enumerate([hostile, "text", None]):
            study.set_user_attr(f"driver:{number}", plain)
        first, *others = ledger.drivers()
        assert (first.user, first.host, first.pid, first.began_at_s) == ("?]0;x?eve?error: x", "unknown", None, 0.0)
        assert [one.user for one in others] == ["unknown", "unknown"]

    def test_readers_do_not_wait(self, ledger: Ledger, tmp_path: Path) -> None:
        import sqlite3

        with sqlite3.connect(tmp_path / "home" / "study.db") as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_optuna_sees_what_samplers_need(self, ledger: Ledger, url: str) -> None:
        pruned, complete, failed = (ledger.begin(SPACE, at_s=0.0).number for _ in range(3))
        ledger.record_report(pruned, report(1, 0.1))
        ledger.record_ending(pruned, ending(TrialState.PRUNED, epoch=1))
        for epoch in (1, 9):
            ledger.record_report(complete, report(epoch, epoch / 10))
        ledger.record_ending(complete, ending(TrialState.COMPLETE))
        ledger.record_ending(failed, ending(TrialState.FAILED))
        trials = optuna.load_study(study_name="toy", storage=url).trials
        states = optuna.trial.TrialState
        assert [trial.state for trial in trials] == [states.PRUNED, states.COMPLETE, states.FAIL]
        assert trials[0].intermediate_values == {1: 0.1}
        assert trials[1].value == 0.9
        assert trials[1].intermediate_values == {1: 0.1, 9: 0.9}

    def test_optuna_has_every_objective_with_its_direction(self, tmp_path: Path) -> None:
        space = toy_space(objectives=["knn_top1", "parameters"], sampler={"name": "nsga2"})
        storage = open_storage(sqlite_url(tmp_path / "study.db"))
        ledger = StudyLedger.create(storage, name="two", space=space, facts=FACTS, limit=6, at_s=5.0)
        number = ledger.begin(space, at_s=0.0).number
        for epoch, measures in ((9, (0.75, 2e6)), (3, (0.25, 1e6))):
            ledger.record_report(number, dataclasses.replace(report(epoch, measures[0]), measures=measures))
        ledger.record_ending(number, ending(TrialState.COMPLETE))
        study = optuna.load_study(study_name="two", storage=storage)
        assert study.directions == [
            optuna.study.StudyDirection.MAXIMIZE,
            optuna.study.StudyDirection.MINIMIZE,
        ]
        assert study.trials[0].values == [0.75, 2e6], "those of the last epoch"

    def test_an_ending_that_was_cut_off_is_completed(self, ledger: Ledger, reopen: Open, url: str) -> None:
        number = ledger.begin(SPACE, at_s=0.0).number
        ledger.record_report(number, report(9, 0.4))
        study = optuna.load_study(study_name="toy", storage=url)
        trial = study.get_trials()[0]
        plain = {**dataclasses.asdict(ending(TrialState.COMPLETE)), "state": "complete"}
        study._storage.set_trial_user_attr(trial._trial_id, "ending", plain)
        assert reopen().trials()[0].state is TrialState.COMPLETE
        assert optuna.load_study(study_name="toy", storage=url).trials[0].state is optuna.trial.TrialState.COMPLETE

    def test_a_report_that_was_cut_off_is_completed(self, ledger: Ledger, reopen: Open, url: str) -> None:
        number = ledger.begin(SPACE, at_s=0.0).number
        ledger.record_report(number, report(1, 0.25))
        study = optuna.load_study(study_name="toy", storage=url)
        trial = study.get_trials()[0]
        study._storage.set_trial_user_attr(trial._trial_id, "report:9", report_to_plain(report(9, 0.5)))
        again = reopen()
        again.record_report(number, report(9, 0.75))
        again.record_ending(number, ending(TrialState.COMPLETE))
        kept = optuna.load_study(study_name="toy", storage=url).trials[0]
        assert (kept.intermediate_values, kept.value) == ({1: 0.25, 9: 0.5}, 0.5)
        assert again.trials()[0].curve == {1: 0.25, 9: 0.5}

    def test_a_beginning_that_was_cut_off_is_completed(self, ledger: Ledger, reopen: Open, url: str) -> None:
        half = optuna.load_study(study_name="toy", storage=url).ask()
        half.suggest_float("contrast.temperature", 0.05, 0.5, log=True)
        assert reopen().trials() == ()
        begun = reopen().begin(SPACE, at_s=0.0)
        assert begun.number == half.number == 0
        assert begun.values["contrast.temperature"] == half.params["contrast.temperature"]

    @pytest.mark.slow
    @pytest.mark.parametrize("name", list(SamplerName))
    def test_proposals_do_not_depend_on_interruptions(self, name: SamplerName) -> None:
        if name is SamplerName.CMAES:
            pytest.importorskip("cmaes", reason="the optional library cmaes is not installed")
        temperature = {"low": 0.05, "high": 0.5, "step": 0.05} if name is SamplerName.GRID else {"low": 0.05, "high": 1}
        space = toy_space(
            search={
                "contrast": {"temperature": temperature},
                "model": {
                    "encoder": {"choice": ["gru", "transformer"]},
                    "layers": {"low": 1, "high": 3, "when": {"model.encoder": "transformer"}},
                },
            },
            sampler={"name": str(name), "startup_trials": 4},
        )

        def values(*, interrupted: bool) -> list[object]:
            storage = open_storage("memory:")
            ledger = StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=12, at_s=5.0)
            found = []
            for number in range(12):
                if interrupted:
                    ledger = StudyLedger.open(storage, name="toy")
                trial = ledger.begin(space, at_s=0.0)
                found.append(trial.values)
                ledger.record_report(number, report(9, 1.0 - float(trial.values["contrast.temperature"])))
                ledger.record_ending(number, ending(TrialState.COMPLETE))
            return found

        assert values(interrupted=True) == values(interrupted=False)

    @pytest.mark.slow
    def test_a_name_is_taken_once(self, ledger: Ledger, url: str) -> None:
        with pytest.raises(UsageError, match=r"name: expected a name that no search has yet, got 'toy'; give --resume"):
            StudyLedger.create(open_storage(url), name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        ledger.record_driver(dataclasses.replace(this_driver(at_s=1.0), user="somebody-else"))
        with pytest.raises(UsageError, match=r"give another --name: this one is somebody-else's"):
            StudyLedger.create(open_storage(url), name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)

    def test_trials_of_older_versions_have_the_configuration_of_the_space_before_it_changed(self, url: str) -> None:
        storage = open_storage(url)
        ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        for number in range(2):
            values = ledger.begin(SPACE, at_s=0.0).values
            old = {"values": values, "origin": "sampler", "began_at_s": 0.0}
            storage.set_trial_user_attr(number + 1, "trial", old)
            ledger.record_ending(number, ending(TrialState.PRUNED))
        assert [trial.config for trial in ledger.trials()] == [None, None]
        ledger.reopen(source=WIDER.source, limit=9)
        ledger.reopen(source=SPACE.source, limit=12)
        ledger.reopen(source=WIDER.source, limit=12)
        for trial in StudyLedger.open(open_storage(url), name="toy").trials():
            assert config_of(trial, WIDER) == SPACE.config(trial.values)

    def test_a_creation_that_was_cut_off_is_completed(self, url: str) -> None:
        storage = open_storage(url)
        optuna.create_study(storage=storage, study_name="another", direction="maximize")
        optuna.create_study(storage=storage, study_name="toy", direction="maximize")
        assert (search_names(storage), other_study_names(storage)) == ((), ("another", "toy"))
        assert not StudyLedger.exists(storage, name="toy")
        ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        assert ledger.search.limit == 6

    def test_searches_do_not_mix(self, ledger: Ledger, url: str) -> None:
        ledger.begin(SPACE, at_s=0.0)
        other = StudyLedger.create(open_storage(url), name="other", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        assert other.trials() == ()
        assert other.begin(SPACE, at_s=0.0).number == 0
        assert len(ledger.trials()) == 1

    def test_no_such_search(self, ledger: Ledger, url: str) -> None:
        with pytest.raises(
            UsageError, match=r"name: expected the name of a search, got 'toi'; choose among the searches here: toy"
        ):
            StudyLedger.open(open_storage(url), name="toi")
