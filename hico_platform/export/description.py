"""What the folder of an exported model says of it, read without its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hico_platform.config.schema import parse
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import Document
from hico_platform.data.layout import Layout
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import MissingJoint
from hico_platform.data.skeleton_file import BodyOrder
from hico_platform.data.store import COORDINATES
from hico_platform.errors import CheckpointError, ConfigError, Problem
from hico_platform.export.recogniser import Recogniser

WEIGHTS, DESCRIPTION = "encoder.safetensors", "encoder.json"
RECOGNISER, GALLERY_NAMES = "recogniser.safetensors", "gallery.json"
CARD = "MODEL_CARD.md"
FILES = (DESCRIPTION, WEIGHTS, GALLERY_NAMES, RECOGNISER, CARD)
"""All files of an exported model; a model without labels has the first two alone."""

SCHEMA_VERSION = 3
_READABLE = (1, 2, 3)
"""Version 1 says neither coordinates nor normalisation: all of its encoders had the released one of 3D poses.
Version 2 has no recogniser and no digests."""
_MOST_BYTES = {DESCRIPTION: 1 << 22, GALLERY_NAMES: 1 << 26}
"""Largest accepted JSON files; the first is a few kilobytes, the second has a name for each sequence of the gallery."""
NOT_WHOLE = (OSError, KeyError, TypeError, ValueError, OverflowError, RuntimeError, ConfigError)
"""What reading a damaged export raises: PyTorch on sizes that overflow, JSON on too deep nesting, and others."""
NUMBER_TYPES = {torch.float32: "float32", torch.float16: "float16"}
"""What a gallery is of, and how a description says it."""


@dataclass(frozen=True, kw_only=True)
class RecogniserDescription:
    """What a model's folder says of its recogniser: see :class:`~hico_platform.export.recogniser.Recogniser`.

    ``gallery`` counts the sequences that are kept, ``sequences`` those that the encoder and its probe were trained on.
    """

    class_names: tuple[str, ...]
    gallery: int
    sequences: int
    number: str
    probe: str


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """What a model's folder says of it, without its weights.

    ``digests`` are the SHA-256 of its files by name; versions 1 and 2 have none.
    """

    config: TrialConfig
    layout: Layout
    coordinates: int
    normalisation: Normalisation | None
    missing_joint: MissingJoint
    bodies: BodyOrder
    epoch: int
    provenance: Mapping[str, Any]
    recogniser: RecogniserDescription | None
    digests: Mapping[str, str]

    @property
    def feature_width(self) -> int:
        """2*G*D."""
        return 2 * self.config.model.granularities * self.config.model.hidden_width


def describe(directory: Path) -> ModelDescription:
    """What an exported model's folder says of it; no weights are read.

    Raises:
        CheckpointError: the folder has no complete description, or one of another schema version.
    """
    try:
        return read_description(directory)
    except NOT_WHOLE as error:
        raise not_whole(directory, error) from error


def read_description(directory: Path) -> ModelDescription:
    """The same as :func:`describe`, which turns what a damaged folder raises, ``NOT_WHOLE``, into its error."""
    plain = read_json(directory / DESCRIPTION)
    version = plain.get("schema_version")
    if version not in _READABLE:
        raise CheckpointError(
            Problem(
                file=directory,
                rule=f"an encoder schema version from {_READABLE[0]} to {_READABLE[-1]}",
                value=version,
                remedy="use the version that wrote it",
            )
        )
    coordinates = plain.get("coordinates", COORDINATES)
    if coordinates not in (2, 3):
        raise ValueError(f"{coordinates!r:.80} coordinates a joint, which are 2 or 3")
    normalisation = plain.get("normalisation", Normalisation.RELEASED)
    if normalisation is not None and Normalisation(normalisation).coordinates != coordinates:
        raise ValueError(f"the normalisation {normalisation} of {coordinates}D poses")
    recogniser = plain["recogniser"] if version == SCHEMA_VERSION else None
    digests = dict(plain["sha256"]) if version == SCHEMA_VERSION else {}
    if not set(digests) <= set(FILES):
        raise ValueError(f"digests of {', '.join(map(repr, digests)):.200}")
    return ModelDescription(
        config=parse(TrialConfig, Document(data=plain["config"])),
        layout=Layout.from_plain(plain["layout"]),
        coordinates=coordinates,
        normalisation=None if normalisation is None else Normalisation(normalisation),
        missing_joint=MissingJoint(plain.get("missing_joint", MissingJoint.ZERO)),
        bodies=BodyOrder(plain.get("bodies", BodyOrder.FOLLOWED)),
        epoch=count(plain.get("epoch", 0)),
        provenance=dict(plain.get("provenance") or {}),
        recogniser=None if recogniser is None else _recogniser_described(recogniser),
        digests=digests,
    )


def recogniser_as_plain(recogniser: Recogniser) -> dict[str, Any]:
    """What the description says of a recogniser."""
    return {
        "class_names": recogniser.class_names,
        "gallery": len(recogniser.names),
        "sequences": recogniser.sequences,
        "number": NUMBER_TYPES[recogniser.gallery.dtype],
        "probe": recogniser.probe,
    }


def _recogniser_described(plain: Mapping[str, Any]) -> RecogniserDescription:
    if plain["number"] not in NUMBER_TYPES.values():
        raise ValueError(f"a gallery of {plain['number']!r:.80}, which is {' or '.join(NUMBER_TYPES.values())}")
    return RecogniserDescription(
        class_names=texts(plain["class_names"]),
        gallery=count(plain["gallery"]),
        sequences=count(plain["sequences"]),
        number=plain["number"],
        probe=str(plain["probe"]),
    )


def read_json(file: Path) -> dict[str, Any]:
    """A JSON file of the folder. Raises ValueError if it is larger than such files are, or no object."""
    most = _MOST_BYTES[file.name]
    with file.open("rb") as stream:
        text = stream.read(most + 1)
    if len(text) > most:
        raise ValueError(f"{file.name} has more than {most:,} bytes")
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"{file.name} holds no object")
    return content


def texts(found: object) -> tuple[str, ...]:
    """A list of names. Raises ValueError if it is another thing."""
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError("a list of names, which is of something else")
    return tuple(found)


def count(found: object) -> int:
    """A whole number from 0. Raises ValueError if it is another thing."""
    if type(found) is not int or found < 0:
        raise ValueError(f"a count, which is {found!r:.80}")
    return found


def not_whole(directory: Path, error: Exception) -> CheckpointError:
    """The error of a folder that could not be read."""
    value = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
    return CheckpointError(
        Problem(file=directory, rule="a whole exported encoder", value=value, remedy="export it again")
    )
