"""Golden tensors of the released code: inputs, state, features, projections, logits, losses, gradients, state after.

    python benchmarks/golden.py --released released                   # writes tests/golden, one file an encoder
    python benchmarks/golden.py --released released --check FOLDER    # are these files what it computes?

One step of the released model on the CPU with dropout off, from random numbers that a seed fixes.
``tests/unit/model/test_golden.py`` holds ours against these files. How to obtain the released code: see peer.py.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer import on_path
from torch import Tensor

from hico_platform.atomic_io import write_whole

# Small, so that the files are; two layers and odd numbers of tokens, which the release allows as well.
CONFIG: dict[str, Any] = {
    "t_input_size": 30, "s_input_size": 48, "kernel_size": 5, "stride": 1, "padding": 2, "factor": 2,
    "hidden_size": 16, "num_head": 4, "num_layer": 2, "granularity": 3, "num_class": 8, "queue_size": 8,
    "projection_dim": 8, "key_momentum": 0.99, "temperature": 0.2, "learning_rate": 0.01, "sgd_momentum": 0.9,
    "weight_decay": 1e-4, "batch": 4, "dropout": "off (eval mode)",
}  # fmt: skip
TOKENS = {"temporal": (16, 30), "spatial": (10, 48)}
ENCODERS = {"gru": "GRU", "lstm": "LSTM", "transformer": "Transformer"}
_ARCHITECTURE = ("t_input_size", "s_input_size", "kernel_size", "stride", "padding", "factor", "hidden_size",
                 "num_head", "num_layer", "granularity", "encoder")  # fmt: skip
TOLERANCE = 1e-5
_TERMS = ("clip", "part", "temporal_domain", "spatial_domain", "instance")


def released_model(config: Mapping[str, Any]) -> Any:
    """The released model of a configuration, without dropout."""
    builder = importlib.import_module("hico.builder")
    architecture = {name: config[name] for name in _ARCHITECTURE} | {"num_class": config["projection_dim"]}
    model = builder.HiCo(
        architecture,
        dim=config["projection_dim"],
        K=config["queue_size"],
        m=config["key_momentum"],
        T=config["temperature"],
    )
    return model.eval()


def step(model: Any, config: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the released model makes of one step, as the released training loop goes about it."""
    losses = importlib.import_module("losses")
    views = [inputs[f"{view}_{branch}"] for view in ("query", "key") for branch in ("temporal", "spatial")]
    made = {f"input/{name}": value for name, value in inputs.items()}
    made |= {f"before/{name}": value.clone() for name, value in model.state_dict().items()}
    features = model.encoder_q.hi_encoder(*views[:2])
    made |= {"features/temporal": features[0], "features/spatial": features[1]}
    made |= {f"projection/{term}": each for term, each in zip(_TERMS, model.encoder_q(*views[:2]), strict=True)}
    optimiser = torch.optim.SGD(
        model.encoder_q.parameters(),
        lr=config["learning_rate"],
        momentum=config["sgd_momentum"],
        weight_decay=config["weight_decay"],
    )
    *outputs, mask_c, mask_p, label_t, label_s, label_i = model(*views)
    targets = mask_c, mask_p, label_t, label_s, label_i
    several, one = losses.MultiPositiveInfoNCE(), torch.nn.CrossEntropyLoss()
    total = torch.zeros(())
    for term, logits, target in zip(_TERMS, outputs, targets, strict=True):
        loss = (one if target.dim() == 1 else several)(logits, target)
        made |= {f"logits/{term}": logits, f"loss/{term}": loss}
        total = total + loss
    made["loss/total"] = total
    total.backward()
    made |= {f"grad/{name}": weight.grad for name, weight in model.encoder_q.named_parameters()}
    optimiser.step()
    made |= {f"after/{name}": value for name, value in model.state_dict().items()}
    return {name: value.detach().clone() for name, value in made.items()}


def make(encoder: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """An encoder's configuration and golden tensors."""
    torch.manual_seed(2023)
    config = CONFIG | {"encoder": ENCODERS[encoder]}
    inputs = {
        f"{view}_{branch}": torch.randn(config["batch"], *shape)
        for view in ("query", "key")
        for branch, shape in TOKENS.items()
    }
    return config, step(released_model(config), config, inputs)


def check(file: Path) -> float:
    """The largest difference of a file from what the released code computes of its inputs and state, of the largest."""
    arrays = np.load(file, allow_pickle=False)
    config = json.loads(str(arrays["config"]))
    given = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != "config"}
    model = released_model(config)
    model.load_state_dict({name[7:]: value.clone() for name, value in given.items() if name.startswith("before/")})
    made = step(model, config, {name[6:]: value for name, value in given.items() if name.startswith("input/")})
    if {name: value.shape for name, value in made.items()} != {name: value.shape for name, value in given.items()}:
        raise SystemExit(f"{file}: other tensors than the released code makes")
    found = torch.stack(
        [(made[name] - value).abs().max() / value.abs().max() for name, value in given.items() if value.any()]
    )
    return float(found.max())  # not a number, if one is


def main() -> None:
    """Writes or checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--released", type=Path, required=True, help="folder of the released code")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "tests" / "golden")
    parser.add_argument("--check", type=Path, help="a folder of golden files: compare, write nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # else the released code sends its targets to a GPU
    if options.check is not None:
        files = sorted(options.check.glob("hico_*.npz"))
        for file in files:
            with on_path(options.released):
                difference = check(file)
            print(f"{file.name}: largest difference {difference:.1e}")
            if not difference <= TOLERANCE:
                raise SystemExit(f"{file}: more than {TOLERANCE:.0e} from what the released code computes")
        if not files:
            raise SystemExit(f"{options.check}: no hico_*.npz")
        return
    for encoder in ENCODERS:
        with on_path(options.released):
            config, tensors = make(encoder)
        packed = io.BytesIO()
        np.savez_compressed(
            packed, config=json.dumps(config), **{name: value.numpy() for name, value in tensors.items()}
        )
        target = options.out / f"hico_{encoder}.npz"
        write_whole(target, packed.getvalue())
        print(f"{target}: {len(tensors)} tensors, {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
