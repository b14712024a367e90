"""What MLflow's pages and clients are told of a model: inputs, outputs, parameters, an example, and its skeleton."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hico_platform.export import ModelDescription

_EXAMPLE_FRAMES = 8


def model_signature(model: ModelDescription) -> Any:
    """The signature: recordings (T, M, J, C) in, features (n, 2*G*D) out by default, and the parameters of ``predict``.

    MLflow would refuse what does not have exactly the shape and type of a signature's tensor: lists of recordings of
    several lengths, one body without its axis, float64. So the signature is marked as that of a function with type
    hints, whose input MLflow hands on as it is, and :class:`hico_platform.export.served.Served` checks it.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    from hico_platform.export.served import DEFAULTS

    number = np.dtype(np.float32)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(number, (-1, -1, len(model.layout.joints), model.coordinates), "recording")]),
        outputs=Schema([TensorSpec(number, (-1, model.feature_width))]),
        params=ParamSchema([ParamSpec("output", "string", DEFAULTS["output"]), ParamSpec("k", "long", DEFAULTS["k"])]),
    )
    signature._is_signature_from_type_hint = True
    return signature


def input_example(model: ModelDescription) -> tuple[list[Any], dict[str, Any]]:
    """A list of one recording as nested lists, and parameters. It has the right shape, and shows no person."""
    shape = (_EXAMPLE_FRAMES, len(model.layout.joints), model.coordinates)
    recording = np.random.default_rng(0).normal(scale=0.3, size=shape).round(3).tolist()
    return [recording], {"output": "features" if model.recogniser is None else "probabilities"}


def model_metadata(model: ModelDescription) -> dict[str, Any]:
    """What a caller has to know of the recordings that the model takes, as plain values."""
    return {
        "layout": model.layout.name,
        "joints": list(model.layout.joints),
        "coordinates": model.coordinates,
        "normalisation": None if model.normalisation is None else str(model.normalisation),
        "missing_joint": str(model.missing_joint),
        "frames": model.config.views.frames,
        "feature_width": model.feature_width,
        "class_names": [] if model.recogniser is None else list(model.recogniser.class_names),
        "gallery_sequences": 0 if model.recogniser is None else model.recogniser.gallery,
    }
