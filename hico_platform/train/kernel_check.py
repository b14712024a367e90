"""Kernels are checked against PyTorch's operators before training.

Kernels are compiled where they run, by compilers and for processors and GPUs that no test has seen. So a first step of
a run's own shapes is computed both ways, on a GPU as a recorded step, and kernels that disagree are left out.
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

from hico_platform.build import BODIES, COORDINATES, build_model
from hico_platform.config.schema import replace
from hico_platform.config.trial import BudgetConfig, ContrastConfig, TrialConfig, ViewsConfig
from hico_platform.data.layout import Layout
from hico_platform.enums import Precision
from hico_platform.errors import HicoError, first_line
from hico_platform.feature_flags import without
from hico_platform.model.contrast import Losses
from hico_platform.model.encoder import Tokens
from hico_platform.model.hico import HiCo
from hico_platform.ops.precision import arithmetic, float32_products, refuse_missing, resolve_precision
from hico_platform.train.cuda_graph import LAUNCHED, CapturedStep, can_capture
from hico_platform.train.guards import ran_out_of_memory

_LOG = logging.getLogger(__name__)
_KERNELS, _RECORDING = "HICO_KERNELS", "HICO_CUDA_GRAPHS"
_FEWEST = 16  # sequences, keys, numbers of a projection
_DRAWS = 2
_MOST = 64  # sequences; more take the same kernels
_SMALL = 0.01  # a weight's gradient that is a smaller share of the whole is measured against that share


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far apart may be a level's loss, a weight's gradient, and a unit's part of that, relative to PyTorch's."""

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
    """Of what, and how large relative to what PyTorch's operators give in float32; ``allowed`` is the most."""

    name: str
    value: float
    allowed: float

    @property
    def share(self) -> float:
        """Of what is allowed; infinite where there is no number."""
        return self.value / self.allowed if math.isfinite(self.value) else math.inf


@contextmanager
def checked_kernels(config: TrialConfig, *, layout: Layout, device: torch.device) -> Iterator[str]:
    """Within it runs of ``config`` use this machine's kernels if they agree with PyTorch's operators, else these.

    Gives ``kernels`` or ``pytorch``. A warning says what disagrees. No random state is touched.

    Raises:
        ConfigError: the device lacks the precision, or the layout has too few tokens for the granularities.
    """
    config = replace(config, {"model.precision": resolve_precision(config.model.precision, device).value})
    refuse_missing(config.model.precision, device)
    faulty: tuple[str, ...] = ()
    if arithmetic(device) == "kernels" or can_capture(device):
        try:
            faulty = _faulty(_shapes(config), layout, device, torch.get_num_threads())
        except HicoError:
            raise
        except Exception as error:
            if not ran_out_of_memory(error):  # whether a run fits is for the run to say
                _LOG.warning("PyTorch's operators fail, so kernels go unchecked: %s", first_line(error), exc_info=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()  # what is free decides where a dataset lies
    with without(*faulty):
        yield arithmetic(device)


def _shapes(config: TrialConfig) -> TrialConfig:
    """What kernels see of a configuration, without dropout, which no two implementations draw alike.

    They are chosen by how many sequences there are, and compiled for numbers that are multiples of 16 or are not, which
    is kept.
    """
    count = config.budget.batch_size
    return TrialConfig(
        model=replace(config.model, {"dropout": 0.0, "projection_width": _not_few(config.model.projection_width)}),
        contrast=ContrastConfig(queue_size=_not_few(config.contrast.queue_size)),
        views=ViewsConfig(frames=config.views.frames),
        budget=BudgetConfig(batch_size=_not_few(count) if count <= _MOST else _MOST + count % 16),
    )


def _not_few(number: int) -> int:
    """Losses of few sequences, few keys or short vectors change with each rounding."""
    return number if number >= _FEWEST else number + 16


@lru_cache(maxsize=64)
def _faulty(config: TrialConfig, layout: Layout, device: torch.device, threads: int) -> tuple[str, ...]:
    """What to leave out for these shapes with so many ``threads``: nothing, recording, or the kernels too."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):  # a model draws its weights
        recorded = can_capture(device)
        leaving: tuple[tuple[str, ...], ...] = ((), (_RECORDING,)) if recorded else ((),)
        for names in leaving:
            with without(*names):
                fault = _fault(config, layout, device)
            if not fault:
                return names
            _LOG.warning(
                "this machine's %s for a %s do not compute what PyTorch's operators do (%s): training goes on without "
                "them, which takes longer; please report it",
                "recorded kernels" if recorded and not names else "kernels",
                "GPU" if device.type == "cuda" else "CPU",
                fault,
            )
    return _KERNELS, _RECORDING


def _fault(config: TrialConfig, layout: Layout, device: torch.device) -> str:
    """What disagrees most, or what a kernel said as it failed; nothing if one of two draws is right.

    Two sound implementations take another of two nearly equal tokens now and then, and are far apart where they do.
    """
    fault = ""
    for seed in range(_DRAWS):
        expected = _FirstStep(config, layout, device, seed=seed)
        try:
            worst = max(expected.differences(), key=lambda each: each.share)
        except Exception as error:  # of a compiler, a driver, a kernel
            if ran_out_of_memory(error):
                raise
            _LOG.debug("kernels that fail", exc_info=True)
            return first_line(error)
        if worst.share <= 1:
            return ""
        fault = f"{worst.name} differs by {worst.value:.2g}, at most {worst.allowed:.2g}"
    return fault


class _FirstStep:
    """A step of ``config``'s model on random numbers, computed by PyTorch's operators in float32."""

    def __init__(self, config: TrialConfig, layout: Layout, device: torch.device, *, seed: int = 0) -> None:
        config = replace(config, {"budget.seed": seed})
        self._model = build_model(config, layout=layout, device=device).train()
        self._precision = self._model.precision
        joints = BODIES * len(layout.joints)
        draw = torch.Generator().manual_seed(seed)
        shapes = (config.views.frames, joints * COORDINATES), (joints, config.views.frames * COORDINATES)
        self._inputs = [torch.randn(config.budget.batch_size, *each, generator=draw).to(device) for each in shapes * 2]
        with without(_KERNELS, _RECORDING):
            self._losses, self._gradients = _computed(self._model, self._inputs, Precision.FLOAT32)

    def differences(self) -> Iterator[Difference]:
        """Of each level's loss, each weight's gradient and its worst row or column, as they are computed now."""
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
    """The largest of the slices' differences in norm, relative to the slice, or to half of a usual one if it's less."""
    off, size = (
        each.movedim(dim, 0).flatten(1).norm(dim=1) if each.dim() > 1 else each.abs() for each in (difference, expected)
    )
    usual = max(float(size.square().mean().sqrt()), least / math.sqrt(len(size)))
    return float((off / size.clamp(min=usual / 2)).max())


def _computed(model: HiCo, inputs: list[Tensor], precision: Precision) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Losses by level and gradients by weight."""
    device = inputs[0].device
    model.precision = precision

    def step(*given: Tensor) -> Losses:
        with float32_products(precision, device):
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
