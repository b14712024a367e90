"""The graph gives PyTorch's features, for every encoder and stream and for any number of recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.export.folder import load_encoder
from hico_platform.export.onnx_graph import onnx_model
from tests.exported import small_export

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("kind", "stream"), [("gru", "joint"), ("lstm", "motion"), ("transformer", "bone")])
def test_features_are_pytorchs(tmp_path: Path, kind: str, stream: str, layers: int) -> None:
    folder = small_export(tmp_path / "encoder", model__encoder=kind, views__stream=stream, model__layers=layers)
    encoder = load_encoder(folder)
    content = onnx_model(encoder)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["N", 16, 2, 25, 3]
    for count in (1, 4):
        poses = np.random.default_rng(count).normal(size=(count, 16, 2, 25, 3)).astype(np.float32)
        (found,) = session.run(["features"], {"poses": poses})
        np.testing.assert_allclose(found, encoder.encode(poses), atol=1e-5)


def test_recordings_reach_it_by_prepare(tmp_path: Path) -> None:
    encoder = load_encoder(small_export(tmp_path / "encoder"))
    recordings = [np.random.default_rng(frames).normal(size=(frames, 25, 3)) for frames in (9, 30)]
    session = onnxruntime.InferenceSession(onnx_model(encoder), providers=["CPUExecutionProvider"])
    (found,) = session.run(["features"], {"poses": encoder.prepare(recordings)})
    np.testing.assert_allclose(found, encoder.features(recordings), atol=1e-5)
