"""How long trials take on this machine: a few timed steps, and one evaluation of a part of the sequences."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from hico_platform.checkpoint_files import ENCODER_PREFIX
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Signal
from hico_platform.evaluate.data import eval_features
from hico_platform.evaluate.downstream import downstream
from hico_platform.evaluate.signals import reported_scores
from hico_platform.search.cost import Timing
from hico_platform.search.task import TrialTask
from hico_platform.train.kernel_check import checked_kernels
from hico_platform.train.session import TrainingSession, begin_session
from hico_platform.trial import TrainEvalSplit
from hico_platform.worker.run_task import TrialData, device_of, prepare_threads

STEPS = 4
MOST_SEQUENCES = 2048
"""Evaluation is timed on at most so many; its time grows with their number."""


def time_trials(configs: Sequence[TrialConfig], *, data: TrialData, cpus: float, gpus: float) -> Timing:
    """Mean seconds of an epoch and bytes of a checkpoint over ``configs``; evaluation is timed with the first."""
    task = TrialTask(number=0, config=configs[0], directory=Path(), report_epochs=(), cpus=cpus, gpus=gpus)
    prepare_threads(task)
    device = device_of(task)
    split, target = data.splits()
    signal = data.signal
    epochs_s: list[float] = []
    sizes: list[tuple[int, int]] = []
    for config in configs:
        with checked_kernels(config, layout=split.store.layout, coordinates=split.store.coordinates, device=device):
            session = begin_session(
                config, layout=split.store.layout, coordinates=split.store.coordinates, device=device
            )
            epochs_s.append(_epoch_seconds(session, split))
            sizes.append(checkpoint_bytes(session))
            if len(epochs_s) == 1:
                report_s, evaluation_s = _evaluation_seconds(session, split=split, target=target, signal=signal)
    return Timing(
        epoch_s=statistics.fmean(epochs_s),
        report_s=report_s,
        evaluation_s=evaluation_s,
        checkpoint_bytes=statistics.fmean(whole for whole, _ in sizes),
        encoder_bytes=statistics.fmean(encoder for _, encoder in sizes),
    )


def checkpoint_bytes(session: TrainingSession) -> tuple[int, int]:
    """The bytes of the tensors in a whole checkpoint of a session that has trained, and in one cut to its encoder."""
    tensors = session.state.tensors()
    encoder = sum(tensor.nbytes for name, tensor in tensors.items() if name.startswith(ENCODER_PREFIX))
    return sum(tensor.nbytes for tensor in tensors.values()), encoder


def _evaluation_seconds(
    session: TrainingSession, *, split: TrainEvalSplit, target: TrainEvalSplit | None, signal: Signal
) -> tuple[float, float]:
    """Of a validation, and of the whole evaluation at a trial's end."""
    config, encoder, device = session.config, session.encoder, session.state.device
    part, times = part_of(split)
    source = part.eval_data(config, device=device)

    def report() -> None:
        features = eval_features(encoder, data=source, config=config.evaluation)
        reported_scores(features, data=source, config=config.evaluation, signal=signal)

    report_s = times * _seconds(report)

    def evaluate(transfer: TrainEvalSplit | None) -> None:
        downstream(
            encoder,
            source=source,
            target=None if transfer is None else transfer.eval_data(config, device=device),
            config=config.evaluation,
            seed=0,
        )

    alone_s = _seconds(lambda: evaluate(None))
    evaluation_s = times * alone_s
    if target is not None:
        part, times = part_of(target)
        evaluation_s += times * max(_seconds(lambda: evaluate(part)) - alone_s, 0.0)
    return report_s, evaluation_s


def _epoch_seconds(session: TrainingSession, split: TrainEvalSplit) -> float:
    """The seconds of one epoch: from the second of two short ones of a few steps."""
    batch_size = min(session.config.budget.batch_size, len(split.pretrain))
    data = split.eval_data(session.config, device=session.state.device)
    few = torch.tensor(split.pretrain[: STEPS * batch_size], device=session.state.device)
    *_, last = session.train(views=data.views, sequences=few, epochs=2, batch_size=batch_size)
    return len(split.pretrain) / last.sequences_per_s


def part_of(split: TrainEvalSplit) -> tuple[TrainEvalSplit, float]:
    """A part of a split of at most ``MOST_SEQUENCES``, and how many times it is in the whole."""
    whole = len(split.train) + len(split.eval)
    share = min(1.0, MOST_SEQUENCES / whole)
    train, held_out = (indices[: max(1, int(share * len(indices)))] for indices in (split.train, split.eval))
    return TrainEvalSplit(store=split.store, train=train, eval=held_out), whole / (len(train) + len(held_out))


def _seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes; its numbers have come to the CPU when it returns."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s
