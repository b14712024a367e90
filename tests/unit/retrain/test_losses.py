from __future__ import annotations

from pathlib import Path

from hico_platform.retrain.losses import LOSSES, append_losses, read_losses


def test_an_epoch_that_was_trained_again_counts_as_it_was_last(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert read_losses(run) == {}
    append_losses(run, [(1, {"loss": 4.0}), (2, {"loss": 3.0})])
    append_losses(run, [(2, {"loss": 2.5}), (3, {"loss": 2.0})])
    with (run / LOSSES).open("a") as file:
        file.write('[4, {"lo')
    assert read_losses(run) == {1: {"loss": 4.0}, 2: {"loss": 2.5}, 3: {"loss": 2.0}}
