from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from hico_platform.errors import HicoError
from tests.unit.data.test_importing import make_manifest, run


def test_a_worker_that_dies_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = make_manifest(tmp_path / "raw", 40)
    victim = "hico_platform.data.import_workers.ProcessPoolExecutor.submit"

    def broken(*_: object, **__: object) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(victim, broken)
    with pytest.raises(
        HicoError,
        match=r"every worker process alive until the import ends, got "
        r"'one that was killed, .* run the same command again",
    ):
        run(raw, tmp_path / "out", workers=2)
