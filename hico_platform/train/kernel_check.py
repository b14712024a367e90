"""Kernels are checked against PyTorch's operators before training.

Kernels are compiled on the machine that runs them, with compilers and for processors and GPUs that no test has covered.
So one step with the run's own shapes is computed both ways, on a GPU as a captured step, and kernels that disagree are
disabled.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from hico_platform.build import BODIES, build_model
from hico_platform.config.schema import replace
from hico_platform.config.trial import BudgetConfig, ContrastConfig, TrialConfig, ViewsConfig
from hico_platform.data.layout import Layout
from hico_platform.data.store import COORDINATES
from hico_platform.enums import Precision
from hico_platform.errors import HicoError, first_line
from hico_platform.feature_flags import without
from hico_platform.model.contrast import Losses
from hico_platform.model.encoder import Tokens
from hico_platform.model.hico import HiCo
from hico_platform.ops.precision import arithmetic, float32_products, refuse_missing, resolve_precision
from hico_platform.train.cuda_graph import EAGER_STEPS, CapturedStep, can_capture
from hico_platform.train.guards import ran_out_of_memory

_LOG = logging.getLogger(__name__)
_KERNELS, _CUDA_GRAPHS = "HICO_KERNELS", "HICO_CUDA_GRAPHS"
_MIN_SIZE = 16  # sequences, keys, numbers of a projection
_DRAWS = 2
_MAX_SEQUENCES = 64  # sequences; larger batches use the same kernels
_SMALL = 0.01  # a gradient below this share of the whole gradient's norm is compared with that share of it


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Largest relative difference to PyTorch of a level's loss, a weight's gradient, and a row or column of that."""

    loss: float
    gradient: float
    unit: float


TOLERANCES = {
    Precision.FLOAT32: Tolerance(loss=1e-5, gradient=0.02, unit=0.2),
    Precision.TF32: Tolerance(loss=1e-3, gradient=0.1, unit=0.7),
    Precision.BF16: Tolerance(loss=1e-2, gradient=0.5, unit=math.inf),
}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A relative difference ``value`` to PyTorch's operators in float32, of what it is, and the largest ``allowed``."""

    name: str
    value: float
    allowed: float

    @property
    def share(self) -> float:
        """``value`` relative to ``allowed``; infinite if ``value`` is not finite."""
        return self.value / self.allowed if math.isfinite(self.value) else math.inf


@contextmanager
def checked_kernels(
    config: TrialConfig, *, layout: Layout, device: torch.device, coordinates: int = COORDINATES
) -> Iterator[str]:
    """In the block, runs of ``config`` use this machine's kernels if they agree with PyTorch's operators, else PyTorch.

    Yields ``kernels`` or ``pytorch``. A warning names the largest disagreement. No random state changes.

    Raises:
        ConfigError: the device lacks the precision, or the layout has too few tokens for the granularities.
    """
    config = replace(config, {"model.precision": resolve_precision(config.model.precision, device).value})
    refuse_missing(config.model.precision, device)
    disabled: tuple[str, ...] = ()
    if arithmetic(device) == "kernels" or can_capture(device):
        try:
            disabled = _features_to_disable(_shapes(config), layout, coordinates, device, torch.get_num_threads())
        except HicoError:
            raise
        except Exception as error:
            if not ran_out_of_memory(error):  # the run itself reports that it does not fit
                _LOG.warning("PyTorch's operators fail, so kernels go unchecked: %s", first_line(error), exc_info=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()  # free memory decides whether the dataset is copied to the GPU
    with without(*disabled):
        yield arithmetic(device)


def _shapes(config: TrialConfig) -> TrialConfig:
    """The parts of a configuration that kernels depend on, without dropout, whose random numbers depend on the backend.

    Kernels are chosen by the number of sequences, and compiled for sizes that are multiples of 16 or for others. The
    reduced sizes here select the same kernels.
    """
    count = config.budget.batch_size
    return TrialConfig(
        model=replace(config.model, {"dropout": 0.0, "projection_width": _large_enough(config.model.projection_width)}),
        contrast=ContrastConfig(queue_size=_large_enough(config.contrast.queue_size)),
        views=ViewsConfig(frames=config.views.frames),
        budget=BudgetConfig(
            batch_size=_large_enough(count) if count <= _MAX_SEQUENCES else _MAX_SEQUENCES + count % 16
        ),
    )


def _large_enough(number: int) -> int:
    """A size of at least 16, because losses of fewer sequences, keys or dimensions are sensitive to rounding."""
    return number if number >= _MIN_SIZE else number + 16


@lru_cache(maxsize=64)
def _features_to_disable(
    config: TrialConfig, layout: Layout, coordinates: int, device: torch.device, threads: int
) -> tuple[str, ...]:
    """What to disable for these shapes with ``threads`` threads: nothing, CUDA graphs, or the kernels too."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):  # building a model draws its weights
        captured = can_capture(device)
        candidates: tuple[tuple[str, ...], ...] = ((), (_CUDA_GRAPHS,)) if captured else ((),)
        for names in candidates:
            with without(*names):
                disagreement = _disagreement(config, layout, coordinates, device)
            if not disagreement:
                return names
            _LOG.warning(
                "this machine's %s for a %s do not compute what PyTorch's operators do (%s): training goes on without "
                "them, which takes longer; please report it",
                "recorded kernels" if captured and not names else "kernels",
                "GPU" if device.type == "cuda" else "CPU",
                disagreement,
            )
    return _KERNELS, _CUDA_GRAPHS


def _disagreement(config: TrialConfig, layout: Layout, coordinates: int, device: torch.device) -> str:
    """The largest disagreement, or the error of a kernel that failed; empty if one of two random inputs agrees.

    Two correct implementations may pick different tokens where two are nearly equal; their results then differ a lot.
    """
    disagreement = ""
    for seed in range(_DRAWS):
        expected = _FirstStep(config, layout, device, coordinates=coordinates, seed=seed)
        try:
            worst = max(expected.differences(), key=lambda each: each.share)
        except Exception as error:  # from a compiler, a driver or a kernel
            if ran_out_of_memory(error):
                raise
            _LOG.debug("kernels that fail", exc_info=True)
            return first_line(error)
        if worst.share <= 1:
            return ""
        disagreement = f"{worst.name} differs by {worst.value:.2g}, at most {worst.allowed:.2g}"
    return disagreement


class _FirstStep:
    """A step of ``config``'s model on random numbers, computed by PyTorch's operators in float32."""

    def __init__(
        self,
        config: TrialConfig,
        layout: Layout,
        device: torch.device,
        *,
        coordinates: int = COORDINATES,
        seed: int = 0,
    ) -> None:
        config = replace(config, {"budget.seed": seed})
        self._model = build_model(config, layout=layout, device=device, coordinates=coordinates).train()
        self._precision = self._model.precision
        joints = BODIES * len(layout.joints)
        draw = torch.Generator().manual_seed(seed)
        frames = config.views.frames
        shapes = (frames, joints * coordinates), (joints, frames * coordinates)
        self._inputs = [torch.randn(config.budget.batch_size, *each, generator=draw).to(device) for each in shapes * 2]
        with without(_KERNELS, _CUDA_GRAPHS):
            self._losses, self._gradients = _computed(self._model, self._inputs, Precision.FLOAT32)

    def differences(self) -> Iterator[Difference]:
        """Of each level's loss, each weight's gradient and its worst row or column, as now computed."""
        losses, gradients = _computed(self._model, self._inputs, self._precision)
        allowed = TOLERANCES[self._precision]
        for level, expected in self._losses.items():
            apart = abs(losses[level] - expected) / max(abs(expected), 1.0)
            yield Difference(name=f"loss_{level}", value=apart, allowed=allowed.loss)
        whole = math.sqrt(sum(float(each.norm()) ** 2 for each in self._gradients.values()))
        for name, gradient in self._gradients.items():
            difference, least = gradients[name] - gradient, max(_SMALL * whole, 1e-12)
            apart = float(difference.norm()) / max(float(gradient.norm()), least)
            yield Difference(name=f"the gradient of {name}", value=apart, allowed=allowed.gradient)
            apart = max(_worst_slice(difference, gradient, dim, least=least) for dim in range(gradient.dim()))
            yield Difference(name=f"a unit of the gradient of {name}", value=apart, allowed=allowed.unit)


def _worst_slice(difference: Tensor, expected: Tensor, dim: int, *, least: float) -> float:
    """The largest difference of a slice in norm, relative to the slice's norm, or to half of the RMS norm if larger."""
    apart, size = (
        each.movedim(dim, 0).flatten(1).norm(dim=1) if each.dim() > 1 else each.abs() for each in (difference, expected)
    )
    typical = max(float(size.square().mean().sqrt()), least / math.sqrt(len(size)))
    return float((apart / size.clamp(min=typical / 2)).max())


def _computed(model: HiCo, inputs: list[Tensor], precision: Precision) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Losses by level and gradients by weight."""
    device = inputs[0].device
    model.precision = precision

    def step(*inputs: Tensor) -> Losses:
        with float32_products(precision, device):
            contrast = model(Tokens(*inputs[:2]), Tokens(*inputs[2:]))
            model.query.zero_grad(set_to_none=True)
            contrast.losses.total.backward()
            return contrast.losses  # type: ignore[no-any-return]

    run, times = step, 1
    if can_capture(device):
        run, times = CapturedStep(step, generator=torch.Generator(device)), EAGER_STEPS + 2  # the last is a replay
    for _ in range(times):
        losses = run(*inputs)
    weights = model.query.named_parameters()
    gradients = {name: weight.grad.clone() for name, weight in weights if weight.grad is not None}
    model.query.zero_grad(set_to_none=True)
    return {level.value: float(loss.detach()) for level, loss in losses.levels.items()}, gradients
