"""The model of a retrained run as a folder: its encoder, with what recognises actions by it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the driver does without torch until a model is exported
    import torch

    from hico_platform.checkpoint import Checkpoint
    from hico_platform.config.trial import TrialConfig
    from hico_platform.data.store import Store
    from hico_platform.evaluate.data import EvalData
    from hico_platform.model.encoder import HierarchicalEncoder
    from hico_platform.worker.run_task import TrialData

EXPORTED = "encoder"
"""The folder of the model, beside the checkpoints of its run."""


class TrainedRun(NamedTuple):
    """What a run's checkpoint holds, on a device, with the data that it trained and was scored on."""

    checkpoint: Checkpoint
    config: TrialConfig
    store: Store
    encoder: HierarchicalEncoder
    sequences: EvalData


def read_trained_run(checkpoint: Path, *, data: TrialData, device: torch.device | None = None) -> TrainedRun:
    """Reads a run's encoder and opens its data, on the GPU if there is one unless a ``device`` is given.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        DataError: the data cannot be opened.
    """
    import torch

    from hico_platform.build import build_encoder
    from hico_platform.checkpoint import load_checkpoint
    from hico_platform.config.schema import parse
    from hico_platform.config.trial import TrialConfig
    from hico_platform.config.yaml_loader import Document
    from hico_platform.export import encoder_weights

    loaded = load_checkpoint(checkpoint)
    config = parse(TrialConfig, Document(data=loaded.facts["config"]))
    split, _ = data.splits()
    store = split.store
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = build_encoder(config, layout=store.layout, coordinates=store.coordinates)
    encoder.load_state_dict(encoder_weights(loaded))
    return TrainedRun(loaded, config, store, encoder.to(device), split.eval_data(config, device=device))


def export_model(checkpoint: Path, *, data: TrialData) -> Path:
    """Exports the encoder of a checkpoint with its recogniser, unless it has been exported already.

    The gallery and the probe are of the labelled sequences that the run was trained on, never of those it is scored on.

    Returns:
        the model's folder.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        DataError: the data cannot be opened.
    """
    from hico_platform.evaluate.features import encoder_features
    from hico_platform.export import export_encoder, fit_recogniser

    model = checkpoint.parent / EXPORTED
    if model.is_dir():
        return model
    loaded, config, store, encoder, sequences = read_trained_run(checkpoint, data=data)
    features = encoder_features(
        encoder,
        views=sequences.views,
        indices=sequences.train,
        centre_crop=config.evaluation.centre_crop,
    )
    recogniser = fit_recogniser(
        features,
        sequences.train_labels,
        names=[sequences.names[index] for index in sequences.train.tolist()],
        class_names=store.class_names,
        subjects=sequences.train_subjects,
        seed=config.budget.seed,
    )
    export_encoder(loaded, model, recogniser=recogniser)
    return model
