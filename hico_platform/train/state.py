"""The state that makes a resumed run equal to one that was never interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hico_platform.errors import CheckpointError, Problem
from hico_platform.model.hico import HiCo
from hico_platform.ops.precision import refuse_missing
from hico_platform.train.malloc import keep_freed_memory


class TrainingState:
    """Model with queues and key encoder, optimiser, random states and the number of finished epochs.

    ``generator`` draws the order and the views, on the device of the model. Dropout draws from PyTorch's
    own generators, whose states belong to a checkpoint as well. ``whole`` is False during an epoch.

    Raises:
        ConfigError: the device lacks the model's precision.
    """

    def __init__(self, *, model: HiCo, optimiser: torch.optim.Optimizer, seed: int) -> None:
        self.model = model
        self.optimiser = optimiser
        self.seed = seed
        self.epoch = 0
        self.whole = True
        self.device = next(model.parameters()).device
        refuse_missing(model.precision, self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.generator = torch.Generator(self.device).manual_seed(seed)
        torch.manual_seed(seed)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the state by name."""
        found = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        for index, slots in self.optimiser.state_dict()["state"].items():
            for slot, value in slots.items():
                if value is not None:
                    found[f"optimiser/{index}/{slot}"] = torch.as_tensor(value)
        found["random/views"] = self.generator.get_state()
        found["random/dropout"] = torch.get_rng_state()
        if self.device.type == "cuda":
            found["random/dropout_cuda"] = torch.cuda.get_rng_state(self.device)
        return found

    def restore(self, *, epoch: int, tensors: Mapping[str, Tensor]) -> None:
        """Restores a saved state.

        Raises:
            CheckpointError: it is of another model, or of a CPU where this one is on a GPU or the reverse.
        """
        if tensors["random/views"].shape != self.generator.get_state().shape:
            raise CheckpointError(
                Problem(
                    rule=f"a state of a run on a {self.device.type}: no other kind of device draws its random numbers",
                    value="random/views of another size",
                    remedy="resume on the kind of device that it was trained on, or begin a new run",
                )
            )
        self.whole = False
        model = {name[6:]: value for name, value in tensors.items() if name.startswith("model/")}
        try:
            self.model.load_state_dict(model)
        except RuntimeError as error:
            raise CheckpointError(
                Problem(
                    rule="a state of this configuration's model",
                    value=str(error).splitlines()[0],
                    remedy="resume with the configuration that wrote it",
                )
            ) from error
        state: dict[int, dict[str, Any]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser/"):
                _, index, slot = name.split("/")
                state.setdefault(int(index), {})[slot] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.generator.set_state(tensors["random/views"].cpu())
        torch.set_rng_state(tensors["random/dropout"].cpu())
        if self.device.type == "cuda" and "random/dropout_cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/dropout_cuda"].cpu(), self.device)
        self.epoch = epoch
        self.whole = True
