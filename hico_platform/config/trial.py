"""The configuration of one pretraining: every setting of the method, its released value and its rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hico_platform.config.schema import setting
from hico_platform.enums import EncoderType, Precision, QueueWrap, Stream
from hico_platform.errors import ConfigError, Problem


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The hierarchical encoder and its projectors."""

    encoder: EncoderType = setting(EncoderType.TRANSFORMER, help="sequence-to-sequence encoder of a branch")
    hidden_width: int = setting(512, help="D, hidden width of the encoder", at_least=2)
    layers: int = setting(1, help="layers of the encoder", at_least=1)
    heads: int = setting(4, help="attention heads (Transformer only)", at_least=1)
    dropout: float = setting(0.1, help="dropout (Transformer only)", at_least=0, below=1)
    granularities: int = setting(4, help="G, granularities of a branch", at_least=1, at_most=6)
    projection_width: int = setting(128, help="P, projection width", at_least=1)
    precision: Precision = setting(
        Precision.FLOAT32,
        help="float32; tf32 for products in TensorFloat-32 (GPU), bf16 in bfloat16 where the hardware has it",
    )

    def __post_init__(self) -> None:
        if self.encoder is EncoderType.TRANSFORMER and self.hidden_width % self.heads:
            raise ConfigError(
                Problem(
                    field="heads",
                    rule=f"divides hidden_width {self.hidden_width}",
                    value=self.heads,
                    remedy="change one of the two",
                )
            )
        if self.encoder is not EncoderType.TRANSFORMER and self.hidden_width % 2:
            raise ConfigError(
                Problem(
                    field="hidden_width",
                    rule="even for a bidirectional encoder",
                    value=self.hidden_width,
                    remedy=f"take {self.hidden_width + 1}",
                )
            )


@dataclass(frozen=True, kw_only=True)
class LevelWeights:
    """Weights of the four levels in the loss; the release uses 1 for all."""

    clip: float = setting(1.0, help="weight of the clip level", at_least=0)
    part: float = setting(1.0, help="weight of the part level", at_least=0)
    domain: float = setting(1.0, help="weight of the domain level (both terms)", at_least=0)
    instance: float = setting(1.0, help="weight of the instance level", at_least=0)

    def __post_init__(self) -> None:
        if self.clip + self.part + self.domain + self.instance <= 0:
            raise ConfigError(Problem(field="", rule="at least one level has weight", value=0, remedy="give a weight"))


@dataclass(frozen=True, kw_only=True)
class ContrastConfig:
    """Queues, temperature, momentum encoder and level weights."""

    temperature: float = setting(0.2, help="tau, softmax temperature", above=0)
    queue_size: int = setting(2048, help="K, keys of a queue; clip and part queues hold G*K", at_least=1)
    momentum: float = setting(0.999, help="m, momentum of the key encoder", at_least=0, at_most=1)
    queue_wrap: QueueWrap = setting(QueueWrap.FULL, help="released reproduces the release's write pointer")
    level_weights: LevelWeights = field(default_factory=LevelWeights)


@dataclass(frozen=True, kw_only=True)
class ViewsConfig:
    """The two random views of a sequence."""

    stream: Stream = setting(Stream.JOINT, help="joint, bone or motion")
    frames: int = setting(64, help="T, frames after temporal crop-resize", at_least=8)
    min_crop_ratio: float = setting(0.1, help="smallest share of the valid frames", above=0, at_most=1)
    min_crop_frames: int = setting(64, help="a crop has at least so many of the valid frames", at_least=1)
    corrupted_joint_share: float = setting(
        0.6, help="share of the joints that corruption touches (15 of 25)", above=0, at_most=1
    )


class OptimiserName(StrEnum):
    """Optimisers a pretraining can use."""

    SGD = "sgd"
    ADAMW = "adamw"


class ScheduleName(StrEnum):
    """How the learning rate changes over the epochs."""

    STEP = "step"
    COSINE = "cosine"
    CONSTANT = "constant"


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """Optimiser and learning-rate schedule."""

    name: OptimiserName = setting(OptimiserName.SGD, help="sgd or adamw")
    learning_rate: float = setting(0.01, help="learning rate at the start", above=0)
    momentum: float = setting(0.9, help="momentum (sgd only)", at_least=0, below=1)
    weight_decay: float = setting(1e-4, help="weight decay", at_least=0)
    schedule: ScheduleName = setting(ScheduleName.STEP, help="step, cosine or constant")
    decay_at: float = setting(
        351 / 451,
        help="share of the epochs after which the step schedule multiplies by 0.1",
        above=0,
        at_most=1,
    )
    clip_gradient_norm: float | None = setting(None, help="largest gradient norm, if any", above=0)


@dataclass(frozen=True, kw_only=True)
class BudgetConfig:
    """How long and on how much a pretraining runs; the search compares configurations at one budget."""

    epochs: int = setting(451, help="passes over the training part", at_least=1)
    batch_size: int = setting(64, help="N, sequences in a batch; the last, smaller one is dropped", at_least=2)
    seed: int = setting(0, help="seed of weights, order, views and dropout", at_least=0)
    threads: int = setting(0, help="CPU threads of a run; 0: as many as the run is given", at_least=0)


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Downstream evaluation (METHOD: settings of the release)."""

    centre_crop: float = setting(0.95, help="share of the frames that evaluation sees", above=0, at_most=1)
    linear_epochs: int = setting(80, help="epochs of the linear probe", at_least=1)
    linear_batch_size: int = setting(1024, help="batch size of the linear probe", at_least=1)
    linear_learning_rate: float = setting(2.0, help="learning rate of the linear probe", above=0)
    recall_at: int = setting(5, help="k of retrieval recall at k", at_least=1)


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """Everything that decides one pretraining; defaults are the released settings."""

    model: ModelConfig = field(default_factory=ModelConfig)
    contrast: ContrastConfig = field(default_factory=ContrastConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
