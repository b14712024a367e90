"""A store and an encoder that was trained on it, made once for a file of tests."""

from __future__ import annotations

import pytest

from hico_platform.commands.trained_encoder import TrainedEncoder, trained_encoder
from tests.unit.commands.trained import Trained, trained_in


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The store; runs on it are trained when they are asked for."""
    return trained_in(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def encoder(trained: Trained) -> TrainedEncoder:
    """The encoder of its run ``run``."""
    return trained_encoder(str(trained.run("run")))
