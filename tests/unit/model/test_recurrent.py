"""The written-out recurrence is PyTorch's own GRU and LSTM, granularity by granularity."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hico_platform.model.recurrent import Recurrent
from hico_platform.ops import _backend

LENGTHS = (7, 3, 1)


def granularities(width: int, *, seed: int = 0, count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(sum(LENGTHS), count, width, generator=generator)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_output_and_gradients_are_those_of_pytorch(cell: type[nn.RNNBase], layers: int) -> None:
    torch.manual_seed(0)
    module = Recurrent(cell, width=12, layers=layers)
    weights = torch.randn(sum(LENGTHS), 4, 12)
    tokens = granularities(12).requires_grad_()
    outputs, gradients = [], []
    for output in (
        module(tokens, LENGTHS),
        torch.cat([module.rnn(part.transpose(0, 1))[0].transpose(0, 1) for part in tokens.split(LENGTHS)]),
    ):
        outputs.append(output)
        gradients.append(torch.autograd.grad((output * weights).sum(), [tokens, *module.parameters()]))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_tokens_may_lie_apart(cell: type[nn.RNNBase]) -> None:
    module = Recurrent(cell, width=8, layers=1)
    tokens = granularities(16)[..., :8]
    torch.testing.assert_close(module(tokens, LENGTHS), module(tokens.contiguous(), LENGTHS))


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_each_gradient_has_memory_of_its_own(cell: type[nn.RNNBase]) -> None:
    module = Recurrent(cell, width=8, layers=1)
    module(granularities(8), LENGTHS).square().sum().backward()
    gradients = [parameter.grad for parameter in module.parameters()]
    before = [gradient.clone() for gradient in gradients if gradient is not None]
    for gradient in gradients:
        assert gradient is not None
        gradient.mul_(2)  # as clipping does
    assert len(before) == 8
    for now, then in zip(gradients, before, strict=True):
        assert torch.equal(now, 2 * then)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["steps", "pytorch"])
@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_whichever_path_is_taken_says_the_same(
    cell: type[nn.RNNBase], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Recurrent(cell, width=8, layers=2)
    tokens = granularities(8).requires_grad_()
    parameters = [tokens, *module.parameters()]
    expected = module(tokens, LENGTHS)
    gradients = torch.autograd.grad(expected.square().sum(), parameters)
    if way == "steps":
        found = pytest.importorskip("hico_platform.ops.cpu.library", reason="no ops/cpu").loaded()
        if found is None:
            pytest.skip("no C compiler, or HICO_KERNELS=off")
        monkeypatch.setattr(found, "multiplies", False)
    if way == "pytorch":
        monkeypatch.setattr(_backend, "chosen", lambda *tensors: None)
    made = module(tokens, LENGTHS)
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(module(tokens, LENGTHS), made)
    for ours, theirs in zip(torch.autograd.grad(made.square().sum(), parameters), gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_large_layers_say_what_float64_says_whatever_the_threads(cell: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    module, exact = Recurrent(cell, width=512, layers=1), Recurrent(cell, width=512, layers=1).double()
    exact.load_state_dict(module.state_dict())
    tokens = granularities(512, count=51).requires_grad_()
    before, found = torch.get_num_threads(), []
    try:
        for threads in (2, 1, 7):
            torch.set_num_threads(threads)
            made = module(tokens, LENGTHS)
            found.append([made, *torch.autograd.grad(made.square().sum(), [tokens, *module.parameters()])])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for other in found[1:] for pair in zip(found[0], other, strict=True))
    precise = tokens.detach().double().requires_grad_()
    made = exact(precise, LENGTHS)
    wanted = [made, *torch.autograd.grad(made.square().sum(), [precise, *exact.parameters()])]
    for ours, theirs in zip(found[0], wanted, strict=True):
        assert float((ours.double() - theirs).abs().max() / theirs.abs().max()) < 1e-5


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("width", [8, 100])  # whose weights are multiplied where they lie, or packed
@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_sequences_are_shared_out_among_threads(cell: type[nn.RNNBase], width: int, threads: int) -> None:
    module = Recurrent(cell, width=width, layers=1)
    tokens = granularities(width, count=50).requires_grad_()
    parameters = [tokens, *module.parameters()]
    parts = [tokens[:, :9], tokens[:, 9:]]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = module(tokens, LENGTHS)
        gradients = torch.autograd.grad(together.square().sum(), parameters)
    finally:
        torch.set_num_threads(before)
    apart = torch.cat([module(part, LENGTHS) for part in parts], dim=1)
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(gradients, torch.autograd.grad(apart.square().sum(), parameters), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.parametrize("width", [30, 32, 164])
@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_bf16_is_within_two_percent(cell: type[nn.RNNBase], width: int) -> None:
    torch.manual_seed(0)
    module = Recurrent(cell, width=width, layers=1)
    tokens = granularities(width).requires_grad_()
    exact = module(tokens, LENGTHS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = module(tokens, LENGTHS)
    assert reduced.dtype is torch.float32
    assert (reduced - exact).norm() <= 0.02 * exact.norm()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):  # keeps no gates
        assert torch.equal(module(tokens, LENGTHS), reduced)
    weights = torch.randn_like(exact)
    parameters = [tokens, *module.parameters()]
    for ours, theirs in zip(
        torch.autograd.grad((reduced * weights).sum(), parameters),
        torch.autograd.grad((exact * weights).sum(), parameters),
        strict=True,
    ):
        assert ours.dtype is torch.float32
        assert (ours - theirs).norm() <= 0.02 * theirs.norm()
