"""Measures how sure a score on a search's validation part is: by 1-NN of the poses themselves, before any training."""

from __future__ import annotations

import numpy as np
import torch

from hico_platform.config.trial import TrialConfig
from hico_platform.data.kept_together import clusters_of, persons
from hico_platform.enums import Signal
from hico_platform.evaluate.data import pose_features
from hico_platform.evaluate.intervals import FEW_PERSONS
from hico_platform.evaluate.signals import reported_scores
from hico_platform.search.validation_noise import ValidationNoise
from hico_platform.worker.run_task import TrialData
from hico_platform.worker.timing import part_of

FEW_SEQUENCES = 1000
"""Of more, the standard error is 1.6 points at most, as far as sequences alone decide it: they may be one person's."""


def measure_noise(config: TrialConfig, *, data: TrialData) -> ValidationNoise | None:
    """The 1-NN of raw poses on what trials are scored on, with its standard error.

    None for many sequences of many people. Where very many sequences are asked, a part of both is measured, and the
    error scaled to the whole.
    """
    split, _ = data.splits()
    signal = data.signal if data.signal is Signal.KNN_SUBJECTS else Signal.KNN_TOP1
    scored = split.eval if signal is Signal.KNN_TOP1 else np.concatenate([split.train, split.eval])
    people = len(np.unique(persons(split.store)[scored]))
    if len(scored) > FEW_SEQUENCES and people >= FEW_PERSONS:
        return None
    part, times = part_of(split)
    evaluated = part.eval_data(config, device=torch.device("cpu"))
    features = pose_features(data=evaluated, config=config.evaluation)
    found = reported_scores(features, data=evaluated, config=config.evaluation, signal=signal)
    return ValidationNoise(
        signal=data.signal,
        sequences=len(scored),
        persons=people,
        clusters=clusters_of(split.store, scored),
        score=found.values[signal.metric],
        standard_error=found.standard_errors[signal.metric] / times**0.5,
    )
