"""Fixtures for material that lies outside the repository; a test is skipped where it is absent."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests import migrations

# No test asserts on time: Hypothesis fails an example that takes 0.2 seconds, or is slow to draw, as on a busy machine.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Tests send signals to themselves and to commands; where a shell runs them in the background, Ctrl-C is ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

# Small tensors gain nothing from a second thread, and a busy machine makes them wait for it.
torch.set_num_threads(1)

_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared"


def _shared() -> Path:
    return Path(os.environ.get("HICO_SHARED", _BESIDE_THE_REPOSITORY))


@pytest.fixture(autouse=True)
def no_places_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test works on, or leaves behind, a home or store that the environment names."""
    for name in ("HICO_HOME", "HICO_STORAGE", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="session")
def migrations_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Databases of Optuna and MLflow are opened, and made, with what an earlier one has found out."""
    migrations.read_scripts_once()
    migrations.copy_new_stores(tmp_path_factory.mktemp("migrated") / "mlflow.db")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared data: ``HICO_SHARED``, else ``shared`` beside the repository."""
    if not _shared().is_dir():
        pytest.skip(f"no shared data at {_shared()}: set HICO_SHARED to its folder")
    return _shared()


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """The folder of golden tensors: ``HICO_GOLDEN_DIR``, else ``golden`` in the shared folder."""
    folder = Path(os.environ.get("HICO_GOLDEN_DIR", _shared() / "golden"))
    if not folder.is_dir():
        pytest.skip(f"no golden tensors at {folder}: set HICO_GOLDEN_DIR to their folder")
    return folder
