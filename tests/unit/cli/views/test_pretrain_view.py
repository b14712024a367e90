from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from hico_platform.cli.views.pretrain_view import PretrainView
from hico_platform.search.messages import EpochReport
from hico_platform.train.guards import EpochProgress
from hico_platform.train.loop import EpochResult

LOSSES = {"loss": 20.5, "loss_clip": 6.25, "loss_part": 6.5, "loss_domain": 5.0, "loss_instance": 2.75}


def test_on_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr("hico_platform.cli.views.pretrain_view.time.monotonic", lambda: next(clock))
    with PretrainView(epochs=451, quiet=False, console=screen) as view:
        view.report(EpochReport(epoch=350, metrics={"knn_top1": 0.712}, history=(), checkpoint=Path()))
        view.progress(EpochProgress(epoch=351, step=313, steps=626, losses=LOSSES, sequences_per_s=1234.5))
        view.watch(EpochResult(epoch=351, losses=LOSSES, sequences_per_s=1234.5))
    shown = screen.file.getvalue()
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", shown).split("epoch 351")[-1]
    assert "of 451" in last
    assert "kNN 71.2% 1,234 sequences/s" in last.replace("\n", "")
    assert re.search(r"ETA \d+:\d\d:\d\d", last)
    assert "loss 20.50 (clip 6.25 part 6.50 domain 5.00 instance 2.75)" in last
