from __future__ import annotations

import math

import pytest

from hico_platform.enums import Decision
from hico_platform.search.scheduler.no_stopping import NoStopping


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_the_worst_trial_continues(value: float) -> None:
    curves = {other: {1: 0.9, 3: 0.9} for other in range(1, 30)}
    assert NoStopping(epochs=9).decide(number=0, epoch=3, value=value, curves=curves) is Decision.CONTINUE


def test_it_reports_at_the_end_and_regularly_if_asked() -> None:
    assert NoStopping(epochs=9).report_epochs == (9,)
    assert NoStopping(epochs=9, report_every=4).report_epochs == (4, 8, 9)
