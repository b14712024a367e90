"""A small exported model that nothing has trained: its weights are those of a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hico_platform.build import build_model
from hico_platform.checkpoint import Checkpoint
from hico_platform.config.schema import to_mapping
from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.normalise import Normalisation
from hico_platform.export import Recogniser, export_encoder
from tests.small import small_config

CLASS_NAMES = ("drink", "eat", "wave")


def small_checkpoint(
    *, layout: Layout = KINECT_V2, facts: dict[str, Any] | None = None, **values: object
) -> Checkpoint:
    """A checkpoint of ``small_config(**values)``; ``facts`` take the place of its own."""
    config = small_config(**values)
    model = build_model(config, layout=layout, device=torch.device("cpu"))
    own = {
        "config": to_mapping(config),
        "layout": layout.as_plain(),
        "coordinates": 3,
        "normalisation": Normalisation.RELEASED,
        "missing_joint": "zero",
        "provenance": {"data_digest": "d" * 64},
    }
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    return Checkpoint(path=Path("none"), epoch=3, tensors=tensors, facts={**own, **(facts or {})})


def small_recogniser(*, count: int = 7, width: int = 2 * 4 * 16, seed: int = 0) -> Recogniser:
    """A gallery of random features, and a random probe."""
    generator = torch.Generator().manual_seed(seed)
    return Recogniser(
        class_names=CLASS_NAMES,
        names=tuple(f"S{index:03d}" for index in range(count)),
        gallery=torch.randn(count, width, generator=generator),
        labels=torch.arange(count) % len(CLASS_NAMES),
        weight=torch.randn(len(CLASS_NAMES), width, generator=generator),
        bias=torch.randn(len(CLASS_NAMES), generator=generator),
        sequences=count,
        probe="logistic regression, C = 0.1",
    )


def small_export(folder: Path, *, recogniser: Recogniser | None = None, **values: object) -> Path:
    """The folder of a small model."""
    export_encoder(small_checkpoint(**values), folder, recogniser=recogniser)
    return folder
