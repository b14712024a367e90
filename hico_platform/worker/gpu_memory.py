"""The GPU memory of a search's trials: its largest configurations, trained for a few steps and evaluated."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch

from hico_platform.bounded_process import run_bounded
from hico_platform.config.parameters import Choice, Range, uniform
from hico_platform.config.schema import Scalar, replace, to_mapping
from hico_platform.config.space import CheckedSpace, GpuShare
from hico_platform.config.space_rules import flat
from hico_platform.config.trial import LevelWeights, TrialConfig
from hico_platform.data.split_guard import closed_test_split
from hico_platform.errors import ConfigError
from hico_platform.evaluate.downstream import downstream
from hico_platform.search.cost import Machine
from hico_platform.search.gpu_sharing import MemoryNeed, share_of_a_gpu, trials_on_a_gpu
from hico_platform.train.cuda_graph import EAGER_STEPS
from hico_platform.train.kernel_check import checked_kernels
from hico_platform.train.session import begin_session
from hico_platform.trial import TrainEvalSplit
from hico_platform.worker.run_task import TrialData

STEPS = EAGER_STEPS + 2  # the last of them recorded and replayed
MOST_COMBINATIONS, DRAWN = 24, 8
EVALUATED = 2
"""How many of those that train with the most memory are evaluated as well, over all their sequences."""


class Meter(Protocol):
    """Measures the memory of one device."""

    device: torch.device

    def start(self) -> None:
        """Resets the peak."""

    def peak_bytes(self) -> int:
        """The most that was held since :meth:`start`."""

    def need(self, trial_bytes: int) -> MemoryNeed:
        """``trial_bytes`` with the memory of the device and of a process's context."""


class CudaMeter:
    """The first GPU that this process sees; constructed before anything is allocated on it.

    Memory of other processes is not read from the driver's tools, which order devices differently or are missing: a
    second process opens the GPU as this one did, and the free memory falls by one context.
    """

    def __init__(self) -> None:
        self.device = torch.device("cuda", 0)
        _open(self.device)
        free, total = torch.cuda.mem_get_info(self.device)
        beside = _free_beside()
        self._context_bytes = max(total - free if beside is None else free - beside, 0)
        self._foreign_bytes = max(total - free - self._context_bytes, 0)

    def start(self) -> None:
        """Resets the peak, and frees cached memory."""
        torch.cuda.synchronize(self.device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak_bytes(self) -> int:
        """The most that PyTorch reserved; blocks in its cache are taken from other processes too."""
        torch.cuda.synchronize(self.device)
        return torch.cuda.max_memory_reserved(self.device)

    def need(self, trial_bytes: int) -> MemoryNeed:
        """The context is the used memory less what PyTorch reserved and what other processes held at first.

        It is at least what it was at first, whatever other processes have freed since.
        """
        free, total = torch.cuda.mem_get_info(self.device)
        context = total - free - torch.cuda.memory_reserved(self.device) - self._foreign_bytes
        return MemoryNeed(
            trial_bytes=trial_bytes,
            context_bytes=max(context, self._context_bytes),
            device_bytes=total,
            foreign_bytes=self._foreign_bytes,
            device=torch.cuda.get_device_name(self.device),
        )


@closed_test_split("a measurement of GPU memory")
def measure_need(
    configs: Sequence[TrialConfig], *, data: TrialData, meter: Callable[[], Meter] = CudaMeter
) -> MemoryNeed:
    """The most memory that one of ``configs`` takes: a few steps of each, and the whole evaluation of the largest.

    One that runs out of memory alone counts as the whole device: its trials get a GPU each.
    """
    device = meter()
    split, target = data.splits()
    peaks = [_peak_bytes(config, device, split, None, steps=STEPS) for config in configs]
    order = sorted(range(len(configs)), key=lambda index: peaks[index], reverse=True)
    for index in order[:EVALUATED]:
        peaks[index] = max(peaks[index], _peak_bytes(configs[index], device, split, target, steps=STEPS, evaluate=True))
    device.start()
    return device.need(max(peaks))


def machine_with_gpus(space: CheckedSpace, machine: Machine, *, probe: Callable[[], MemoryNeed]) -> Machine:
    """The same machine with the GPUs that PyTorch finds, and what a trial holds of one if that is to be measured."""
    gpus = torch.cuda.device_count()
    if space.settings.resources.gpus is not GpuShare.AUTO:
        return dataclasses.replace(machine, gpus=gpus)
    share = share_of_a_gpu(trials_on_a_gpu(probe())) if gpus else 0.0
    return dataclasses.replace(machine, gpus=gpus, gpus_per_trial=share)


def greedy_configs(space: CheckedSpace) -> tuple[TrialConfig, ...]:
    """Configurations that include the one that takes the most memory, or one close to it.

    More of a number (width, layers, keys, frames, sequences in a batch) never takes less, so ranges and choices
    among numbers are at their highest; other choices are combined. The base, the listed points and some draws
    are added, for spaces whose constraints forbid the highest.
    """
    axes = [axis for parameter in space.parameters for axis in parameter.coordinates()]
    named = [axis for axis in axes if isinstance(axis, Choice) and not _is_numeric(axis)]
    draw = random.Random(0)
    combinations = list(itertools.product(*(axis.choices for axis in named)))
    draw.shuffle(combinations)
    found: list[Mapping[str, Scalar]] = [{}, *(flat(point) for point in space.settings.points)]
    for combination in combinations[:MOST_COMBINATIONS]:
        chosen = dict(zip((axis.name for axis in named), combination, strict=True))
        found.append(space.values(functools.partial(_highest, chosen)))
    found += [space.values(lambda axis: uniform(axis, draw=draw)) for _ in range(DRAWN)]
    configs = []
    for values in found:
        with contextlib.suppress(ConfigError):  # values that break a rule between fields, which no trial will have
            if space.admits(values):
                configs.append(_as_measured(space.config(values)))
    return tuple(dict.fromkeys(configs))


def _peak_bytes(
    config: TrialConfig,
    meter: Meter,
    split: TrainEvalSplit,
    target: TrainEvalSplit | None,
    *,
    steps: int,
    evaluate: bool = False,
) -> int:
    meter.start()
    try:
        with checked_kernels(
            config, layout=split.store.layout, coordinates=split.store.coordinates, device=meter.device
        ):  # whose check takes memory too
            batch_size = min(config.budget.batch_size, len(split.pretrain))
            sequences = torch.tensor(split.pretrain, device=meter.device)
            source = split.eval_data(config, device=meter.device)
            session = begin_session(
                config, layout=split.store.layout, coordinates=split.store.coordinates, device=meter.device
            )
            for _ in session.train(
                views=source.views,
                sequences=sequences[: steps * batch_size],
                epochs=-(-steps // min(steps, len(sequences) // batch_size)),
                batch_size=batch_size,
                rate=lambda epoch: 0.0,  # whatever the configuration, no loss becomes infinite
            ):
                pass
            if evaluate:
                downstream(
                    session.encoder,
                    source=source,
                    target=None if target is None else target.eval_data(config, device=meter.device),
                    config=replace(config.evaluation, {"linear_epochs": 1}),
                    seed=0,
                )
    except torch.OutOfMemoryError:
        return meter.need(0).device_bytes
    return meter.peak_bytes()


def _as_measured(config: TrialConfig) -> TrialConfig:
    """The same with fixed values for what memory does not depend on, so that none is measured twice."""
    return replace(
        config,
        {
            "contrast.temperature": 0.2,
            "contrast.momentum": 0.999,
            "contrast.level_weights": to_mapping(LevelWeights()),
            "optimiser.learning_rate": 0.01,
        },
    )


def _is_numeric(axis: Choice) -> bool:
    return all(isinstance(choice, (int, float)) and not isinstance(choice, bool) for choice in axis.choices)


def _highest(chosen: Mapping[str, Scalar], axis: Range | Choice) -> Scalar:
    if axis.name in chosen:
        return chosen[axis.name]
    if isinstance(axis, Choice):
        return max(axis.choices, key=lambda choice: choice if isinstance(choice, (int, float)) else 0)
    return int(axis.high) if axis.integer else axis.high


_OPEN = "import torch; torch.zeros(1, device='cuda:0'); print(torch.cuda.mem_get_info(0)[0])"


def _open(device: torch.device) -> None:
    """Creates the context, and PyTorch's first block."""
    torch.zeros(1, device=device)


def _free_beside() -> int | None:
    """Free bytes while a second process has the GPU open as well; None where none can be started."""
    try:
        done = run_bounded([sys.executable, "-c", _OPEN], timeout_s=120)
        return None if done.returncode else int(done.stdout.split()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
