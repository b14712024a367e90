"""What is evaluated: an encoder, or the poses themselves, on sequences to fit on and sequences to score on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from hico_platform.augment.views import Views
from hico_platform.config.trial import EvaluationConfig
from hico_platform.data.layout import Layout
from hico_platform.enums import Clusters
from hico_platform.evaluate.features import encoder_features, raw_pose_features
from hico_platform.evaluate.knn import nearest
from hico_platform.evaluate.linear import linear_probe_logits
from hico_platform.evaluate.regularised import RegularisedProbe, regularised_probe
from hico_platform.model.encoder import HierarchicalEncoder

NEAREST = 20
"""So many neighbours are kept for all tasks."""


@dataclass(frozen=True, kw_only=True)
class EvalData:
    """Sequences to train on (``train``) and to score on (``eval``), with the labels of all.

    ``labels`` int64 of all sequences of the views; ``train`` and ``eval`` are int64 indices of them. ``subjects``
    int64, on the CPU, numbers the persons of all sequences, whose sequences are resampled together; ``clusters`` says
    whether those to score on are persons or, where none is known, videos. ``names`` are those
    of all sequences. ``layout`` names the joints. ``alive`` is called again and again while they are encoded and while
    anything trains on them.
    """

    views: Views
    labels: Tensor
    train: Tensor
    eval: Tensor
    classes: int
    subjects: Tensor | None = None
    clusters: Clusters = Clusters.PERSONS
    names: tuple[str, ...] = ()
    layout: Layout | None = None
    alive: Callable[[], None] = lambda: None

    @property
    def train_labels(self) -> Tensor:
        """Labels (n,) of the sequences to train on."""
        return self.labels[self.train]

    @property
    def eval_labels(self) -> Tensor:
        """Labels (q,) of the sequences to score on."""
        return self.labels[self.eval]

    @property
    def train_subjects(self) -> Tensor | None:
        """Persons (n,) of the sequences to train on; None where no person is known."""
        return None if self.subjects is None else self.subjects[self.train.cpu()]

    @property
    def eval_subjects(self) -> Tensor | None:
        """Persons (q,) of the sequences to score on; None where no person is known."""
        return None if self.subjects is None else self.subjects[self.eval.cpu()]


@dataclass(frozen=True, kw_only=True)
class EvalFeatures:
    """One encoder's features of both parts, (n, 2*G*D) and (q, 2*G*D): computed once for all metrics."""

    train: Tensor
    eval: Tensor


def eval_features(encoder: HierarchicalEncoder, *, data: EvalData, config: EvaluationConfig) -> EvalFeatures:
    """Encodes both parts under the centre crop."""

    def encoded(indices: Tensor) -> Tensor:
        return encoder_features(
            encoder, views=data.views, indices=indices, centre_crop=config.centre_crop, alive=data.alive
        )

    return EvalFeatures(train=encoded(data.train), eval=encoded(data.eval))


def pose_features(*, data: EvalData, config: EvaluationConfig) -> EvalFeatures:
    """The poses of both parts as features, without any encoder."""

    def poses(indices: Tensor) -> Tensor:
        return raw_pose_features(views=data.views, indices=indices, centre_crop=config.centre_crop)

    return EvalFeatures(train=poses(data.train), eval=poses(data.eval))


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What a downstream task is given, and what several tasks need of it: computed when the first one asks, then kept.

    Args:
        data: the sequences.
        features: of what is evaluated, an encoder or the poses themselves.
        config: the settings of evaluation.
        seed: of whatever a task draws.
        encoder: what made the features; None for the poses themselves. A task leaves its weights and its mode as they
            were: one that trains it takes a copy.
        target: the same encoder on another dataset, for transfer.
        streams: encoders of other streams (``bone``, ``motion``) on the same sequences, by stream, for fusion.
        label_lists: sequences (int64, among those to train on) whose labels a semi-supervised task may use, by the name
            of the list; without any it draws them.
        progress: called with what is trained, how much of it is done, and of how much.
    """

    data: EvalData
    features: EvalFeatures
    config: EvaluationConfig
    seed: int = 0
    encoder: HierarchicalEncoder | None = None
    target: Evaluated | None = None
    streams: Mapping[str, Evaluated] = field(default_factory=dict)
    label_lists: Mapping[str, Tensor] = field(default_factory=dict)
    progress: Callable[[str, int, int], None] = lambda what, done, total: None

    @cached_property
    def neighbours(self) -> Tensor:
        """Indices (q, NEAREST) of the nearest training sequences by cosine, the nearest first."""
        return nearest(self.features.train, self.features.eval, k=NEAREST)

    @cached_property
    def released_logits(self) -> Tensor:
        """Logits (q, K) of the linear probe with the settings of the release."""
        return linear_probe_logits(
            self.features.train,
            self.data.train_labels,
            self.features.eval,
            classes=self.data.classes,
            epochs=self.config.linear_epochs,
            batch_size=self.config.linear_batch_size,
            learning_rate=self.config.linear_learning_rate,
            seed=self.seed,
            alive=self.data.alive,
        )

    @cached_property
    def regularised(self) -> RegularisedProbe:
        """The regularised linear probe, its logits (q, K) and how its C was chosen."""
        return regularised_probe(
            self.features.train,
            self.data.train_labels,
            self.features.eval,
            classes=self.data.classes,
            subjects=self.data.train_subjects,
            seed=self.seed,
            alive=self.data.alive,
        )


def of_encoder(
    encoder: HierarchicalEncoder,
    *,
    data: EvalData,
    config: EvaluationConfig,
    seed: int = 0,
    target: Evaluated | None = None,
) -> Evaluated:
    """An encoder with its features, computed here."""
    return Evaluated(
        data=data,
        features=eval_features(encoder, data=data, config=config),
        config=config,
        seed=seed,
        encoder=encoder,
        target=target,
    )


def of_raw_pose(*, data: EvalData, config: EvaluationConfig, seed: int = 0) -> Evaluated:
    """The poses themselves: the baseline that any encoder should beat, in every task that asks for features alone."""
    return Evaluated(data=data, features=pose_features(data=data, config=config), config=config, seed=seed)
