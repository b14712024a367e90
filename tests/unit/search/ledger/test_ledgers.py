from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import optuna
import pytest

from hico_platform.config.parameters import Range
from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace, SamplerName
from hico_platform.enums import Decision
from hico_platform.errors import HicoError, UsageError
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger.base import Ending, Ledger, Origin, ReportRecord, TrialState, best_trial, config_of
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ledger.names import other_study_names, search_names
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.ledger.samplers import distribution_of
from tests.toy import FACTS, toy_space

SPACE = toy_space()
WIDER = toy_space(
    base={"model": {"hidden_width": 32}, "budget": {"epochs": 9}},
    search={**SPACE.source["search"], "model.hidden_width": {"choice": [16, 32, 64]}},
)
Open = Callable[[], Ledger]


def report(epoch: int, value: float, decision: Decision = Decision.CONTINUE) -> ReportRecord:
    return ReportRecord(
        epoch=epoch,
        value=value,
        metrics={"knn_top1": value},
        history=((epoch, {"loss": 1.5}),),
        decision=decision,
        checkpoint=Path(f"epoch-{epoch}"),
        at_s=100.0 + epoch,
    )


def ending(state: TrialState, epoch: int = 9) -> Ending:
    return Ending(state=state, epoch=epoch, at_s=200.0, metrics={"recognition_top1": 0.5}, checkpoint="last")


class LedgerContract:
    """What every ledger does. ``reopen`` gives the ledger as the next driver finds it."""

    @pytest.fixture
    def reopen(self) -> Open:
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, reopen: Open) -> Ledger:
        return reopen()

    def test_the_search(self, ledger: Ledger, reopen: Open) -> None:
        for one in (ledger, reopen()):
            assert one.search.name == "toy"
            assert one.search.facts == FACTS
            assert (one.search.limit, one.search.began_at_s) == (6, 5.0)
            assert one.search.source == SPACE.source
            assert one.trials() == ()

    def test_trials_begin_with_what_was_put_in_line(self, ledger: Ledger, reopen: Open) -> None:
        values = {name: value for name, value in flatten(SPACE.base).items() if value is not None}
        ledger.enqueue(values, space=SPACE, origin=Origin.BASE)
        ledger.enqueue(values, space=SPACE, origin=Origin.BASE)
        first, second = ledger.begin(SPACE, at_s=1.0), ledger.begin(SPACE, at_s=2.0)
        assert first.values == {"contrast.temperature": 0.2, "model.encoder": "transformer"}
        assert (first.number, first.origin, first.began_at_s) == (0, Origin.BASE, 1.0)
        assert (second.number, second.origin, second.state) == (1, Origin.SAMPLER, TrialState.RUNNING)
        assert reopen().trials() == ledger.trials() == (first, second)

    def test_values_lie_in_the_space(self, ledger: Ledger) -> None:
        for _ in range(8):
            values = ledger.begin(SPACE, at_s=0.0).values
            assert 0.05 <= float(values["contrast.temperature"]) <= 0.5
            assert values["model.encoder"] in ("gru", "lstm", "transformer")
            SPACE.config(values)

    def test_a_trial_keeps_its_whole_configuration_when_the_space_changes(self, ledger: Ledger, reopen: Open) -> None:
        begun = ledger.begin(SPACE, at_s=0.0)
        assert config_of(begun, SPACE).model.hidden_width == 16
        ledger.reopen(source=WIDER.source, limit=9)
        for trial in (*ledger.trials(), *reopen().trials()):
            assert config_of(trial, WIDER) == SPACE.config(begun.values)
        later = reopen().begin(WIDER, at_s=1.0)
        assert config_of(later, SPACE) == WIDER.config(later.values)

    def test_a_search_has_a_key_of_its_own(self, ledger: Ledger, reopen: Open) -> None:
        assert len(ledger.search.key) == 32
        assert reopen().search.key == ledger.search.key
        assert MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0).search.key != ledger.search.key

    def test_reports_are_kept_once_an_epoch(self, ledger: Ledger, reopen: Open) -> None:
        number = ledger.begin(SPACE, at_s=0.0).number
        ledger.record_report(number, report(1, 0.1))
        ledger.record_report(number, report(1, 0.9))
        ledger.record_report(number, report(3, 0.3, Decision.STOP))
        for one in (ledger, reopen()):
            (trial,) = one.trials()
            assert trial.reports == (report(1, 0.1), report(3, 0.3, Decision.STOP))
            assert trial.curve == {1: 0.1, 3: 0.3}
            assert (trial.state, trial.epoch, trial.value) == (TrialState.RUNNING, 3, 0.3)

    @pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED])
    def test_endings_are_final(self, ledger: Ledger, reopen: Open, state: TrialState) -> None:
        number = ledger.begin(SPACE, at_s=0.0).number
        ledger.record_report(number, report(1, 0.1))
        ledger.record_ending(number, ending(state))
        ledger.record_ending(number, ending(TrialState.COMPLETE, epoch=99))
        ledger.record_report(number, report(3, 0.9))
        for one in (ledger, reopen()):
            (trial,) = one.trials()
            assert (trial.state, trial.ending, trial.curve) == (state, ending(state), {1: 0.1})

    def test_a_run_can_be_noted_after_the_end(self, ledger: Ledger, reopen: Open) -> None:
        number = ledger.begin(SPACE, at_s=0.0).number
        ledger.record_ending(number, ending(TrialState.FAILED))
        ledger.record_run(number, "run-7")
        assert reopen().trials()[0].run_id == "run-7"

    def test_notes(self, ledger: Ledger, reopen: Open) -> None:
        assert ledger.note("run") is None
        ledger.set_note("run", "abc")
        assert reopen().note("run") == "abc"

    def test_drivers_are_kept_once_each_and_in_order(self, ledger: Ledger, reopen: Open) -> None:
        assert ledger.drivers() == ()
        first = DriverRecord(
            user="alice", uid=1001, host="gpu-1", pid=7, command="hico-platform search", began_at_s=1.5
        )
        second = dataclasses.replace(first, user="bob", pid=8, resumed=True, took_over_from="alice")
        for driver in (first, first, second):
            reopen().record_driver(driver)
        assert reopen().drivers() == ledger.drivers() == (first, second)

    def test_a_search_can_be_extended(self, ledger: Ledger, reopen: Open) -> None:
        other = toy_space(trials=20)
        ledger.reopen(source=other.source, limit=20)
        for one in (ledger, reopen()):
            assert one.search.limit == 20
            assert one.search.source == other.source
            assert one.search.facts == FACTS

    def test_the_next_driver_goes_on_counting(self, ledger: Ledger, reopen: Open) -> None:
        ledger.begin(SPACE, at_s=0.0)
        assert reopen().begin(SPACE, at_s=0.0).number == 1


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def reopen(self) -> Open:
        ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        return lambda: ledger


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

    def test_an_ending_that_was_cut_off_is_completed(self, ledger: Ledger, reopen: Open, url: str) -> None:
        number = ledger.begin(SPACE, at_s=0.0).number
        ledger.record_report(number, report(9, 0.4))
        study = optuna.load_study(study_name="toy", storage=url)
        trial = study.get_trials()[0]
        plain = {**dataclasses.asdict(ending(TrialState.COMPLETE)), "state": "complete"}
        study._storage.set_trial_user_attr(trial._trial_id, "ending", plain)
        assert reopen().trials()[0].state is TrialState.COMPLETE
        assert optuna.load_study(study_name="toy", storage=url).trials[0].state is optuna.trial.TrialState.COMPLETE

    def test_a_beginning_that_was_cut_off_is_completed(self, ledger: Ledger, reopen: Open, url: str) -> None:
        half = optuna.load_study(study_name="toy", storage=url).ask()
        half.suggest_float("contrast.temperature", 0.05, 0.5, log=True)
        assert reopen().trials() == ()
        begun = reopen().begin(SPACE, at_s=0.0)
        assert begun.number == half.number == 0
        assert begun.values["contrast.temperature"] == half.params["contrast.temperature"]

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

    def test_a_name_is_taken_once(self, ledger: Ledger, url: str) -> None:
        with pytest.raises(UsageError, match=r"name: expected a name that no search has yet, got 'toy'; give --resume"):
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
        optuna.create_study(storage=storage, study_name="toy", direction="maximize")
        assert (search_names(storage), other_study_names(storage)) == ((), ("toy",))
        assert not StudyLedger.exists(storage, name="toy")
        ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        assert ledger.search.limit == 6

    def test_searches_do_not_mix(self, ledger: Ledger, url: str) -> None:
        ledger.begin(SPACE, at_s=0.0)
        other = StudyLedger.create(open_storage(url), name="other", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        assert other.trials() == ()
        assert other.begin(SPACE, at_s=0.0).number == 0
        assert len(ledger.trials()) == 1

    def test_a_study_that_is_deleted_while_its_search_runs_is_named(self, ledger: Ledger, url: str) -> None:
        number = ledger.begin(SPACE, at_s=0.0).number
        optuna.delete_study(study_name="toy", storage=open_storage(url))
        for step in (
            ledger.trials,
            lambda: ledger.begin(SPACE, at_s=0.0),
            lambda: ledger.record_report(number, report(1, 0.1)),
            lambda: ledger.record_ending(number, ending(TrialState.FAILED)),
            lambda: ledger.record_run(number, "run"),
            lambda: ledger.note("any"),
            lambda: ledger.set_note("any", 1),
        ):
            with pytest.raises(HicoError, match=r"study: expected the study toy in the database .*, got 'deleted'"):
                step()

    def test_no_such_search(self, ledger: Ledger, url: str) -> None:
        with pytest.raises(
            UsageError, match=r"name: expected the name of a search, got 'toi'; choose among the searches here: toy"
        ):
            StudyLedger.open(open_storage(url), name="toi")

    def test_no_database(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="an existing study database"):
            open_storage(sqlite_url(tmp_path / "none.db"), create=False)
        assert not (tmp_path / "none.db").exists()

    def test_a_server_that_is_not_there(self) -> None:
        with pytest.raises(UsageError, match=r"storage: expected a reachable study database.*check the address"):
            open_storage("sqlite+nothing://host/db")


class TestSamplers:
    """Every sampler, with conditions, constraints and a simplex."""

    SEARCH: ClassVar[dict[str, object]] = {
        "contrast": {
            "level_weights": {"simplex": ["clip", "part", "domain", "instance"], "sum": 4},
            "temperature": {"low": 0.05, "high": 0.5, "log": True},
        },
        "model": {
            "encoder": {"choice": ["gru", "transformer"]},
            "layers": {"low": 1, "high": 3},
            "heads": {"choice": [2, 4, 8], "when": {"model.encoder": "transformer"}},
        },
    }

    def begin_all(self, space: CheckedSpace, count: int) -> list[Mapping[str, Scalar]]:
        storage = open_storage("memory:")
        ledger = StudyLedger.create(storage, name="toy", space=space, facts=FACTS, limit=count, at_s=5.0)
        found = []
        for _ in range(count):
            trial = ledger.begin(space, at_s=0.0)
            ledger.record_report(trial.number, report(9, 0.5))
            ledger.record_ending(trial.number, ending(TrialState.COMPLETE))
            found.append(trial.values)
        return found

    def test_none_is_forgotten(self) -> None:
        assert {"tpe", "random", "gp", "qmc", "cmaes", "nsga2", "grid"} == set(SamplerName)

    @pytest.mark.parametrize("name", ["tpe", "random", "gp", "qmc", "cmaes", "nsga2"])
    def test_values_meet_everything(self, name: str) -> None:
        if name == "cmaes":
            pytest.importorskip("cmaes", reason="the optional library cmaes is not installed")
        space = toy_space(
            search=self.SEARCH,
            sampler={"name": name, "seed": 3, "startup_trials": 4},
            constraints=["model.layers <= 2 or contrast.temperature < 0.2"],
        )
        for values in self.begin_all(space, 8):
            config = space.config(values)
            weights = config.contrast.level_weights
            assert weights.clip + weights.part + weights.domain + weights.instance == pytest.approx(4)
            assert ("model.heads" in values) == (values["model.encoder"] == "transformer")
            assert config.model.layers <= 2 or config.contrast.temperature < 0.2

    def test_the_grid_has_every_point_once(self) -> None:
        model = dict(self.SEARCH["model"])
        space = toy_space(search={"model": model}, sampler={"name": "grid"}, constraints=["model.layers < 3"])
        found = self.begin_all(space, 8)
        assert len({tuple(sorted(values.items())) for values in found}) == 8  # 2 layers x (gru, 3 heads)
        assert self.begin_all(space, 16)[8:] == found

    def test_a_library_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(
            UsageError, match=r"library is installed, got 'cmaes'; run pip install 'hico-platform\[cmaes\]'"
        ):
            self.begin_all(toy_space(sampler={"name": "cmaes"}), 1)

    @pytest.mark.parametrize(
        ("low", "high", "step"), [(0.1, 0.3, 0.1), (0.1, 0.7, 0.1), (0.0, 0.9, 0.05), (0.05, 0.95, 0.15)]
    )
    def test_a_grid_of_decimal_steps_lies_in_the_range_as_optuna_sees_it(
        self, low: float, high: float, step: float
    ) -> None:
        dropout = {"model.dropout": {"low": low, "high": high, "step": step}}
        space = toy_space(trials=99, search=dropout, sampler={"name": "grid"})
        (axis,) = space.parameters[0].coordinates()
        assert isinstance(axis, Range)
        distribution = distribution_of(axis)
        assert axis.grid()[-1] == high
        for value in axis.grid():
            assert distribution._contains(distribution.to_internal_repr(value))
            assert axis.encode({axis.name: value}) == {axis.name: value}
        found = self.begin_all(space, axis.size)
        assert sorted(values["model.dropout"] for values in found) == list(axis.grid())

    @pytest.mark.parametrize("name", SamplerName)
    def test_any_seed_that_a_space_may_have(self, name: str) -> None:
        search = {"model.layers": {"choice": [1, 2, 3]}} if name == "grid" else SPACE.source["search"]
        sampler = {"name": name, "seed": 2**40, "startup_trials": 2}
        assert len(self.begin_all(toy_space(search=search, sampler=sampler), 3)) == 3

    def test_ranges_and_choices_may_change(self) -> None:
        storage = open_storage("memory:")
        ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=9, at_s=5.0)
        ledger.begin(SPACE, at_s=0.0)
        other = toy_space(
            search={
                "contrast": {"temperature": {"low": 0.3, "high": 0.4}},
                "model": {"encoder": {"choice": ["gru", "lstm"]}},
            }
        )
        ledger = StudyLedger.open(storage, name="toy")
        for _ in range(3):
            values = ledger.begin(other, at_s=0.0).values
            assert 0.3 <= float(values["contrast.temperature"]) <= 0.4
            assert values["model.encoder"] in ("gru", "lstm")
        assert 0.05 <= float(ledger.begin(SPACE, at_s=0.0).values["contrast.temperature"]) <= 0.5


class TestBest:
    def test_complete_trials_come_before_higher_scores_at_lower_epochs(self) -> None:
        ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        for values, state in (([0.9], TrialState.PRUNED), ([0.2, 0.5], TrialState.COMPLETE), ([0.4, 0.6], None)):
            number = ledger.begin(SPACE, at_s=0.0).number
            for epoch, value in zip((1, 9), values, strict=False):
                ledger.record_report(number, report(epoch, value))
            if state:
                ledger.record_ending(number, ending(state, epoch=9 if len(values) == 2 else 1))
        best = best_trial(ledger.trials())
        assert best is not None
        assert best.number == 1

    def test_without_a_complete_one_the_furthest_leads(self) -> None:
        ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        for epoch, value in ((1, 0.9), (3, 0.4), (3, 0.5)):
            ledger.record_report(ledger.begin(SPACE, at_s=0.0).number, report(epoch, value))
        best = best_trial(ledger.trials())
        assert best is not None
        assert best.number == 2

    def test_nothing_yet(self) -> None:
        assert best_trial(()) is None


def test_drivers_that_make_one_database_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    def begin(number: int) -> str:
        storage = open_storage(sqlite_url(tmp_path / "study.db"))
        return StudyLedger.create(storage, name=f"s{number}", space=SPACE, facts=FACTS, limit=6, at_s=5.0).search.name

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(begin, range(6))) == [f"s{number}" for number in range(6)]
