"""What a run that is resumed has in common with the one that began: its precision, and its views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint, precision_of, save_checkpoint
from hico_platform.config.schema import to_mapping
from hico_platform.config.trial import as_first_written
from hico_platform.enums import Precision
from hico_platform.errors import CheckpointError
from hico_platform.ops import precision
from hico_platform.train.same_run import check_same_run, with_precision
from tests.small import small_config

DEVICE = torch.device("cpu")
AUTO = small_config(model__precision="auto")


def saved(directory: Path, config: dict[str, Any]) -> None:
    facts = {"config": config, "provenance": {}}
    save_checkpoint(directory, epoch=1, tensors={"weight": torch.zeros(1)}, facts=facts)


@pytest.fixture(autouse=True)
def tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device with TensorFloat-32 and bfloat16."""
    monkeypatch.setattr(precision, "has_tf32", lambda device: True)
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)


def resolved(directory: Path, asked: str = "auto") -> Precision:
    config = small_config(model__precision=asked)
    return with_precision(config, directory=directory, device=DEVICE).model.precision


def test_a_run_that_begins_has_what_the_device_has(tmp_path: Path) -> None:
    assert resolved(tmp_path / "none") is Precision.TF32
    assert precision_of(tmp_path / "none") is None


@pytest.mark.parametrize("began", ["float32", "tf32", "bf16"])
def test_a_run_that_is_resumed_keeps_its_precision(began: str, tmp_path: Path) -> None:
    saved(tmp_path, to_mapping(small_config(model__precision=began)))
    assert resolved(tmp_path) == began
    assert precision_of(tmp_path) == began


def test_the_first_versions_knew_float32_alone(tmp_path: Path) -> None:
    config = to_mapping(small_config())
    del config["model"]["precision"]
    saved(tmp_path, config)
    assert resolved(tmp_path) is Precision.FLOAT32


def test_a_precision_that_is_asked_for_by_name_stays(tmp_path: Path) -> None:
    saved(tmp_path, to_mapping(small_config(model__precision="tf32")))
    assert resolved(tmp_path, "float32") is Precision.FLOAT32


def test_a_run_in_tf32_is_not_resumed_on_a_device_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, to_mapping(small_config(model__precision="tf32")))
    monkeypatch.setattr(precision, "has_tf32", lambda device: False)
    with pytest.raises(CheckpointError, match="expected a device that has tf32, as when this run began, got 'cpu'"):
        resolved(tmp_path)


def test_a_checkpoint_without_newer_views_was_trained_with_the_released_ones(tmp_path: Path) -> None:
    written = as_first_written(to_mapping(small_config()))
    assert "rotation_degrees" not in written["views"]
    saved(tmp_path, written)
    checkpoint = load_checkpoint(tmp_path / "epoch-000001")
    check_same_run(checkpoint, {"config": to_mapping(small_config()), "provenance": {}})
    turned = to_mapping(small_config(views__rotation_degrees=30.0))
    with pytest.raises(CheckpointError, match=r"views.rotation_degrees: expected the value 0.0, as when .* got 30.0"):
        check_same_run(checkpoint, {"config": turned, "provenance": {}})
