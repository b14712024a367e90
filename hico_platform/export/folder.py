"""The folder of an exported model: written whole, and read as data only.

``encoder.safetensors`` and ``encoder.json`` are the encoder with its configuration, layout and provenance.
``recogniser.safetensors`` is its gallery and probe, where the training sequences have labels, and ``gallery.json`` the
names of the gallery's sequences. A model card may lie beside them. A reader compares what a file's header says with the
configuration before it takes memory for it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from hico_platform.atomic_io import write_new_folder
from hico_platform.build import build_encoder
from hico_platform.checkpoint import Checkpoint
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import MissingJoint
from hico_platform.data.skeleton_file import BodyOrder
from hico_platform.data.store import COORDINATES
from hico_platform.export.description import (
    DESCRIPTION,
    GALLERY_NAMES,
    NOT_WHOLE,
    RECOGNISER,
    SCHEMA_VERSION,
    WEIGHTS,
    ModelDescription,
    RecogniserDescription,
    not_whole,
    read_description,
    read_json,
    recogniser_as_plain,
    texts,
)
from hico_platform.export.encoder import Encoder
from hico_platform.export.recogniser import Recogniser

_PREFIX = "model/query.encoder."
_NAME_OF_TYPE = {torch.float32: "F32"}  # as safetensors writes them
_HEADER_TYPES = {"float32": "F32", "float16": "F16"}
_GALLERY, _LABELS, _WEIGHT, _BIAS = "gallery", "labels", "probe.weight", "probe.bias"

Shape = tuple[int, ...]
Header = dict[str, tuple[Shape, str]]
"""Shape and type of each tensor in a file, by name."""


def encoder_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The query encoder's weights in a checkpoint, by the names of its state."""
    return {name.removeprefix(_PREFIX): value for name, value in checkpoint.tensors.items() if name.startswith(_PREFIX)}


def export_encoder(checkpoint: Checkpoint, directory: Path, *, recogniser: Recogniser | None = None) -> None:
    """Writes the query encoder of a checkpoint into the new folder ``directory``, atomically, with its recogniser."""
    from safetensors.torch import save

    files = {WEIGHTS: save({name: value.contiguous() for name, value in encoder_weights(checkpoint).items()})}
    if recogniser is not None:
        files[RECOGNISER] = save(
            {
                _GALLERY: recogniser.gallery,
                _LABELS: recogniser.labels,
                _WEIGHT: recogniser.weight,
                _BIAS: recogniser.bias,
            }
        )
        files[GALLERY_NAMES] = json.dumps({"names": recogniser.names}, indent=1).encode()
    description = {
        "schema_version": SCHEMA_VERSION,
        "epoch": checkpoint.epoch,
        "config": checkpoint.facts["config"],
        "layout": checkpoint.facts["layout"],
        # The first versions named none of these.
        "coordinates": checkpoint.facts.get("coordinates", COORDINATES),
        "normalisation": checkpoint.facts.get("normalisation", Normalisation.RELEASED),
        "missing_joint": checkpoint.facts.get("missing_joint", MissingJoint.ZERO),
        "bodies": checkpoint.facts.get("bodies", BodyOrder.FOLLOWED),
        "provenance": checkpoint.facts["provenance"],
        "recogniser": None if recogniser is None else recogniser_as_plain(recogniser),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    write_new_folder(directory, {**files, DESCRIPTION: json.dumps(description, indent=1).encode()})


def load_encoder(directory: Path) -> Encoder:
    """Reads an exported encoder, with its recogniser if it has one.

    Raises:
        CheckpointError: the folder has no complete encoder, or one of another schema version.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = read_description(directory)
        _check_sizes(directory / WEIGHTS, found)
        recogniser = None
        if found.recogniser is not None:
            recogniser = _recogniser(directory, found.recogniser, width=found.feature_width)
        for name, digest in found.digests.items():
            if _digest(directory / name) != digest:
                raise ValueError(f"{name} has another digest than {DESCRIPTION} says")
        return Encoder(
            config=found.config,
            layout=found.layout,
            weights=load_file(directory / WEIGHTS),
            coordinates=found.coordinates,
            normalisation=found.normalisation,
            missing_joint=found.missing_joint,
            bodies=found.bodies,
            recogniser=recogniser,
        )
    except (*NOT_WHOLE, SafetensorError) as error:
        raise not_whole(directory, error) from error


def _recogniser(directory: Path, about: RecogniserDescription, *, width: int) -> Recogniser:
    """The recogniser in a folder, for features of a ``width``.

    Raises:
        ValueError: a shape, type or value is another than the description says.
    """
    from safetensors.torch import load_file

    names = texts(read_json(directory / GALLERY_NAMES)["names"])
    rows, classes = len(names), len(about.class_names)
    if rows != about.gallery or not rows or not classes:
        raise ValueError(f"{rows} names in {GALLERY_NAMES}, {about.gallery} sequences of {classes} classes")
    _compare(
        _header(directory / RECOGNISER),
        {
            _GALLERY: ((rows, width), _HEADER_TYPES[about.number]),
            _LABELS: ((rows,), "I64"),
            _WEIGHT: ((classes, width), "F32"),
            _BIAS: ((classes,), "F32"),
        },
    )
    tensors = load_file(directory / RECOGNISER)
    labels, bias = tensors[_LABELS], tensors[_BIAS]
    if not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels outside the {classes} classes")
    if not (_is_finite(tensors[_GALLERY]) and _is_finite(tensors[_WEIGHT])):
        raise ValueError(f"a number in {RECOGNISER} that is not finite")
    if not bool((bias < torch.inf).all() and bias.isfinite().any()):
        raise ValueError(f"biases in {RECOGNISER} that give no probabilities")
    return Recogniser(
        class_names=about.class_names,
        names=names,
        gallery=tensors[_GALLERY].float(),
        labels=labels,
        weight=tensors[_WEIGHT],
        bias=bias,
        sequences=about.sequences,
        probe=about.probe,
    )


def _is_finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_sizes(file: Path, model: ModelDescription) -> None:
    """Compares the tensors in a file's header with those of the configuration, without allocating memory for them.

    So a damaged description cannot ask for a larger model than the file has weights for.

    Raises:
        ValueError: a name, a shape or a type differs.
    """
    found = _header(file)
    if model.config.model.layers > len(found):  # their modules would take memory even without weights
        raise ValueError(f"{model.config.model.layers:,} layers, and weights of {len(found)} tensors")
    with torch.device("meta"):
        encoder = build_encoder(model.config, layout=model.layout, coordinates=model.coordinates)
    _compare(
        found,
        {name: (tuple(tensor.shape), _NAME_OF_TYPE[tensor.dtype]) for name, tensor in encoder.state_dict().items()},
    )


def _header(file: Path) -> Header:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as stored:
        slices = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118  (it is no mapping)
        return {name: (tuple(one.get_shape()), one.get_dtype()) for name, one in slices.items()}


def _compare(found: Header, expected: Header) -> None:
    """Raises ValueError where a name, a shape or a type differs."""
    for name in sorted(expected.keys() | found.keys()):
        actual, wanted = found.get(name), expected.get(name)
        if actual != wanted:
            raise ValueError(f"{name:.80}: {_in_words(actual)}, and the configuration has {_in_words(wanted)}")


def _in_words(tensor: tuple[Shape, str] | None) -> str:
    return "no such tensor" if tensor is None else f"{tensor[1]} of shape {tensor[0]}"
