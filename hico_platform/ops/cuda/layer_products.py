"""A recurrent layer's products outside its steps: by halves where float32 is to be exact and they pay."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hico_platform.ops.cuda.products import Halves, halved, halved_and_summed, multiplied, pays

Operand = Tensor | Halves  # of a product


class LayerProducts(NamedTuple):
    """What a layer's products with tokens read."""

    rows: Operand  # tokens (P*N, D)
    of_input: Operand  # W_ih (2*gates*H, D)

    @classmethod
    def of(cls, tokens: Tensor, weights: tuple[Tensor, ...], *, precision: torch.dtype, exact: bool) -> LayerProducts:
        """Of tokens (P, N, D) and a layer's weights in PyTorch's order, in ``precision``; ``exact`` keeps float32."""
        rows = tokens.to(precision).flatten(0, 1).contiguous()
        of_input = torch.cat([weights[0], weights[4]]).to(precision)
        if exact and pays(rows, of_input):
            return cls(halved(rows), halved(of_input))
        return cls(rows, of_input)

    def tensors(self) -> tuple[Tensor, ...]:
        """As autograd keeps them."""
        return *_parts(self.rows), *_parts(self.of_input)

    @classmethod
    def kept(cls, *tensors: Tensor) -> LayerProducts:
        """Of what :meth:`tensors` gave."""
        return cls(*tensors) if len(tensors) == 2 else cls(Halves(*tensors[:3]), Halves(*tensors[3:]))

    def gates(self) -> Tensor:
        """Of tokens, both directions': (P*N, 2*gates*H)."""
        return _multiplied(self.rows, self.of_input.T)

    def prepared(self, values: Tensor) -> Operand:
        """(P, N, 2, .) as another operand of such products, (P*N, .)."""
        flat = values.view(values.shape[0] * values.shape[1], -1)
        return halved(flat) if isinstance(self.rows, Halves) else flat

    def prepared_and_summed(self, values: Tensor) -> tuple[Operand, Tensor]:
        """The same, and the sums over tokens, (2, .)."""
        flat = values.view(values.shape[0] * values.shape[1], -1)
        if isinstance(self.rows, Halves):
            operand, sums = halved_and_summed(flat)
            return operand, sums.view(2, -1)
        return flat, flat.sum(dim=0, dtype=torch.float32).view(2, -1)

    def gradients(self, moved: Operand) -> tuple[Tensor, Tensor]:
        """Of tokens (P*N, D) and both directions' W_ih (2, gates*H, D)."""
        of_inputs = _multiplied(moved.T, self.rows).float()
        return _multiplied(moved, self.of_input), of_inputs.view(2, -1, of_inputs.shape[1])


def _parts(operand: Operand) -> tuple[Tensor, ...]:
    return operand if isinstance(operand, Halves) else (operand,)


def _multiplied(left: Operand, right: Operand) -> Tensor:
    if isinstance(left, Halves) and isinstance(right, Halves):
        return multiplied(left, right)
    return left @ right  # type: ignore[operator]


def state_weights(weights: tuple[Tensor, ...], precision: torch.dtype) -> Tensor:
    """Of a layer's weights in PyTorch's order: W_hh (2, gates*H, H)."""
    return torch.stack([weights[1], weights[5]]).to(precision)


def state_gradients(moved: Operand, before: Operand) -> list[Tensor]:
    """Of both directions' W_hh (gates*H, H), a product each: of two at once cuBLAS shares out no sums."""
    size, width = (each[0].shape[-1] // 2 for each in (moved, before))
    return [
        _multiplied(moved.narrow(1, d * size, size).T, before.narrow(1, d * width, width)).float() for d in range(2)
    ]
