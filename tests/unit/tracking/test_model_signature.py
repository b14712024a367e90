from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mlflow.models import Model

from hico_platform.export import describe, load_encoder
from hico_platform.export.description import ModelDescription
from hico_platform.tracking.model_signature import input_example, model_metadata, model_signature
from tests.exported import CLASS_NAMES, small_export, small_recogniser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_export(tmp_path_factory.mktemp("signature") / "encoder", recogniser=small_recogniser())


@pytest.fixture(scope="module")
def model(folder: Path) -> ModelDescription:
    return describe(folder)


def test_inputs_outputs_and_parameters_are_named_with_their_sizes(model: ModelDescription) -> None:
    signature = model_signature(model)
    (recording,) = signature.inputs.inputs
    assert (recording.name, recording.shape, recording.type) == ("recording", (-1, -1, 25, 3), np.dtype("float32"))
    assert signature.outputs.inputs[0].shape == (-1, 128)
    assert [(one.name, one.default) for one in signature.params.params] == [("output", "features"), ("k", 5)]


def test_the_mark_that_hands_input_on_as_it_is_is_kept_with_the_model(model: ModelDescription) -> None:
    written = Model(signature=model_signature(model)).to_yaml()
    assert "is_signature_from_type_hint: true" in written


def test_the_example_is_a_recording_that_the_model_takes(model: ModelDescription, folder: Path) -> None:
    recordings, params = input_example(model)
    assert json.loads(json.dumps(recordings)) == recordings
    assert params == {"output": "probabilities"}
    assert load_encoder(folder).probabilities(recordings).shape == (1, 3)


def test_an_encoder_alone_has_an_example_of_features(tmp_path: Path) -> None:
    alone = describe(small_export(tmp_path / "encoder"))
    assert input_example(alone)[1] == {"output": "features"}
    assert model_metadata(alone)["class_names"] == []


def test_metadata_say_what_a_recording_is_of(model: ModelDescription) -> None:
    found = model_metadata(model)
    assert json.loads(json.dumps(found)) == found
    assert (found["layout"], len(found["joints"]), found["coordinates"], found["feature_width"]) == (
        "kinect-v2", 25, 3, 128,
    )  # fmt: skip
    assert (found["normalisation"], found["missing_joint"]) == ("released", "zero")
    assert (found["class_names"], found["gallery_sequences"]) == (list(CLASS_NAMES), 7)
