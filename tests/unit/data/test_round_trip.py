"""Generated recordings, written as .skeleton files and prepared again, and an import that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.importing import import_dataset
from hico_platform.data.store import Store
from hico_platform.data.synth.presets import EMBEDDED
from hico_platform.data.synth.write import synthesise, write_skeleton_files
from tests.unit.data.test_importing import make_manifest

FEW = replace(EMBEDDED, actions=EMBEDDED.actions[-3:], num_subjects=2, repetitions=1, frames=(20, 30))


def test_generated_files_prepare_to_the_generated_store(tmp_path: Path) -> None:
    synthesise(tmp_path / "generated", preset=FEW, seed=3)
    write_skeleton_files(tmp_path / "raw", preset=FEW, seed=3)
    import_dataset(tmp_path / "raw", tmp_path / "prepared", format_name="ntu60", strict=True)
    generated, prepared = Store.open(tmp_path / "generated"), Store.open(tmp_path / "prepared")
    assert sorted(generated.names) == list(prepared.names)
    for i, name in enumerate(generated.names):
        j = prepared.names.index(name)
        np.testing.assert_allclose(prepared.pose(j), generated.pose(i), rtol=1e-6, atol=1e-6)
        assert prepared.labels[j] == generated.labels[i]
        for column in ("subject", "camera", "setup", "repetition"):
            ours, theirs = prepared.column(column), generated.column(column)
            assert ours is not None
            assert theirs is not None
            assert ours[j] == theirs[i]


@pytest.mark.slow
def test_importing_and_opening_need_no_pandas(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw", 2)
    script = tmp_path / "script.py"
    script.write_text(WITHOUT_PANDAS)
    subprocess.run([sys.executable, script, raw, tmp_path / "out"], check=True)


WITHOUT_PANDAS = """
import sys
from pathlib import Path
from hico_platform.data.importing import import_dataset
from hico_platform.data.store import Store
import_dataset(Path(sys.argv[1]), Path(sys.argv[2]), format_name="manifest")
store = Store.open(sys.argv[2])
store.labels, store.names, store.column("subject"), store.column("condition"), store.pose(0)
assert "pandas" not in sys.modules
"""

IMPORT = """
import sys, time
from pathlib import Path
from hico_platform.data.importing import import_dataset
if __name__ == "__main__":
    import_dataset(Path(sys.argv[1]), Path(sys.argv[2]), format_name="manifest", workers=int(sys.argv[3]),
                   progress=lambda done, total: time.sleep(float(sys.argv[4])))
"""


@pytest.mark.slow
def test_an_import_that_is_killed_goes_on(tmp_path: Path) -> None:
    raw = make_manifest(tmp_path / "raw", 160)
    script = tmp_path / "script.py"
    script.write_text(IMPORT)
    killed = subprocess.Popen([sys.executable, script, raw, tmp_path / "out", "1", "60"], start_new_session=True)
    work = tmp_path / ".out.importing"
    deadline = time.monotonic() + 60
    while not list(work.glob("chunk-*.arrow")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "out").exists()
    report = import_dataset(raw, tmp_path / "out", format_name="manifest")
    assert report.resumed_items >= 32
    import_dataset(raw, tmp_path / "whole", format_name="manifest")
    assert Store.open(tmp_path / "out").digest == Store.open(tmp_path / "whole").digest
    assert not work.exists()
