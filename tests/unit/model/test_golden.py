"""Parity with the released code: features, projections, logits, losses, gradients, state after one step.

``tests/golden`` is what ``benchmarks/golden.py`` had the released code compute, in two layers. A folder of golden
tensors of the released settings is held against too, where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hico_platform.enums import EncoderType, Level, Precision, QueueWrap, Representation
from hico_platform.model.encoder import Tokens
from hico_platform.model.hico import HiCo
from hico_platform.model.released_checkpoint import from_released, released_name
from hico_platform.ops.precision import float32_products

TOLERANCE = 1e-5
OURS = Path(__file__).parents[2] / "golden"


def close(ours: torch.Tensor, theirs: Any) -> None:
    """Within 1e-5 of the largest released value."""
    expected = np.asarray(theirs, dtype=np.float64)
    scale = np.abs(expected).max() or 1.0
    assert ours.shape == expected.shape
    assert np.abs(ours.detach().cpu().double().numpy() - expected).max() <= TOLERANCE * scale


class Golden:
    """One golden file with a model in its state before the step."""

    def __init__(self, file: Path, device: torch.device) -> None:
        self.device = device
        self.arrays = np.load(file, allow_pickle=False)
        self.config = json.loads(str(self.arrays["config"]))
        config = self.config
        self.model = HiCo(
            encoder=EncoderType(config["encoder"].lower()),
            temporal_width=config["t_input_size"],
            spatial_width=config["s_input_size"],
            width=config["hidden_size"],
            granularities=config["granularity"],
            layers=config["num_layer"],
            heads=config["num_head"],
            dropout=0.0,  # the golden tensors were made with dropout off
            projection_width=config["projection_dim"],
            queue_size=config["queue_size"],
            queue_wrap=QueueWrap.RELEASED,
            temperature=config["temperature"],
            momentum=config["key_momentum"],
            level_weights=dict.fromkeys(Level, 1.0),
        )
        self.names = list(self.model.state_dict())
        self.model.load_state_dict(self.state("before"))
        self.model.to(device)
        self.query = self.tokens("query")
        self.key = self.tokens("key")

    def state(self, when: str) -> dict[str, torch.Tensor]:
        prefix = f"{when}/"
        released = {
            name.removeprefix(prefix): torch.from_numpy(self.arrays[name])
            for name in self.arrays.files
            if name.startswith(prefix)
        }
        assert set(released) == {released_name(name) for name in self.names}
        return from_released(released, self.names)

    def tokens(self, view: str) -> Tokens:
        return Tokens(
            temporal=torch.from_numpy(self.arrays[f"input/{view}_temporal"]).to(self.device),
            spatial=torch.from_numpy(self.arrays[f"input/{view}_spatial"]).to(self.device),
        )

    def step(self) -> Any:
        optimiser = torch.optim.SGD(
            self.model.query.parameters(),
            lr=self.config["learning_rate"],
            momentum=self.config["sgd_momentum"],
            weight_decay=self.config["weight_decay"],
        )
        contrast = self.model(self.query, self.key)
        contrast.losses.total.backward()
        optimiser.step()
        self.model.enqueue(contrast.keys)
        return contrast.losses


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device(request.param)


@pytest.fixture(params=[*EncoderType, *(f"released settings, {name}" for name in ("gru", "transformer"))])
def golden(request: pytest.FixtureRequest, device: torch.device) -> Iterator[Golden]:
    *given, encoder = request.param.split(", ")
    folder: Path = request.getfixturevalue("golden_dir") if given else OURS
    with float32_products(Precision.FLOAT32, device):
        yield Golden(folder / f"hico_{encoder}.npz", device)


def test_every_golden_file_belongs_to_an_encoder_tested_here(golden_dir: Path) -> None:
    found = {file.stem.removeprefix("hico_") for file in golden_dir.glob("hico_*.npz")}
    assert {"gru", "transformer"} <= found <= set(EncoderType)


def test_features(golden: Golden) -> None:
    features = golden.model.query.encoder(golden.query)
    close(features.temporal, golden.arrays["features/temporal"])
    close(features.spatial, golden.arrays["features/spatial"])


def test_projections(golden: Golden) -> None:
    query = golden.model.query
    projections = query.projectors(query.encoder(golden.query))
    for name in Representation:
        close(projections[name], golden.arrays[f"projection/{name}"])


def test_logits(golden: Golden) -> None:
    golden.model.move_key_encoder()
    logits = golden.model.logits(golden.model.query(golden.query), golden.model.key(golden.key))
    for name in Representation:
        close(torch.cat(logits[name], dim=1), golden.arrays[f"logits/{name}"])


def test_losses_by_level(golden: Golden) -> None:
    losses = golden.step()
    for level in (Level.CLIP, Level.PART, Level.INSTANCE):
        close(losses.levels[level], golden.arrays[f"loss/{level}"])
    domain = golden.arrays["loss/temporal_domain"] + golden.arrays["loss/spatial_domain"]
    close(losses.levels[Level.DOMAIN], domain)
    close(losses.total, golden.arrays["loss/total"])


def test_gradients(golden: Golden) -> None:
    golden.step()
    checked = 0
    for name, parameter in golden.model.query.named_parameters():
        released = released_name(f"query.{name}").removeprefix("encoder_q.")
        assert parameter.grad is not None
        close(parameter.grad, golden.arrays[f"grad/{released}"])
        checked += 1
    assert checked == sum(name.startswith("grad/") for name in golden.arrays.files)


def test_whole_state_after_one_step(golden: Golden) -> None:
    golden.step()
    state = golden.model.state_dict()
    for name, expected in golden.state("after").items():
        close(state[name], expected)
