from __future__ import annotations

import pytest
import torch

from hico_platform.enums import Precision
from hico_platform.ops import precision
from hico_platform.ops.precision import resolve_precision

DEVICE = torch.device("cpu")


@pytest.mark.parametrize("has_tf32", [False, True])
def test_auto_is_tf32_where_the_device_has_it_and_nothing_else_changes(
    has_tf32: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_tf32", lambda device: has_tf32)
    found = {each: resolve_precision(each, DEVICE) for each in Precision}
    assert found.pop(Precision.AUTO) is (Precision.TF32 if has_tf32 else Precision.FLOAT32)
    assert all(each is resolved for each, resolved in found.items())


def test_auto_is_float32_on_a_cpu() -> None:
    assert resolve_precision(Precision.AUTO, torch.device("cpu")) is Precision.FLOAT32
