"""Fine-tuning: a copy of an encoder and a linear classifier, trained together under labels.

The recipes are those of released code. CMD trains all weights by SGD; MAMP by AdamW, with a rate that falls from layer
to layer towards the input. Both show the classifier random crops of half a sequence or more, without corruption or
shear, and the middle 95 % in the end. HiCo's release has no fine-tuning. What differs here, because it is none of the
classifier's: the last epoch counts (both report the best one on the test set), an epoch keeps its last, smaller batch,
and MAMP's random turn, stochastic depth and dropout before the classifier are left out.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from hico_platform.augment.views import Views
from hico_platform.enums import Precision
from hico_platform.errors import Problem, TrainingError
from hico_platform.evaluate.features import tokens_of
from hico_platform.model.encoder import HierarchicalEncoder, Tokens
from hico_platform.ops.precision import float32_products, resolve_precision


class Schedule(StrEnum):
    """How the rate of fine-tuning changes."""

    STEPS = "steps"
    """Times 0.1 at 5/8 and at 7/8 of the epochs, from epoch to epoch: 50 and 70 of 80."""

    WARM_COSINE = "warm-cosine"
    """Linearly up, then down by a cosine, from step to step."""


class FineTuningOptimiser(StrEnum):
    """What takes the steps."""

    SGD = "sgd"
    ADAMW = "adamw"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an encoder is fine-tuned.

    Args:
        name: part of the names of scores.
        optimiser: SGD has a momentum of 0.9.
        learning_rate: the highest one, of the classifier.
        least_learning_rate: the one at which a cosine ends.
        epochs: all of them; the last one counts.
        warm_up_epochs: in which the rate rises from zero.
        batch_size: sequences in a batch.
        weight_decay: of matrices; vectors, such as biases, have none.
        layer_decay: the rate of a layer is this times that of the layer above it; 1: all have one.
        label_smoothing: share of the target that goes to all classes alike.
        min_crop_ratio: the smallest share of a sequence that a training view shows.
    """

    name: str
    optimiser: FineTuningOptimiser
    schedule: Schedule
    learning_rate: float
    least_learning_rate: float = 0.0
    epochs: int
    warm_up_epochs: int = 0
    batch_size: int
    weight_decay: float = 0.0
    layer_decay: float = 1.0
    label_smoothing: float = 0.0
    min_crop_ratio: float = 0.5

    def rate(self, epoch: float) -> float:
        """The rate at a point of the training, in epochs from its start."""
        if self.schedule is Schedule.STEPS:
            drops = (epoch >= self.epochs * 5 // 8) + (epoch >= self.epochs * 7 // 8)
            return self.learning_rate * 0.1**drops
        if epoch < self.warm_up_epochs:
            return self.learning_rate * epoch / self.warm_up_epochs
        way = (epoch - self.warm_up_epochs) / (self.epochs - self.warm_up_epochs)
        span = self.learning_rate - self.least_learning_rate
        return self.least_learning_rate + span * 0.5 * (1 + math.cos(math.pi * way))

    def described(self) -> str:
        """The recipe in a line, for a table."""
        decay = "" if self.layer_decay == 1 else f", layer decay {self.layer_decay:g}"
        return (
            f"{self.optimiser.value} {self.learning_rate:g}, batch {self.batch_size}, {self.epochs} epochs{decay}, "
            f"crops of at least {self.min_crop_ratio:.0%}"
        )


CMD = Recipe(
    name="cmd",
    optimiser=FineTuningOptimiser.SGD,
    schedule=Schedule.STEPS,
    learning_rate=0.01,
    epochs=80,
    batch_size=64,
)
"""maoyunyao/CMD, action_classification_cmd_semi.py with the options of its scripts."""

LAYER_DECAY = Recipe(
    name="layer_decay",
    optimiser=FineTuningOptimiser.ADAMW,
    schedule=Schedule.WARM_COSINE,
    learning_rate=3e-4,
    least_learning_rate=1e-5,
    epochs=100,
    warm_up_epochs=5,
    batch_size=48,
    weight_decay=0.05,
    layer_decay=0.8,
    label_smoothing=0.1,
)
"""maoyunyao/MAMP, main_finetune.py with the options of its scripts; 48 is two GPUs' batches of 24."""

RECIPES = (CMD, LAYER_DECAY)


class Classifier(nn.Module):
    """A copy of an encoder, all of which is trained, and a linear classifier on its features."""

    def __init__(self, encoder: HierarchicalEncoder, *, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(True)
        self.head = nn.utils.skip_init(nn.Linear, encoder.feature_width, classes, device=generator.device)
        nn.init.normal_(self.head.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: Tokens) -> Tensor:
        """Logits (N, classes)."""
        return self.head(self.encoder(tokens).instance())  # type: ignore[no-any-return]


def fine_tuned(
    encoder: HierarchicalEncoder,
    *,
    views: Views,
    sequences: Tensor,
    labels: Tensor,
    classes: int,
    recipe: Recipe,
    seed: int,
    alive: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Classifier:
    """Trains a copy of ``encoder``, which itself stays as it is, on the ``sequences`` (n,) with ``labels`` (n,).

    A seed gives the same classifier again: it decides the classifier's first weights, order, crops and dropout, and
    PyTorch's own random state is left as it was. Memory beyond the copy and the optimiser is that of one batch.
    ``alive`` and ``progress`` (epochs done, and all) are called after every epoch.

    Raises:
        TrainingError: the loss is not finite.
    """
    device = sequences.device
    generator = torch.Generator(device).manual_seed(seed)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)  # dropout draws from PyTorch's own generators
        classifier = Classifier(encoder, classes=classes, generator=generator)
        optimiser = _optimiser(classifier, recipe)
        steps = math.ceil(len(sequences) / recipe.batch_size)
        for epoch in range(recipe.epochs):
            classifier.train()
            order = torch.randperm(len(sequences), generator=generator, device=device)
            mean_loss = torch.zeros((), device=device)
            batches = [sequences[rows] for rows in order.split(recipe.batch_size)]
            targets = [labels[rows] for rows in order.split(recipe.batch_size)]
            for step, batch in enumerate(views.prefetch(batches)):
                _set_rate(optimiser, recipe.rate(epoch if recipe.schedule is Schedule.STEPS else epoch + step / steps))
                poses = views.cropped(batch, min_ratio=recipe.min_crop_ratio, generator=generator)
                with float32_products(resolve_precision(Precision.AUTO, device), device):
                    logits = classifier(tokens_of(poses))
                    loss = nn.functional.cross_entropy(logits, targets[step], label_smoothing=recipe.label_smoothing)
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()
                    optimiser.step()
                mean_loss += loss.detach() / steps
            _refuse_divergence(float(mean_loss), recipe=recipe, epoch=epoch + 1)
            alive()
            progress(epoch + 1, recipe.epochs)
    return classifier.eval()


def layer_of(name: str, *, layers: int) -> int:
    """The layer of a parameter, from the input: 0 embeds and downsamples, 1 to ``layers`` encode, the next classifies.

    ``name`` is that in a :class:`Classifier`.
    """
    if name.startswith("head."):
        return layers + 1
    if ".sequence." not in name:
        return 0
    return _sequence_layer(name) + 1


def _sequence_layer(name: str) -> int:
    """The layer within the sequence encoder, from 0: of a Transformer by its place, of a GRU or LSTM by its suffix."""
    found = re.search(r"\.sequence\.(?:layers\.(\d+)\.|rnn\.\w+?_l(\d+))", name)
    if found is None:
        raise TypeError(f"no layer is known for {name}")
    return int(found[1] or found[2])


def layer_rates(classifier: nn.Module, *, decay: float) -> dict[str, float]:
    """What the rate of each parameter is multiplied by: 1 of the classifier, ``decay`` of the layer below, and on."""
    names = [name for name, _ in classifier.named_parameters()]
    layers = 1 + max((_sequence_layer(name) for name in names if ".sequence." in name), default=0)
    return {name: decay ** (layers + 1 - layer_of(name, layers=layers)) for name in names}


def _optimiser(classifier: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    scales = layer_rates(classifier, decay=recipe.layer_decay)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in classifier.named_parameters():
        weight_decay = recipe.weight_decay if parameter.dim() > 1 else 0.0
        groups.setdefault((scales[name], weight_decay), []).append(parameter)
    listed: list[dict[str, Any]] = [
        {"params": parameters, "scale": scale, "weight_decay": weight_decay}
        for (scale, weight_decay), parameters in groups.items()
    ]
    match recipe.optimiser:
        case FineTuningOptimiser.SGD:
            return torch.optim.SGD(listed, lr=recipe.learning_rate, momentum=0.9)
        case FineTuningOptimiser.ADAMW:
            return torch.optim.AdamW(listed, lr=recipe.learning_rate)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]


def _refuse_divergence(loss: float, *, recipe: Recipe, epoch: int) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            Problem(
                field=f"fine-tuning by the recipe {recipe.name}",
                rule="a finite loss",
                value=f"{loss} in epoch {epoch}",
                remedy="check the encoder, whose features may be far from 1, or leave this task out",
            )
        )
