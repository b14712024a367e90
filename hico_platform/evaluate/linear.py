"""The linear probe on frozen features, with the settings of the HiCo release."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

MOMENTUM = 0.9


@torch.no_grad()
def linear_probe_logits(
    features: Tensor,
    labels: Tensor,
    test_features: Tensor,
    *,
    classes: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    alive: Callable[[], None] = lambda: None,
) -> Tensor:
    """Trains one linear layer on ``features`` (n, F) and returns its logits (q, K) of ``test_features`` (q, F).

    SGD with momentum 0.9, no weight decay, the rate times 0.1 at 5/8 and 7/8 of the epochs, and the last
    epoch counts (the release reports the best epoch on the test set). ``alive`` is called at every epoch.
    """
    generator = torch.Generator(features.device).manual_seed(seed)
    weight = features.new_empty(classes, features.shape[1]).normal_(0, 0.01, generator=generator)  # (K, F)
    bias = features.new_zeros(classes)
    weight_step, bias_step = torch.zeros_like(weight), torch.zeros_like(bias)
    answers = nn.functional.one_hot(labels, classes).to(features)  # (n, K)
    memory = features.new_empty(min(batch_size, len(features)), features.shape[1])  # of every batch: it is large
    for epoch in range(epochs):
        rate = learning_rate * 0.1 ** ((epoch >= epochs * 5 // 8) + (epoch >= epochs * 7 // 8))
        order = torch.randperm(len(features), generator=generator, device=features.device)
        for batch in order.split(batch_size):
            rows = torch.index_select(features, 0, batch, out=memory[: len(batch)])
            # The gradient of the mean cross entropy, by hand: small batches are all overhead otherwise.
            errors = torch.addmm(bias, rows, weight.T).softmax(dim=1).sub_(answers[batch]).div_(len(batch))
            weight_step.mul_(MOMENTUM).addmm_(errors.T, rows)
            bias_step.mul_(MOMENTUM).add_(errors.sum(dim=0))
            weight.sub_(weight_step, alpha=rate)
            bias.sub_(bias_step, alpha=rate)
        alive()
    logits = torch.addmm(bias, test_features, weight.T)
    return logits


def linear_probe_top1(
    features: Tensor,
    labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    classes: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    alive: Callable[[], None] = lambda: None,
) -> float:
    """The share of ``test_features`` (q, F) that ``linear_probe_logits`` gives their label."""
    logits = linear_probe_logits(
        features,
        labels,
        test_features,
        classes=classes,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        alive=alive,
    )
    return float((logits.argmax(dim=1) == test_labels).double().mean())
