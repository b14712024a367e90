"""How long an epoch takes on this machine: a few timed steps."""

from __future__ import annotations

from pathlib import Path

from hico_platform.build import build_model, build_optimiser
from hico_platform.config.trial import TrialConfig
from hico_platform.pretrain.loop import pretrain
from hico_platform.pretrain.state import TrainingState
from hico_platform.search.task import TrialTask
from hico_platform.stages.carry_out import TrialData, device_of, prepare_threads
from hico_platform.trial import Fold

STEPS = 4


def time_epoch(config: TrialConfig, *, data: TrialData, cpus: float, gpus: float) -> float:
    """Seconds of one epoch of ``config``, from the second of two short ones of a few steps."""
    task = TrialTask(number=0, config=config, directory=Path(), report_epochs=(), cpus=cpus, gpus=gpus)
    prepare_threads(task)
    fold, _ = data.folds()
    batch_size = min(config.budget.batch_size, len(fold.fit))
    few = Fold(store=fold.store, fit=fold.fit[: STEPS * batch_size], score=fold.score)
    device = device_of(task)
    probe = few.probe(config, device=device)
    model = build_model(config, layout=few.store.layout, device=device)
    state = TrainingState(model=model, optimiser=build_optimiser(config.optimiser, model=model), seed=0)
    *_, last = pretrain(
        state,
        views=probe.views,
        train=probe.fit,
        epochs=2,
        batch_size=batch_size,
        learning_rate=lambda epoch: config.optimiser.learning_rate,
    )
    return len(fold.fit) / last.sequences_per_s
