from __future__ import annotations

from hico_platform.search.ledger.base import TrialState, best_trial
from hico_platform.search.ledger.memory import MemoryLedger
from tests.toy import FACTS
from tests.unit.search.ledger.contract import SPACE, ending, report


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
