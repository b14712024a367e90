import pytest

pytest.importorskip("hico_platform.ops.cpu", reason="no ops/cpu: PyTorch's operators compute")
