"""A pretraining killed again and again, with SIGKILL, ends bit for bit as one that was let alone."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint
from hico_platform.enums import EncoderType
from tests.small import small_store

pytestmark = pytest.mark.e2e
EPOCHS = 14
_RUN = """
import json, sys
from pathlib import Path
import torch
from hico_platform.data.store import Store
from hico_platform.trial import run_trial
from hico_platform.enums import Decision
from tests.small import small_config, small_split

torch.set_num_threads(1)
store, directory, encoder, epochs = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
outcome = run_trial(
    small_config(model__encoder=encoder, budget__epochs=epochs),
    split=small_split(Store.open(store)),
    target=None,
    directory=directory,
    report_epochs=range(1, epochs + 1),
    report=lambda said: Decision.CONTINUE,
    device=torch.device("cpu"),
)
print(json.dumps([str(outcome.checkpoint), outcome.metrics]))
"""


def start(store: Path, directory: Path, encoder: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, str(store), str(directory), encoder, str(EPOCHS)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )


def newest(directory: Path) -> str:
    return max((path.name for path in directory.glob("epoch-*")), default="")


@pytest.mark.parametrize("encoder", EncoderType)
def test_killed_and_resumed_equals_straight_through(encoder: str, tmp_path: Path) -> None:
    small_store(tmp_path / "store")
    straight = start(tmp_path / "store", tmp_path / "straight", encoder)
    expected = json.loads(straight.communicate(timeout=300)[0])
    moments = random.Random(encoder)
    kills = 0
    while True:
        process = start(tmp_path / "store", tmp_path / "killed", encoder)
        if kills == 3:
            break
        before = newest(tmp_path / "killed")
        while newest(tmp_path / "killed") == before:  # it has gone on
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        if process.wait() != -signal.SIGKILL:
            break
        kills += 1
    found = json.loads(process.communicate(timeout=300)[0])
    assert kills == 3
    assert found[1] == expected[1]
    ends = [load_checkpoint(Path(path)) for path, _ in (expected, found)]
    assert ends[0].epoch == ends[1].epoch == EPOCHS
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    for name, tensor in ends[0].tensors.items():
        assert torch.equal(tensor, ends[1].tensors[name]), name
