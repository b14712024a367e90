from __future__ import annotations

import pytest

from hico_platform.search.requests import RequestKind
from tests.unit.cli.steered import Steering, check_search_or_trial, steering

__all__ = ["steering"]


def test_a_search_or_one_of_its_trials(steering: Steering, capsys: pytest.CaptureFixture[str]) -> None:
    check_search_or_trial("stop", RequestKind.STOP, steering, capsys)
