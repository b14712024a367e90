from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.store import Store
from hico_platform.errors import UsageError
from tests.unit.data.test_importing import make_manifest, run


def test_two_imports_to_one_place_are_refused(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw", 2)

    def another(done: int, total: int) -> None:
        run(raw, tmp_path / "out")

    with pytest.raises(UsageError, match="a store that no other import is writing"):
        run(raw, tmp_path / "out", progress=another)


@pytest.mark.slow
def test_an_import_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = make_manifest(tmp_path / "raw")
    run(raw, tmp_path / "whole")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(raw, tmp_path / "out", progress=stop)
    assert not (tmp_path / "out").exists()
    report = run(raw, tmp_path / "out")
    assert (report.resumed_items, report.kept) == (32, 80)
    assert Store.open(tmp_path / "out").digest == Store.open(tmp_path / "whole").digest
    assert not (tmp_path / ".out.importing").exists()

    shutil.rmtree(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run(raw, tmp_path / "out", progress=stop)
    np.save(raw / "r0.npy", np.ones((3, 25, 3), np.float32))
    assert run(raw, tmp_path / "out").resumed_items == 0, "chunks of changed input are of no use"
