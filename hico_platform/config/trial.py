"""The configuration of one pretraining: every setting of the method, its released value and its rule."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from hico_platform.config.pydantic_errors import broken_rule
from hico_platform.config.schema import Number, Settings, Whole, leaves
from hico_platform.enums import Corruption, EncoderType, Precision, QueueWrap, Stream
from hico_platform.errors import ConfigError, Problem


class ModelConfig(Settings):
    """The hierarchical encoder and its projectors."""

    encoder: EncoderType = Field(EncoderType.TRANSFORMER, description="sequence-to-sequence encoder of a branch")
    hidden_width: Whole = Field(512, description="D, hidden width of the encoder", ge=2)
    layers: Whole = Field(1, description="layers of the encoder", ge=1)
    heads: Whole = Field(4, description="attention heads (Transformer only)", ge=1)
    dropout: Number = Field(0.1, description="dropout (Transformer only)", ge=0, lt=1)
    granularities: Whole = Field(4, description="G, granularities of a branch", ge=1, le=6)
    projection_width: Whole = Field(128, description="P, projection width", ge=1)
    precision: Precision = Field(
        Precision.AUTO,
        description="auto: tf32 on a GPU that has it, else float32; or float32 (exact), tf32 (products in "
        "TensorFloat-32, GPU) or bf16 (in bfloat16 where the hardware has it)",
    )

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        if self.encoder is EncoderType.TRANSFORMER and self.hidden_width % self.heads:
            rule = f"a divisor of hidden_width {self.hidden_width}"
            raise broken_rule(rule, field=("heads",), value=self.heads, remedy="change one of the two")
        if self.encoder is not EncoderType.TRANSFORMER and self.hidden_width % 2:
            rule, remedy = "an even number for a bidirectional encoder", f"take {self.hidden_width + 1}"
            raise broken_rule(rule, field=("hidden_width",), value=self.hidden_width, remedy=remedy)
        return self


class LevelWeights(Settings):
    """Weights of the four levels in the loss; the release uses 1 for all."""

    clip: Number = Field(1.0, description="weight of the clip level", ge=0)
    part: Number = Field(1.0, description="weight of the part level", ge=0)
    domain: Number = Field(1.0, description="weight of the domain level (both terms)", ge=0)
    instance: Number = Field(1.0, description="weight of the instance level", ge=0)

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.clip + self.part + self.domain + self.instance <= 0:
            raise broken_rule("at least one level with weight", value=0, remedy="give a weight")
        return self


class ContrastConfig(Settings):
    """Queues, temperature, momentum encoder and level weights."""

    temperature: Number = Field(0.2, description="tau, softmax temperature", gt=0)
    queue_size: Whole = Field(2048, description="K, keys of a queue; clip and part queues hold G*K", ge=1)
    momentum: Number = Field(0.999, description="m, momentum of the key encoder", ge=0, le=1)
    queue_wrap: QueueWrap = Field(QueueWrap.FULL, description="released reproduces the release's write pointer")
    level_weights: LevelWeights = Field(default_factory=LevelWeights)


class ViewsConfig(Settings):
    """The two random views of a sequence."""

    stream: Stream = Field(Stream.JOINT, description="joint, bone or motion")
    frames: Whole = Field(64, description="T, frames after temporal crop-resize", ge=8)
    min_crop_ratio: Number = Field(0.1, description="smallest share of the valid frames", gt=0, le=1)
    min_crop_frames: Whole = Field(
        64,
        description="a crop has at least so many of the valid frames; shorter sequences are never cropped, so take 8 "
        "for recordings of less than 64 frames",
        ge=1,
    )
    shear_probability: Number = Field(0.5, description="probability that a view is sheared", ge=0, le=1)
    shear_strength: Number = Field(
        1.0, description="elements of a shear off its diagonal are uniform within plus and minus this", ge=0, le=1
    )
    corruption_probability: Number = Field(
        1.0, description="probability of corruption where a view is not sheared", ge=0, le=1
    )
    corruption: Corruption = Field(
        Corruption.EITHER,
        description="what is put on the joints that corruption touches: zeroed, random (a matrix), or either by chance",
    )
    corrupted_joint_share: Number = Field(
        0.6, description="share of the joints that corruption touches (15 of 25)", gt=0, le=1
    )
    rotation_degrees: Number = Field(
        0.0,
        description="largest turn about the vertical, either way; of 2D poses in the plane of the image; 0: none",
        ge=0,
        le=180,
    )
    tilt_degrees: Number = Field(
        0.0,
        description="largest turn about each of the two horizontal axes, either way (3D only); 0: none",
        ge=0,
        le=180,
    )
    scale: Number = Field(0.0, description="a view is scaled by a factor from 1 - scale to 1 + scale", ge=0, lt=1)


class OptimiserName(StrEnum):
    """Optimisers a pretraining can use."""

    SGD = "sgd"
    ADAMW = "adamw"


class ScheduleName(StrEnum):
    """How the learning rate changes over the epochs."""

    STEP = "step"
    COSINE = "cosine"
    CONSTANT = "constant"


class OptimiserConfig(Settings):
    """Optimiser and learning-rate schedule."""

    name: OptimiserName = Field(OptimiserName.SGD, description="sgd or adamw")
    learning_rate: Number = Field(0.01, description="learning rate at the start", gt=0)
    momentum: Number = Field(0.9, description="momentum (sgd only)", ge=0, lt=1)
    weight_decay: Number = Field(1e-4, description="weight decay", ge=0)
    schedule: ScheduleName = Field(ScheduleName.STEP, description="step, cosine or constant")
    decay_at: Number = Field(
        351 / 451,
        description="share of the epochs after which the step schedule multiplies by 0.1",
        gt=0,
        le=1,
    )
    clip_gradient_norm: Number | None = Field(None, description="largest gradient norm, if any", gt=0)


class BudgetConfig(Settings):
    """How long and on how much a pretraining runs; the search compares configurations at one budget."""

    epochs: Whole = Field(451, description="passes over the training part", ge=1)
    batch_size: Whole = Field(64, description="N, sequences in a batch; the last, smaller one is dropped", ge=2)
    seed: Whole = Field(0, description="seed of weights, order, views and dropout", ge=0)
    threads: Whole = Field(0, description="CPU threads of a run; 0: as many as the run is given", ge=0)


def batch_share(batch_size: int, *, ranks: int) -> int:
    """The sequences of a batch that each of ``ranks`` processes computes.

    Raises:
        ConfigError: they cannot be shared equally.
    """
    share, left = divmod(batch_size, ranks)
    if left or not share:
        lower = batch_size - left
        others = f"{lower} or {lower + ranks}" if lower else str(ranks)
        raise ConfigError(
            Problem(
                field="budget.batch_size",
                rule=f"a multiple of the {ranks} processes that share a batch, one for each GPU",
                value=batch_size,
                remedy=f"set budget.batch_size to {others}, or train on another number of GPUs",
            )
        )
    return share


class EvaluationConfig(Settings):
    """Downstream evaluation with the settings of the release."""

    centre_crop: Number = Field(0.95, description="share of the frames that evaluation sees", gt=0, le=1)
    linear_epochs: Whole = Field(80, description="epochs of the linear probe", ge=1)
    linear_batch_size: Whole = Field(1024, description="batch size of the linear probe", ge=1)
    linear_learning_rate: Number = Field(2.0, description="learning rate of the linear probe", gt=0)
    recall_at: Whole = Field(
        5, description="k of a trial's retrieval recall at k; evaluate and retrain report 1, 5 and 10", ge=1
    )


class TrialConfig(Settings):
    """Everything that decides one pretraining; defaults are the released settings."""

    model: ModelConfig = Field(default_factory=ModelConfig)
    contrast: ContrastConfig = Field(default_factory=ContrastConfig)
    views: ViewsConfig = Field(default_factory=ViewsConfig)
    optimiser: OptimiserConfig = Field(default_factory=OptimiserConfig)
    budget: BudgetConfig = Field(default_factory=BudgetConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)


NEWER_FIELDS = (
    "views.shear_probability",
    "views.shear_strength",
    "views.corruption_probability",
    "views.corruption",
    "views.rotation_degrees",
    "views.tilt_degrees",
    "views.scale",
)
"""Fields that earlier versions did not have; these did what the defaults say."""


def as_first_written(config: Mapping[str, Any]) -> dict[str, Any]:
    """A whole configuration as a mapping, without newer fields that have their default.

    Digests are computed of this, so that a result is found by the digest that the version which made it wrote.
    """
    kept = copy.deepcopy(dict(config))
    for name in NEWER_FIELDS:
        *sections, field = name.split(".")
        section = kept
        for part in sections:
            section = section[part]
        if section.get(field) == leaves(TrialConfig)[name].default:
            del section[field]
    return kept


def as_now_written(config: Mapping[str, Any]) -> dict[str, Any]:
    """A whole configuration that an earlier version wrote, with the newer fields: the inverse of the above."""
    filled = copy.deepcopy(dict(config))
    for name in NEWER_FIELDS:
        *sections, field = name.split(".")
        section = filled
        for part in sections:
            section = section.setdefault(part, {})
        section.setdefault(field, leaves(TrialConfig)[name].default)
    return filled
