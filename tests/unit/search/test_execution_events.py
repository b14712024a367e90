from __future__ import annotations

import re
from pathlib import Path

from hico_platform.search.execution_events import DriverChecked, LossCause, WorkerLost, nobody_watches

PAGE = Path(__file__).parents[3] / "docs" / "monitoring.md"


def test_the_causes_are_the_labels_that_the_page_lists() -> None:
    (row,) = [line for line in PAGE.read_text().splitlines() if line.startswith("| `hico_workers_lost_total`")]
    assert re.findall(r"`([a-z_]+)`", row.split("|")[4]) == [str(cause) for cause in LossCause]


def test_nobody_is_told() -> None:
    for event in (DriverChecked(), WorkerLost(number=1, cause=LossCause.SILENT, retried=True)):
        assert nobody_watches(event) is None  # type: ignore[func-returns-value]
