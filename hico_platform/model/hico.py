"""HiCo: query and key encoders, five queues, four levels of contrast (paper, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hico_platform.enums import EncoderType, Level, Precision, QueueWrap, Representation
from hico_platform.model.contrast import Comparison, Losses, comparisons, level_losses
from hico_platform.model.encoder import HierarchicalEncoder, Tokens
from hico_platform.model.projector import Projectors, unit_vectors
from hico_platform.model.queue import KeyQueue
from hico_platform.model.transformer import SelfAttention
from hico_platform.ops.cuda_streams import concurrently
from hico_platform.ops.info_nce import Logits, contrast_logits
from hico_platform.ops.precision import bf16_products


class Contrast(NamedTuple):
    """The losses of a batch, and its keys, which :meth:`HiCo.enqueue` takes once the backward pass is done.

    The queues are written in place and the backward pass reads them, hence the order.
    """

    losses: Losses
    keys: dict[Representation, Tensor]


class ProjectingEncoder(nn.Module):
    """The hierarchical encoder with its projectors: what there is twice, as query and as key."""

    def __init__(self, *, encoder: HierarchicalEncoder, projectors: Projectors) -> None:
        super().__init__()
        self.encoder = encoder
        self.projectors = projectors

    def forward(self, tokens: Tokens, *, anchors: bool = False) -> dict[Representation, Tensor]:
        """The projections as unit vectors: clip and part (N, G, P), (N, 1, P) if ``anchors``, the others (N, P)."""
        return unit_vectors(self.projectors(self.encoder(tokens), anchors=anchors))


class HiCo(nn.Module):
    """The whole trainable state of the method, without optimiser.

    ``temporal_width`` is M*J*C and ``spatial_width`` T*C. ``level_weights`` weigh the losses. ``precision`` is that of
    the encoders and projectors in :meth:`forward`; weights, unit vectors, queues, logits and losses are float32.
    """

    def __init__(
        self,
        *,
        encoder: EncoderType,
        temporal_width: int,
        spatial_width: int,
        width: int,
        granularities: int,
        layers: int,
        heads: int,
        dropout: float,
        projection_width: int,
        queue_size: int,
        queue_wrap: QueueWrap,
        temperature: float,
        momentum: float,
        level_weights: Mapping[Level, float],
        precision: Precision = Precision.FLOAT32,
    ) -> None:
        super().__init__()
        self.precision = precision
        self.temperature = temperature
        self.momentum = momentum
        self.level_weights = dict(level_weights)

        def projecting_encoder() -> ProjectingEncoder:
            return ProjectingEncoder(
                encoder=HierarchicalEncoder(
                    encoder=encoder,
                    temporal_width=temporal_width,
                    spatial_width=spatial_width,
                    width=width,
                    granularities=granularities,
                    layers=layers,
                    heads=heads,
                    dropout=dropout,
                ),
                projectors=Projectors(width=width, granularities=granularities, projection_width=projection_width),
            )

        self.query = projecting_encoder()
        self.key = projecting_encoder().requires_grad_(False)
        sizes = dict.fromkeys(Representation, queue_size)
        for name in (Representation.CLIP, Representation.PART):
            sizes[name] = granularities * queue_size
        self.queues = nn.ModuleDict(
            {
                name.value: KeyQueue(
                    size=size,
                    width=projection_width,
                    wrap_at=queue_size if queue_wrap is QueueWrap.RELEASED else size,
                )
                for name, size in sizes.items()
            }
        )

    def queue(self, name: Representation) -> KeyQueue:
        """The queue of one representation's keys."""
        queue = self.queues[name.value]
        if not isinstance(queue, KeyQueue):
            raise TypeError(f"queue {name} is a {type(queue).__name__}")
        return queue

    def initialise(self, generator: torch.Generator) -> None:
        """Draws weights and queues; the key encoder starts as a copy of the query encoder."""
        for module in self.query.modules():
            _initialise(module, generator)
        for module in self.query.modules():
            if isinstance(module, SelfAttention):
                nn.init.zeros_(module.qkv.bias)
                nn.init.zeros_(module.out.bias)
        self.key.load_state_dict(self.query.state_dict())
        for name in Representation:
            self.queue(name).initialise(generator)

    @torch.no_grad()
    def move_key_encoder(self) -> None:
        """theta_k <- m * theta_k + (1 - m) * theta_q."""
        torch._foreach_lerp_(list(self.key.parameters()), list(self.query.parameters()), 1 - self.momentum)

    def logits(
        self, queries: Mapping[Representation, Tensor], keys: Mapping[Representation, Tensor]
    ) -> dict[Representation, Logits]:
        """Every query's logits."""
        compared = self._compared(queries, keys)
        return {name: contrast_logits(*each, temperature=self.temperature) for name, each in compared.items()}

    def losses(self, queries: Mapping[Representation, Tensor], keys: Mapping[Representation, Tensor]) -> Losses:
        """Loss by level and their weighted sum."""
        return level_losses(self._compared(queries, keys), temperature=self.temperature, weights=self.level_weights)

    def _compared(
        self, queries: Mapping[Representation, Tensor], keys: Mapping[Representation, Tensor]
    ) -> dict[Representation, Comparison]:
        return comparisons(queries, keys, {name: self.queue(name).keys for name in Representation})

    @torch.no_grad()
    def enqueue(self, keys: Mapping[Representation, Tensor]) -> None:
        """The batch's keys replace the oldest in each queue."""
        concurrently(*(partial(self.queue(name).push, key.flatten(0, -2)) for name, key in keys.items()))

    @torch.no_grad()
    def _keys(self, tokens: Tokens) -> dict[Representation, Tensor]:
        self.move_key_encoder()
        return self.key(tokens)  # type: ignore[no-any-return]

    def forward(self, query: Tokens, key: Tokens) -> Contrast:
        """Moves the key encoder, then holds the query views against the key views and the queues."""
        with bf16_products(query.temporal, enabled=self.precision is Precision.BF16):
            queries, keys = concurrently(lambda: self.query(query, anchors=True), lambda: self._keys(key))
        return Contrast(losses=self.losses(queries, keys), keys=keys)


def _initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Xavier-uniform for every 2-D weight, PyTorch's own defaults for the rest, drawn from ``generator``."""
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.dim() == 2:
            nn.init.xavier_uniform_(parameter, generator=generator)
        elif isinstance(module, nn.LayerNorm):
            nn.init.constant_(parameter, 1.0 if name == "weight" else 0.0)
        else:
            bound = _fan_in(module) ** -0.5
            nn.init.uniform_(parameter, -bound, bound, generator=generator)


def _fan_in(module: nn.Module) -> int:
    if isinstance(module, nn.RNNBase):
        return module.hidden_size
    if isinstance(module, nn.Conv1d):
        return module.kernel_size[0] * module.in_channels // module.groups
    if isinstance(module, nn.Linear):
        return module.in_features
    raise TypeError(f"no initialisation is known for {type(module).__name__}")
