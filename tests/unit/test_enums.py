from __future__ import annotations

import pytest

from hico_platform.enums import Signal


@pytest.mark.parametrize("signal", list(Signal))
def test_records_say_whose_sequences_a_search_scores(signal: Signal) -> None:
    whose = "all" if signal is Signal.KNN_SUBJECTS else "validation"
    assert signal.scored_on == f"{whose} subjects of the training split"
