"""The linear probe on frozen features, with the settings of the HiCo release."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


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
    classifier = nn.Linear(features.shape[1], classes, device=features.device)
    with torch.no_grad():
        classifier.weight.normal_(0, 0.01, generator=generator)
        classifier.bias.zero_()
    memory = features.new_empty(min(batch_size, len(features)), features.shape[1])  # of every batch: it is large
    optimiser = torch.optim.SGD(classifier.parameters(), lr=learning_rate, momentum=0.9)
    for epoch in range(epochs):
        drops = (epoch >= epochs * 5 // 8) + (epoch >= epochs * 7 // 8)
        optimiser.param_groups[0]["lr"] = learning_rate * 0.1**drops
        order = torch.randperm(len(features), generator=generator, device=features.device)
        for batch in order.split(batch_size):
            rows = torch.index_select(features, 0, batch, out=memory[: len(batch)])
            loss = nn.functional.cross_entropy(classifier(rows), labels[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        alive()
    with torch.no_grad():
        logits: Tensor = classifier(test_features)
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
