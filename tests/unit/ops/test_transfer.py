"""Copies to a device while it computes."""

from __future__ import annotations

import pytest
import torch

from hico_platform.ops.transfer import Transfer


def test_on_a_cpu_tensors_stay_as_they_are() -> None:
    transfer = Transfer(torch.device("cpu"))
    values = transfer.empty(2, 3)
    assert values.shape == (2, 3)
    assert not values.is_pinned()
    assert transfer.send(values)[0] is values
    transfer.wait(values)


@pytest.mark.gpu
def test_what_was_sent_is_there_after_the_wait() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    transfer = Transfer(torch.device("cuda"))
    values = transfer.empty(1000).copy_(torch.arange(1000.0))
    (sent,) = transfer.send(values)
    transfer.wait(sent)
    assert torch.equal(sent.cpu(), values)
