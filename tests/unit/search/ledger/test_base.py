from __future__ import annotations

import dataclasses

import pytest

from hico_platform.config.schema import to_mapping
from hico_platform.errors import ConfigError
from hico_platform.search.ledger.base import TrialState, best_trial, config_of, whole_config
from hico_platform.search.ledger.memory import MemoryLedger
from tests.toy import FACTS
from tests.unit.search.ledger.contract import SPACE, WIDER, ending, report


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

    def test_among_complete_trials_the_score_decides_and_then_who_came_first(self) -> None:
        ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        for value in (0.25, 0.75, 0.5, 0.75):
            number = ledger.begin(SPACE, at_s=0.0).number
            ledger.record_report(number, report(9, value))
            ledger.record_ending(number, ending(TrialState.COMPLETE))
        assert best_of(ledger) == 1

    def test_among_unfinished_trials_too(self) -> None:
        ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        for epoch, value in ((3, 0.0), (3, 0.5), (3, 0.5), (1, 0.9)):
            ledger.record_report(ledger.begin(SPACE, at_s=0.0).number, report(epoch, value))
        failed = ledger.begin(SPACE, at_s=0.0).number
        ledger.record_report(failed, report(9, 0.9))
        ledger.record_ending(failed, ending(TrialState.FAILED))
        assert best_of(ledger) == 1

    def test_a_score_of_zero_is_a_score_and_a_failed_trial_has_none(self) -> None:
        ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        for value, state in ((0.9, TrialState.FAILED), (0.0, TrialState.COMPLETE), (0.5, TrialState.COMPLETE)):
            number = ledger.begin(SPACE, at_s=0.0).number
            ledger.record_report(number, report(9, value))
            ledger.record_ending(number, ending(state))
        assert best_of(ledger) == 2


def best_of(ledger: MemoryLedger) -> int:
    best = best_trial(ledger.trials())
    assert best is not None
    return best.number


def test_a_trial_has_the_configuration_that_it_began_with_or_that_of_its_values() -> None:
    ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
    begun = ledger.begin(SPACE, at_s=0.0)
    assert begun.config == to_mapping(SPACE.config(begun.values))
    assert config_of(begun, WIDER) == SPACE.config(begun.values)
    older = dataclasses.replace(begun, config=None)
    assert config_of(older, WIDER) == WIDER.config(begun.values)
    broken = dataclasses.replace(begun, number=7, config={"model": {"hidden_width": -1}})
    with pytest.raises(ConfigError, match=r"trial 7: model\.hidden_width"):
        config_of(broken, SPACE)


def test_values_that_break_a_rule_have_no_whole_configuration() -> None:
    assert whole_config(SPACE, {"model.hidden_width": -1}) is None
