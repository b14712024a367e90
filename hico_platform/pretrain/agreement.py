"""Whether this machine's kernels compute what PyTorch's operators do, asked before a run spends its time on them.

Kernels are compiled where they run, by compilers and for processors and GPUs that no test has seen. So a first step of
a run's own configuration is computed both ways, on a GPU as a recorded step, and kernels that disagree are left out.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from hico_platform.build import BODIES, COORDINATES, build_model
from hico_platform.config.trial import BudgetConfig, ContrastConfig, TrialConfig, ViewsConfig
from hico_platform.data.layout import Layout
from hico_platform.errors import HicoError
from hico_platform.model.encoder import Tokens
from hico_platform.model.hico import HiCo, Losses
from hico_platform.model.precision import arithmetic, float32_products, refuse_missing
from hico_platform.pretrain.captured import LAUNCHED, CapturedStep, can_capture
from hico_platform.pretrain.guards import ran_out_of_memory
from hico_platform.switches import leave_out, without
from hico_platform.vocabulary import Precision

_LOG = logging.getLogger(__name__)
_OURS = "HICO_KERNELS", "HICO_CUDA_GRAPHS"
SEQUENCES = 16  # of a batch: enough for every kernel, a quarter of the released settings' step
SMALL = 0.01  # a weight whose gradient is a smaller share of the whole is measured against that share


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far apart a level's loss and a weight's gradient may be, relative to PyTorch's in float32."""

    loss: float
    gradient: float


# Found: losses 2e-7 apart in float32 and 6e-4 in bf16. A gradient is 6e-6 apart, or 3e-3 where the larger of two equal
# tokens is another, and in bf16 up to 0.25 for the first layer's weights.
TOLERANCES = {
    Precision.FLOAT32: Tolerance(loss=1e-5, gradient=0.05),
    Precision.TF32: Tolerance(loss=1e-3, gradient=0.1),
    Precision.BF16: Tolerance(loss=1e-2, gradient=0.5),
}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Of what, and how large relative to what PyTorch's operators give; ``allowed`` is the most."""

    name: str
    value: float
    allowed: float

    @property
    def share(self) -> float:
        """Of what is allowed; infinite where there is no number."""
        return self.value / self.allowed if math.isfinite(self.value) else math.inf


def settled_arithmetic(config: TrialConfig, *, layout: Layout, device: torch.device) -> str:
    """``kernels`` or ``pytorch``: whose operators a run of ``config`` computes by in this process, from now on.

    Where the kernels fail or disagree a warning says so, and PyTorch's operators do all. No random state is touched.

    Raises:
        ConfigError: the device lacks the precision, or the layout has too few tokens for the granularities.
    """
    refuse_missing(config.model.precision, device)
    if arithmetic(device) == "kernels" or can_capture(device):
        fault = _fault(_shapes(config), layout, device)
        if fault:
            leave_out(*_OURS)
            _LOG.warning(
                "this machine's kernels for a %s do not compute what PyTorch's operators do (%s): training goes on by "
                "PyTorch's operators, which takes longer; please report it",
                "GPU" if device.type == "cuda" else "CPU",
                fault,
            )
    return arithmetic(device)


@lru_cache(maxsize=64)
def _fault(config: TrialConfig, layout: Layout, device: torch.device) -> str:
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):  # a model draws its weights
            worst = max(differences(config, layout=layout, device=device), key=lambda each: each.share)
    except HicoError:
        raise
    except Exception as error:  # of a compiler, a driver, a kernel
        if ran_out_of_memory(error):
            return ""  # whether a run fits is for the run to say
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return "" if worst.share <= 1 else f"{worst.name} differs by {worst.value:.2g}, at most {worst.allowed:.2g}"


def _shapes(config: TrialConfig) -> TrialConfig:
    """What the kernels see of a configuration, without dropout, which no two implementations draw alike."""
    return TrialConfig(
        model=dataclasses.replace(config.model, dropout=0.0),
        contrast=ContrastConfig(queue_size=config.contrast.queue_size),
        views=ViewsConfig(frames=config.views.frames),
        budget=BudgetConfig(batch_size=min(SEQUENCES, config.budget.batch_size)),
    )


def differences(config: TrialConfig, *, layout: Layout, device: torch.device) -> Iterator[Difference]:
    """Each level's loss and each weight's gradient in a first step, by this machine's kernels and by PyTorch."""
    model = build_model(config, layout=layout, device=device).train()
    joints = BODIES * len(layout.joints)
    draw = torch.Generator().manual_seed(0)
    shapes = (config.views.frames, joints * COORDINATES), (joints, config.views.frames * COORDINATES)
    inputs = [torch.randn(config.budget.batch_size, *shape, generator=draw).to(device) for shape in shapes * 2]
    allowed = TOLERANCES[model.precision]
    found_losses, found = _computed(model, inputs)
    model.precision = Precision.FLOAT32
    with without(*_OURS):
        losses, gradients = _computed(model, inputs)
    for name, loss in losses.items():
        apart = abs(found_losses[name] - loss) / abs(loss)
        yield Difference(name=f"loss_{name}", value=apart, allowed=allowed.loss)
    whole = math.sqrt(sum(float(each.norm()) ** 2 for each in gradients.values()))
    for name, gradient in gradients.items():
        scale = max(float(gradient.norm()), SMALL * whole)
        apart = float((found[name] - gradient).norm()) / scale
        yield Difference(name=f"gradient of {name}", value=apart, allowed=allowed.gradient)


def _computed(model: HiCo, inputs: list[Tensor]) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Losses by level and gradients by weight."""
    device = inputs[0].device

    def step(*given: Tensor) -> Losses:
        with float32_products(model.precision, device):
            contrast = model(Tokens(*given[:2]), Tokens(*given[2:]))
            model.query.zero_grad(set_to_none=True)
            contrast.losses.total.backward()
            return contrast.losses  # type: ignore[no-any-return]

    run, times = step, 1
    if can_capture(device):
        run, times = CapturedStep(step, generator=torch.Generator(device)), LAUNCHED + 2  # recorded, and replayed
    for _ in range(times):
        losses = run(*inputs)
    weights = model.query.named_parameters()
    gradients = {name: weight.grad.clone() for name, weight in weights if weight.grad is not None}
    model.query.zero_grad(set_to_none=True)
    return {level.value: float(loss.detach()) for level, loss in losses.levels.items()}, gradients
