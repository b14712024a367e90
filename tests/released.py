"""Released checkpoints, as the release's scripts write them, from the golden tensors of its own model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
CLASSES = 7


class Golden:
    """A golden file: the state of the released model and the features that it made of some tokens."""

    def __init__(self, file: Path) -> None:
        self.arrays = np.load(file, allow_pickle=False)
        self.config: dict[str, Any] = json.loads(str(self.arrays["config"]))

    def tensor(self, name: str) -> Tensor:
        """One of its arrays."""
        return torch.from_numpy(self.arrays[name])

    def state(self) -> dict[str, Tensor]:
        """The released model's state before the step."""
        return {
            name.removeprefix("before/"): self.tensor(name) for name in self.arrays.files if name.startswith("before/")
        }

    def linear_state(self) -> dict[str, Tensor]:
        """The state that the released linear probe saves."""
        prefix = "encoder_q."
        hierarchy = {
            name.removeprefix(prefix): value
            for name, value in self.state().items()
            if name.startswith(f"{prefix}hi_encoder.")
        }
        width = 2 * self.config["granularity"] * self.config["hidden_size"]
        return {**hierarchy, "fc.weight": torch.zeros(CLASSES, width), "fc.bias": torch.zeros(CLASSES)}

    @property
    def joints(self) -> int:
        """Of a body: tokens have two bodies and three coordinates."""
        return int(self.config["t_input_size"]) // 6


def pretraining(state: dict[str, Tensor], *, epoch: int = 451) -> dict[str, Any]:
    """What pretraining.py saves."""
    return {
        "epoch": epoch,
        "state_dict": state,
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.01, "params": [0]}]},
    }


def linear(state: dict[str, Tensor], *, epoch: int = 57) -> dict[str, Any]:
    """What action_classification.py saves."""
    optimiser = {"state": {}, "param_groups": [{"lr": 2.0, "params": [0, 1]}]}
    return {"epoch": epoch, "state_dict": state, "best_acc1": torch.tensor(81.1), "optimizer": optimiser}


def layout_file(folder: Path, *, joints: int) -> Path:
    """A layout of so many joints in a row, as a YAML file."""
    file = folder / f"row-{joints}.yaml"
    names = ", ".join(f"joint{i}" for i in range(joints))
    parents = ", ".join(str(max(0, i - 1)) for i in range(joints))
    file.write_text(
        f"name: row-{joints}\njoints: [{names}]\nparents: [{parents}]\ncentre: 0\nz_axis: [0, 1]\nx_axis: [2, 3]\n"
    )
    return file
