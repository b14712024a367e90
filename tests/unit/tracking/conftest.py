from __future__ import annotations

import pytest

from hico_platform.home import mlflow_uri
from hico_platform.tracking.mlflow_tracker import MlflowTracker


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> MlflowTracker:
    """One database for all tests of this folder; MLflow takes seconds to build it."""
    home = tmp_path_factory.mktemp("home")
    return MlflowTracker(uri=mlflow_uri(home), artifacts=home / "mlartifacts")
