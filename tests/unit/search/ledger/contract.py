"""What every ledger does: each implementation's tests inherit it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from hico_platform.config.schema import flatten
from hico_platform.enums import Decision
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger.base import Ending, Ledger, Origin, ReportRecord, TrialState, config_of
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.requests import Answer, RequestKind, new_request
from hico_platform.search.tags import TagRecord
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
        machine="gpu-1" if epoch > 1 else None,
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

    def test_tags(self, ledger: Ledger, reopen: Open) -> None:
        assert ledger.tags() == ()
        baseline, paper = (TagRecord(name=name, by="alice", at_s=7.5) for name in ("baseline", "paper"))
        for tag in (paper, baseline, paper):
            ledger.set_tag(tag)
        assert reopen().tags() == (baseline, paper)
        ledger.remove_tag("paper")
        ledger.remove_tag("never")
        assert reopen().tags() == (baseline,)

    def test_requests_are_answered_and_kept(self, ledger: Ledger, reopen: Open) -> None:
        assert ledger.requests() == ()
        first = new_request(RequestKind.PAUSE, trial=3)
        second = new_request(RequestKind.ADD, values={"contrast.temperature": 0.07, "model.encoder": "gru"})
        ledger.record_request(first)
        reopen().record_request(second)
        assert ledger.requests() == reopen().requests() == (first, second)
        answer = Answer(obeyed=False, says="trial 3 has ended", at_s=7.5, driver="gpu-1:7")
        ledger.record_answer(first.key, answer)
        assert reopen().requests() == (dataclasses.replace(first, answer=answer), second)

    def test_waiting_points_begin_in_the_order_that_is_asked_for(self, ledger: Ledger, reopen: Open) -> None:
        assert ledger.waiting() == ()
        base = {name: value for name, value in flatten(SPACE.base).items() if value is not None}
        for temperature in (0.1, 0.2, 0.3):
            ledger.enqueue(base | {"contrast.temperature": temperature}, space=SPACE, origin=Origin.ADDED)
        waiting = ledger.waiting()
        assert len(waiting) == 3
        begun = ledger.begin(SPACE, at_s=0.0, first=[99, waiting[2]])
        assert (begun.values["contrast.temperature"], begun.origin) == (0.3, Origin.ADDED)
        assert len(reopen().waiting()) == 2
        rest = [ledger.begin(SPACE, at_s=0.0).values["contrast.temperature"] for _ in range(2)]
        assert rest == [0.1, 0.2]

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
            assert (one.search.name, one.search.limit) == ("toy", 20)
            assert one.search.source == other.source
            assert one.search.facts == FACTS

    def test_the_next_driver_goes_on_counting(self, ledger: Ledger, reopen: Open) -> None:
        ledger.begin(SPACE, at_s=0.0)
        assert reopen().begin(SPACE, at_s=0.0).number == 1
