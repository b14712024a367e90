"""InfoNCE by the compiled kernel is that of the logits, and so is its gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hico_platform.ops.cpu import library
from hico_platform.ops.info_nce import contrast_logits, info_nce, loss_of_logits

# Anchors, positives, keys, width: one of each, the last of a block and the first of the next, several tasks.
SHAPES = [(1, 1, 1, 1), (5, 3, 127, 20), (64, 4, 128, 128), (65, 1, 513, 33), (70, 2, 2000, 128), (3, 4, 40000, 16)]


@pytest.fixture(autouse=True)
def _kernel() -> None:
    found = library.kernels()
    if found is None or not found.multiplies:
        pytest.skip("no C compiler, or a processor whose registers the products do not know")


def units(*shape: int, seed: int) -> Tensor:
    return normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def given(anchors: int, positives: int, keys: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    return units(anchors, width, seed=0), units(anchors, positives, width, seed=1), units(keys, width, seed=2)


def with_gradient(anchor: Tensor, *others: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    anchor = anchor.clone().requires_grad_()
    loss = info_nce(anchor, *others, temperature=temperature)
    return loss.detach(), torch.autograd.grad(loss, anchor)[0]


def exact(anchor: Tensor, *others: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    anchor = anchor.double().requires_grad_()
    loss = loss_of_logits(contrast_logits(anchor, *(each.double() for each in others), temperature=temperature))
    return loss.detach(), torch.autograd.grad(loss, anchor)[0]


def close(ours: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    assert float((ours.double() - wanted).norm()) <= tolerance * float(wanted.norm())


@pytest.mark.parametrize("temperature", [0.01, 0.2, 5.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradient(shape: tuple[int, int, int, int], temperature: float) -> None:
    tensors = given(*shape)
    loss, gradient = with_gradient(*tensors, temperature=temperature)
    wanted, of_anchor = exact(*tensors, temperature=temperature)
    close(loss, wanted)
    close(gradient, of_anchor)


def test_the_largest_logit_may_come_last_or_first() -> None:
    anchor, positives, queue = given(6, 2, 1500, 32)
    sorted_keys = queue[(queue @ anchor[0]).argsort()] * torch.linspace(0.1, 60.0, 1500)[:, None]
    for keys in (sorted_keys, sorted_keys.flip(0)):
        for mine, wanted in zip(
            with_gradient(anchor, positives, keys, temperature=0.2),
            exact(anchor, positives, keys, temperature=0.2),
            strict=True,
        ):
            close(mine, wanted)


@pytest.mark.parametrize("winner", ["positive", "negative"])
def test_logits_beyond_what_an_exponential_can_hold(winner: str) -> None:
    anchor = units(3, 8, seed=0)
    ours, other = (anchor * 400, -anchor * 400) if winner == "positive" else (-anchor * 400, anchor * 400)
    tensors = anchor, ours[:, None], other
    loss, gradient = with_gradient(*tensors, temperature=0.2)
    wanted, of_anchor = exact(*tensors, temperature=0.2)
    torch.testing.assert_close(loss.double(), wanted)
    torch.testing.assert_close(gradient.double(), of_anchor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1e2, 1e5, 3e6, 9e6, 1.7e7, 1e9])
def test_logits_of_any_size(scale: float) -> None:
    """The second key is ``scale`` away from the first, so its exponential is none at all."""
    anchor, queue = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    loss, gradient = with_gradient(anchor, anchor[None], queue, temperature=1 / scale)
    assert float(loss) == pytest.approx(0.693147, abs=1e-5)
    assert float(gradient.abs().max()) <= 1e-6 * scale


def test_threads_change_no_bit() -> None:
    tensors, before, found = given(70, 4, 3000, 128), torch.get_num_threads(), []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        found.append(with_gradient(*tensors, temperature=0.2))
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("place", ["anchor", "positive", "queue"])
def test_what_is_no_number_stays_none(place: str) -> None:
    anchor, positives, queue = given(4, 2, 300, 16)
    {"anchor": anchor, "positive": positives, "queue": queue}[place].view(-1)[5] = float("nan")
    assert with_gradient(anchor, positives, queue, temperature=0.2)[0].isnan()


def test_strided_tensors_and_keys_that_want_a_gradient() -> None:
    anchor, positives, queue = given(4, 3, 300, 16)
    both = torch.stack([anchor, -anchor], dim=1)[:, 0]
    assert torch.equal(
        info_nce(both, positives.transpose(0, 1).contiguous().transpose(0, 1), queue, temperature=0.2),
        info_nce(anchor, positives, queue, temperature=0.2),
    )
    queue.requires_grad_()
    info_nce(anchor, positives, queue, temperature=0.2).backward()
    assert queue.grad is not None


def test_the_gradient_takes_what_arrives() -> None:
    tensors = given(4, 3, 300, 16)
    anchor = tensors[0].clone().requires_grad_()
    (info_nce(anchor, *tensors[1:], temperature=0.2) * 3).backward()
    assert anchor.grad is not None
    torch.testing.assert_close(anchor.grad, 3 * with_gradient(*tensors, temperature=0.2)[1])
