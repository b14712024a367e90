"""Builds the model, the views and the optimiser that a configuration describes; no other module does."""

from __future__ import annotations

import math
from typing import Any

import torch

from hico_platform.augment.frames import StoredPoses
from hico_platform.augment.spatial import SpatialAugmentation
from hico_platform.augment.streaming import StreamedPoses
from hico_platform.augment.views import Views
from hico_platform.config.trial import (
    ContrastConfig,
    OptimiserConfig,
    OptimiserName,
    ScheduleName,
    TrialConfig,
    ViewsConfig,
)
from hico_platform.data.layout import Layout
from hico_platform.data.store import COORDINATES, Store
from hico_platform.enums import Level
from hico_platform.errors import ConfigError, Problem
from hico_platform.model.encoder import HierarchicalEncoder
from hico_platform.model.hico import HiCo
from hico_platform.ops.precision import resolve_precision

BODIES = 2  # M
RESIDENT_SHARE = 0.5  # share of a GPU's free memory that a dataset may take


def build_model(config: TrialConfig, *, layout: Layout, device: torch.device, coordinates: int = COORDINATES) -> HiCo:
    """The model of a configuration for poses of ``coordinates`` a joint, initialised from its seed.

    Raises:
        ConfigError: there are too few frames or joints for the configured number of halvings.
    """
    _check_granularities(config, layout)
    model = HiCo(
        **_encoder_arguments(config, layout, coordinates),
        projection_width=config.model.projection_width,
        queue_size=config.contrast.queue_size,
        queue_wrap=config.contrast.queue_wrap,
        temperature=config.contrast.temperature,
        momentum=config.contrast.momentum,
        level_weights=level_weights(config.contrast),
        precision=resolve_precision(config.model.precision, device),
    )
    model.initialise(torch.Generator().manual_seed(config.budget.seed))
    return model.to(device)


def build_encoder(config: TrialConfig, *, layout: Layout, coordinates: int = COORDINATES) -> HierarchicalEncoder:
    """Only the encoder of a configuration, without key encoder and queues, for weights that are loaded afterwards.

    Under ``torch.device("meta")`` its parameters have names and shapes but take no memory.

    Raises:
        ConfigError: there are too few frames or joints for the configured number of halvings.
    """
    _check_granularities(config, layout)
    return HierarchicalEncoder(**_encoder_arguments(config, layout, coordinates))


def _encoder_arguments(config: TrialConfig, layout: Layout, coordinates: int) -> dict[str, Any]:
    return {
        "encoder": config.model.encoder,
        "temporal_width": BODIES * len(layout.joints) * coordinates,
        "spatial_width": config.views.frames * coordinates,
        "width": config.model.hidden_width,
        "granularities": config.model.granularities,
        "layers": config.model.layers,
        "heads": config.model.heads,
        "dropout": config.model.dropout,
    }


def _check_granularities(config: TrialConfig, layout: Layout) -> None:
    fewest = min(config.views.frames, BODIES * len(layout.joints))
    if fewest >> (config.model.granularities - 1) == 0:
        raise ConfigError(
            Problem(
                field="model.granularities",
                rule=f"at most {fewest.bit_length()}: {fewest} tokens are halved from one granularity to the next",
                value=config.model.granularities,
                remedy="lower model.granularities or raise views.frames",
            )
        )


def level_weights(config: ContrastConfig) -> dict[Level, float]:
    """The weight of each level."""
    return {level: float(getattr(config.level_weights, level.value)) for level in Level}


def build_views(config: ViewsConfig, *, store: Store, device: torch.device) -> Views:
    """Views of a store's sequences.

    On a CPU the poses stay memory-mapped. On a GPU all poses are copied to its memory if they fit into half of what is
    free; otherwise the poses of each batch are copied.

    Raises:
        ConfigError: ``tilt_degrees`` of poses in an image, which have no depth to turn.
    """
    if config.tilt_degrees and store.coordinates != COORDINATES:
        raise ConfigError(
            Problem(
                field="views.tilt_degrees",
                rule="0 for poses in an image, which turn in its plane alone",
                value=config.tilt_degrees,
                remedy="leave it out, or lower views.rotation_degrees to as much as people lean in the pictures",
            )
        )
    mapped = StoredPoses(
        values=store.values,
        offsets=store.offsets,
        num_frames=torch.tensor(store.num_frames),
        num_bodies=torch.tensor(store.num_bodies),
        joints=len(store.layout.joints),
        bodies=BODIES,
        coordinates=store.coordinates,
    )
    poses: StoredPoses | StreamedPoses = mapped
    if device.type == "cuda":
        free_bytes, _ = torch.cuda.mem_get_info(device)
        fits = mapped.values.nbytes <= RESIDENT_SHARE * free_bytes
        poses = mapped.to(device) if fits else StreamedPoses(mapped, device=device)
    return Views(
        poses=poses,
        parents=torch.tensor(store.layout.parents, device=device),
        stream=config.stream,
        frames=config.frames,
        min_crop_ratio=config.min_crop_ratio,
        min_crop_frames=config.min_crop_frames,
        spatial=SpatialAugmentation(
            shear_probability=config.shear_probability,
            shear_strength=config.shear_strength,
            corruption_probability=config.corruption_probability,
            corruption=config.corruption,
            corrupted_joint_share=config.corrupted_joint_share,
            rotation_degrees=config.rotation_degrees,
            tilt_degrees=config.tilt_degrees,
            scale=config.scale,
        ),
        check=None if store.closed is None else lambda indices: store.check_open(indices.numpy()),
    )


def build_optimiser(config: OptimiserConfig, *, model: HiCo) -> torch.optim.Optimizer:
    """The optimiser of the query encoder; on a GPU its learning rate is a tensor that each CUDA graph replay reads."""
    parameters = list(model.query.parameters())
    on_gpu = parameters[0].is_cuda
    rate = torch.tensor(config.learning_rate, device=parameters[0].device) if on_gpu else config.learning_rate
    match config.name:
        case OptimiserName.SGD:
            return torch.optim.SGD(
                parameters, lr=rate, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
            )
        case OptimiserName.ADAMW:
            return torch.optim.AdamW(
                parameters, lr=rate, weight_decay=config.weight_decay, fused=True, capturable=on_gpu
            )


def learning_rate(config: OptimiserConfig, *, epoch: int, epochs: int) -> float:
    """The learning rate of an epoch (0-based) of ``epochs``: a pure function, so resuming needs no schedule state."""
    match config.schedule:
        case ScheduleName.CONSTANT:
            return config.learning_rate
        case ScheduleName.STEP:
            decayed = epoch >= round(config.decay_at * epochs)
            return config.learning_rate * (0.1 if decayed else 1.0)
        case ScheduleName.COSINE:
            return config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
