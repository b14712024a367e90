"""The encoder as an ONNX file, for runtimes without PyTorch, compared with PyTorch before it is kept.

The graph takes prepared poses: reading, normalising and cropping stay in Python (``Encoder.prepare``).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hico_platform.atomic_io import write_whole
from hico_platform.build import BODIES
from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.export.onnx_graph import INPUT, OUTPUT, onnx_model

if TYPE_CHECKING:
    from hico_platform.export.encoder import Encoder

MOST_DIFFERENCE = 1e-5
"""The largest difference of a feature from PyTorch's, in parts of the largest feature where that is above 1."""
_PACKAGES = ("onnx", "onnxruntime")
_COMPARED_BATCHES = (1, 5)


def check_onnx_packages() -> None:
    """Checks that the packages of the extra ``onnx`` are installed.

    Raises:
        UsageError: one is not.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        rule = "the packages that write and check ONNX files"
        remedy = "install them: pip install 'hico-platform[onnx]'"
        raise UsageError(Problem(field="onnx", rule=rule, value=f"no {', '.join(missing)}", remedy=remedy))


def write_onnx(encoder: Encoder, file: Path) -> float:
    """Writes ``file``, whose graph turns ``poses`` (N, T, M, J, C), for any N, into ``features`` (N, 2*G*D).

    Returns:
        the largest difference between its features and PyTorch's, on batches of one and of several.

    Raises:
        UsageError: a package is missing.
        HicoError: the features differ by more than ``MOST_DIFFERENCE``; nothing is written.
    """
    check_onnx_packages()
    content = onnx_model(encoder)
    difference = max(_difference(encoder, content, batch) for batch in _COMPARED_BATCHES)
    if not difference <= MOST_DIFFERENCE:
        rule = f"a graph whose features are within {MOST_DIFFERENCE} of PyTorch's"
        remedy = "report it with the versions of onnx and onnxruntime: nothing was written"
        raise HicoError(Problem(file=file, rule=rule, value=f"{difference:.3g}", remedy=remedy))
    write_whole(file, content)
    return difference


def _difference(encoder: Encoder, content: bytes, batch: int) -> float:
    import onnxruntime

    shape = (batch, encoder.config.views.frames, BODIES, len(encoder.layout.joints), encoder.coordinates)
    poses: npt.NDArray[np.float32] = np.random.default_rng(batch).normal(scale=0.5, size=shape).astype(np.float32)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run([OUTPUT], {INPUT: poses})
    expected = encoder.encode(poses)
    return float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))
