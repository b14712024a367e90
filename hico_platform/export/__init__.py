"""A trained encoder as a folder to distribute: weights, configuration, and what recognises actions with it.

``description.py`` is what it says of itself, ``folder.py`` writes and reads it. ``encoder.py`` and ``recogniser.py``
are what it is read as, ``served.py`` is what MLflow calls, and ``onnx_file.py`` writes the encoder for other runtimes.
"""

from hico_platform.export.description import (
    CARD,
    DESCRIPTION,
    FILES,
    GALLERY_NAMES,
    RECOGNISER,
    WEIGHTS,
    ModelDescription,
    RecogniserDescription,
    describe,
)
from hico_platform.export.encoder import Encoder
from hico_platform.export.folder import encoder_weights, export_encoder, load_encoder
from hico_platform.export.recogniser import Neighbour, Recogniser, fit_recogniser
from hico_platform.export.served import _load_pyfunc

__all__ = [
    "CARD",
    "DESCRIPTION",
    "FILES",
    "GALLERY_NAMES",
    "RECOGNISER",
    "WEIGHTS",
    "Encoder",
    "ModelDescription",
    "Neighbour",
    "Recogniser",
    "RecogniserDescription",
    "_load_pyfunc",
    "describe",
    "encoder_weights",
    "export_encoder",
    "fit_recogniser",
    "load_encoder",
]
