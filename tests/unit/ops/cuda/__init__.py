import pytest

pytest.importorskip("hico_platform.ops.cuda", reason="no ops/cuda: PyTorch's operators compute")
