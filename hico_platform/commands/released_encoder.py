"""Reads a released checkpoint of HiCo (``.pth.tar``) as an encoder of this project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hico_platform.build import BODIES, build_encoder
from hico_platform.checkpoint import Checkpoint
from hico_platform.config.layout_file import find_layout
from hico_platform.config.schema import replace, to_mapping
from hico_platform.config.trial import TrialConfig
from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import MissingJoint
from hico_platform.data.skeleton_file import BodyOrder
from hico_platform.data.store import COORDINATES
from hico_platform.data.torch_file import StoredTensor, load_tensors, read_torch_file, texts_of
from hico_platform.enums import EncoderType, QueueWrap, Stream
from hico_platform.errors import DataError, Problem, UsageError
from hico_platform.model.foreign_checkpoint import foreign, looks_like
from hico_platform.model.released_architecture import (
    ReleasedArchitecture,
    ReleasedKind,
    architecture_of,
    check_entries,
)
from hico_platform.model.released_checkpoint import QUERY, encoder_entry, without_wrapper
from hico_platform.worker.datasets import code_version

_STATE = "state_dict"
_CHUNK_BYTES = 1 << 20
_MOST_DEPTH = 3


@dataclass(frozen=True, kw_only=True)
class NotInTheFile:
    """What a released checkpoint does not say of its model; None takes the released setting, which is then named.

    ``layout`` is a name or a YAML file.
    """

    stream: Stream | None = None
    heads: int | None = None
    layout: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReleasedEncoder:
    """The query encoder of a released checkpoint.

    Args:
        file: where it was read.
        sha256: of the file.
        epoch: that the file names: of the pretraining, or of the linear probe.
        architecture: what the shapes say.
        config: the configuration that follows, with the released settings for what does not show in the weights.
        layout: of the skeletons it was trained on.
        weights: by their names in this project.
        assumed: what the file does not say and no option said, with the released setting that was taken.
    """

    file: Path
    sha256: str
    epoch: int | None
    architecture: ReleasedArchitecture
    config: TrialConfig
    layout: Layout
    weights: Mapping[str, Tensor]
    assumed: Mapping[str, str]

    @property
    def pretrained_epochs(self) -> int | None:
        """How many epochs it was pretrained; the file of a linear probe does not say."""
        return self.epoch if self.architecture.kind is ReleasedKind.PRETRAINING else None

    def as_checkpoint(self) -> Checkpoint:
        """The same as a checkpoint whose encoder can be exported.

        There is no optimiser in it and no state of random numbers: a training cannot go on from it.
        """
        return Checkpoint(
            path=self.file,
            epoch=self.pretrained_epochs or 0,
            tensors={f"model/query.encoder.{name}": value for name, value in self.weights.items()},
            facts={
                "config": to_mapping(self.config),
                "layout": self.layout.as_plain(),
                "coordinates": COORDINATES,
                "normalisation": Normalisation.RELEASED.value,
                "missing_joint": MissingJoint.ZERO.value,
                "bodies": BodyOrder.RELEASED.value,
                "provenance": {
                    "released_file": self.file.name,
                    "released_sha256": self.sha256,
                    "released_kind": self.architecture.kind.value,
                    "released_epoch": self.epoch,
                    "epochs": self.pretrained_epochs,
                    "assumed": dict(self.assumed),
                    "code_version": code_version(),
                },
            },
        )


def read_released(file: Path, *, given: NotInTheFile) -> ReleasedEncoder:
    """The encoder of a released checkpoint, of the pretraining or of the linear probe.

    Nothing of the file is unpickled. Every entry of the state is accounted for: one that is missing, left over or of
    another shape is an error.

    Raises:
        DataError: it is no such file, is not whole, or is the checkpoint of another model, which is named.
        UsageError: an option contradicts the file, or is needed.
        ConfigError: there is no such layout.
    """
    content = _content(file)
    state = content.get(_STATE)
    if not isinstance(state, dict) or not _tensors(state):
        raise DataError(_no_state(file, content))
    found = _tensors(state)
    names = without_wrapper(found)
    shapes = {name: found[stored].shape for name, stored in names.items()}
    try:
        architecture = architecture_of(shapes)
        check_entries(shapes, architecture)
    except DataError as error:
        raise DataError([_in_file(problem, file) for problem in error.problems]) from None
    config, layout, assumed = _configured(file, architecture, given)
    prefix = QUERY if architecture.kind is ReleasedKind.PRETRAINING else ""
    with torch.device("meta"):
        ours = list(build_encoder(config, layout=layout).state_dict())
    wanted = {name: found[names[prefix + encoder_entry(name)]] for name in ours}
    epoch = content.get("epoch")
    return ReleasedEncoder(
        file=file,
        sha256=_sha256(file),
        epoch=epoch if type(epoch) is int else None,
        architecture=architecture,
        config=config,
        layout=layout,
        weights=_weights(file, wanted),
        assumed=assumed,
    )


def _content(file: Path) -> dict[Any, Any]:
    try:
        content = read_torch_file(file)
    except DataError:
        texts = texts_of(file)
        if looks_like(texts) is not None:
            raise DataError(_in_file(foreign(texts), file)) from None
        raise
    return content if isinstance(content, dict) else {}


def _tensors(state: Mapping[Any, Any]) -> dict[str, StoredTensor]:
    return {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, StoredTensor)}


def _no_state(file: Path, content: Mapping[Any, Any]) -> Problem:
    """A file without a state_dict: perhaps another model's, whose tensors lie elsewhere in it."""
    names = [*_names(content, depth=0)]
    if looks_like(names) is not None:
        return _in_file(foreign(names), file)
    keys = ", ".join(str(key)[:40] for key in list(content)[:5])
    return Problem(file=file, rule="a checkpoint with a state_dict, as the release writes it",
                   value=keys or "no such entry", remedy="give the file as its training script saved it")  # fmt: skip


def _names(content: Mapping[Any, Any], *, depth: int) -> Iterator[str]:
    for name, value in content.items():
        if isinstance(value, StoredTensor) and isinstance(name, str):
            yield name
        elif isinstance(value, dict) and depth < _MOST_DEPTH:
            yield from _names(value, depth=depth + 1)


def _in_file(problem: Problem, file: Path) -> Problem:
    return Problem(file=file, field=problem.field, rule=problem.rule, value=problem.value, remedy=problem.remedy)


def _configured(
    file: Path, architecture: ReleasedArchitecture, given: NotInTheFile
) -> tuple[TrialConfig, Layout, dict[str, str]]:
    """Configuration and layout of a model, and what of them was assumed."""
    default, assumed = TrialConfig(), {}
    stream = given.stream
    if stream is None:
        stream = default.views.stream
        named = next((each for each in Stream if each is not stream and each.value in file.name.lower()), None)
        if named is not None:
            raise UsageError(
                Problem(file=file, field="stream", rule=f"a stream, since the file's name says {named.value}",
                        remedy=f"give --stream {named.value}, or --stream {stream.value} if it is one of joints")
            )  # fmt: skip
        assumed["stream"] = stream.value
    heads = given.heads
    if heads is None:
        heads = default.model.heads
        if architecture.encoder is EncoderType.TRANSFORMER:
            assumed["heads"] = str(heads)
    values: dict[str, Any] = {
        "model.encoder": architecture.encoder.value,
        "model.hidden_width": architecture.width,
        "model.layers": architecture.layers,
        "model.heads": heads,
        "model.granularities": architecture.granularities,
        "views.frames": _frames(file, architecture),
        "views.stream": stream.value,
        "contrast.queue_wrap": QueueWrap.RELEASED.value,
    }
    if architecture.projection_width is not None:
        values |= {
            "model.projection_width": architecture.projection_width,
            "contrast.queue_size": architecture.queue_size,
        }
    layout = _layout(file, architecture, given.layout)
    if given.layout is None:
        assumed["layout"] = layout.name
    return replace(default, values), layout, assumed


def _frames(file: Path, architecture: ReleasedArchitecture) -> int:
    if architecture.spatial_width % COORDINATES:
        raise DataError(
            Problem(file=file, rule=f"a whole number of frames in a spatial token, with {COORDINATES} coordinates each",
                    value=f"{architecture.spatial_width} numbers", remedy="give a checkpoint of the release")
        )  # fmt: skip
    return architecture.spatial_width // COORDINATES


def _layout(file: Path, architecture: ReleasedArchitecture, named: str | None) -> Layout:
    """The layout of the skeletons: as many joints as the temporal tokens have, for two bodies."""
    joints, rest = divmod(architecture.temporal_width, BODIES * COORDINATES)
    layout = KINECT_V2 if named is None else find_layout(named)
    if rest or len(layout.joints) != joints:
        rule = f"a layout of {architecture.temporal_width / (BODIES * COORDINATES):g} joints, as its tokens have"
        raise UsageError(
            Problem(file=file, field="layout", rule=rule, value=f"{layout.name}, of {len(layout.joints)} joints",
                    remedy="give --layout with the name or the YAML file of the one it was trained on")
        )  # fmt: skip
    return layout


def _weights(file: Path, wanted: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
    for name, tensor in wanted.items():
        if tensor.dtype != "float32":
            raise DataError(
                Problem(file=file, field=encoder_entry(name), rule="float32 numbers, as the release saves them",
                        value=tensor.dtype, remedy="give the file as its training script saved it")
            )  # fmt: skip
    weights = load_tensors(file, wanted)
    for name, value in weights.items():
        if not value.isfinite().all():
            raise DataError(
                Problem(file=file, field=encoder_entry(name), rule="no infinity or NaN among the weights",
                        remedy="give the checkpoint of an earlier epoch: its training diverged")
            )  # fmt: skip
    return weights


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
