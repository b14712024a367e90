"""Without a GPU the kernels run in Triton's interpreter, which must be asked for before they are imported."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch

if find_spec("triton") is not None and not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
