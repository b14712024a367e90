from __future__ import annotations

import pytest

from hico_platform.cli.views.dataset_progress import dataset_progress


def test_each_dataset_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    show = dataset_progress()
    show("embedded", 10, 10)
    show("transfer", 4, 4)
    show("embedded", 10, 10)
    lines = [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["making the embedded dataset", "making the transfer dataset", "making the embedded dataset"]


def test_a_line_knows_what_it_has_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show = dataset_progress()
    for done in range(100):
        show("embedded", done, 1000)
    assert len(capsys.readouterr().err.splitlines()) <= 1, "a log gets a line now and then"
