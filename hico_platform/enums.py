"""The words of the field that code, YAML, command line and tracking share.

Symbols, as in the paper and used as names throughout:

======  ==========================================  ========
symbol  meaning                                     default
======  ==========================================  ========
N       sequences in a batch                        64
T       frames after temporal crop-resize           64
J       joints                                      25
M       bodies                                      2
C       coordinates, 2 in image poses               3
G       granularities                               4
D       hidden width of the encoder                 512
P       projection width                            128
K       queue size                                  2048
======  ==========================================  ========
"""

from enum import StrEnum

from hico_platform.plug_in_names import NamesWithPlugIns, PlugInGroup


class EncoderType(NamesWithPlugIns):
    """Sequence-to-sequence encoder of a branch."""

    GRU = "gru"
    LSTM = "lstm"
    TRANSFORMER = "transformer"

    @classmethod
    def group(cls) -> PlugInGroup:
        """Encoders of other packages."""
        return PlugInGroup.ENCODERS


class Stream(StrEnum):
    """What of a skeleton is shown to the encoder."""

    JOINT = "joint"
    BONE = "bone"
    MOTION = "motion"


class Corruption(StrEnum):
    """What corruption puts on the joints of a view that it touches."""

    EITHER = "either"
    """As released: zeros or a random matrix, each with probability 1/2."""

    ZEROED = "zeroed"
    """Zeros, as a joint that is not seen."""

    RANDOM = "random"
    """A matrix with elements uniform in -1 to 1."""


class Precision(StrEnum):
    """In what the encoders and projectors compute during training; weights, queues and losses are always float32."""

    AUTO = "auto"
    """On a GPU that has it TF32, else FLOAT32; a run that is resumed keeps what it began with."""

    FLOAT32 = "float32"
    """Exact: within 1e-5 of the released code."""

    TF32 = "tf32"
    """Products in TensorFloat-32, on a GPU that has it: float32's range with 10 bits behind the point."""

    BF16 = "bf16"
    """Products in bfloat16, twice as fast and more where the hardware has it."""


class Level(StrEnum):
    """A level of the hierarchical contrast; each has a weight in the loss."""

    CLIP = "clip"
    PART = "part"
    DOMAIN = "domain"
    INSTANCE = "instance"


class Representation(StrEnum):
    """One of the five projected representations; the domain level has two."""

    CLIP = "clip"
    PART = "part"
    TEMPORAL_DOMAIN = "temporal_domain"
    SPATIAL_DOMAIN = "spatial_domain"
    INSTANCE = "instance"

    @property
    def level(self) -> Level:
        """The level whose weight this representation's loss carries."""
        if self in (Representation.TEMPORAL_DOMAIN, Representation.SPATIAL_DOMAIN):
            return Level.DOMAIN
        return Level(self.value)


class QueueWrap(StrEnum):
    """Where the write pointer of the clip and part queues wraps."""

    FULL = "full"
    """At the queue's own width, G*K: every key is replaced in turn."""

    RELEASED = "released"
    """At K, as in the released code: with its settings 6144 of 8192 keys stay random."""


class Part(StrEnum):
    """A part of a dataset under a protocol."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Clusters(StrEnum):
    """What sequences that resemble each other have in common: they are drawn and flipped together."""

    PERSONS = "persons"
    VIDEOS = "videos"
    """Where no person is known."""

    SEQUENCES = "sequences"
    """Where no video is known either: each is one of its own."""

    def counted(self, count: int) -> str:
        """So many in words: ``1 person``, ``5 videos``."""
        return f"{count:,} {self.removesuffix('s') if count == 1 else self}"


class Signal(StrEnum):
    """The validation score that a search goes by: it stops trials, leads the sampler and says which trial is best."""

    KNN_TOP1 = "knn_top1"
    """1-NN of the validation subjects among the others of the training part."""

    KNN_MEAN = "knn_mean"
    """The mean of kNN with k = 1, 5, 9, 20."""

    MAP = "map"
    """Retrieval: mean average precision."""

    LINEAR = "linear"
    """A linear probe by regularised regression."""

    KNN_SUBJECTS = "knn_subjects"
    """1-NN of every training subject among all the others: no sequence is set apart from pretraining."""

    @property
    def metric(self) -> str:
        """The name of its score, as evaluation, tracking and reports have it."""
        return {Signal.MAP: "retrieval_map", Signal.LINEAR: "linear_regularised_top1"}.get(self, self.value)

    @property
    def scored_on(self) -> str:
        """Whose sequences it scores, as records say it; the scores at a trial's end are of validation subjects."""
        return f"{'all' if self is Signal.KNN_SUBJECTS else 'validation'} subjects of the training split"

    @property
    def heading(self) -> str:
        """What tables and axes call it."""
        return {
            Signal.KNN_TOP1: "kNN top-1",
            Signal.KNN_MEAN: "kNN, mean over k",
            Signal.MAP: "mAP",
            Signal.LINEAR: "linear probe",
            Signal.KNN_SUBJECTS: "1-NN among all training subjects",
        }[self]


class Decision(StrEnum):
    """The answer to a trial's report."""

    CONTINUE = "continue"
    STOP = "stop"
