from __future__ import annotations

import pytest

from hico_platform.search.ledger.memory import MemoryLedger
from tests.toy import FACTS
from tests.unit.search.ledger.contract import SPACE, LedgerContract, Open


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def reopen(self) -> Open:
        ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
        return lambda: ledger
