"""A trained encoder as a folder to distribute: weights and configuration, without the training state."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hico_platform.atomic_io import make_unique_folder, sync, write_synced
from hico_platform.augment.frames import StoredPoses, centre_crop, crop_and_resize
from hico_platform.augment.streams import spatial_tokens, temporal_tokens, to_stream
from hico_platform.build import BODIES, build_encoder
from hico_platform.checkpoint import Checkpoint
from hico_platform.config.schema import parse
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import Document
from hico_platform.data.axes import MOST_BODIES_RECORDED, axes_remedy, ordered
from hico_platform.data.layout import Layout
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.sequence import MissingJoint, nan_where_zero
from hico_platform.data.store import COORDINATES
from hico_platform.errors import CheckpointError, ConfigError, DataError, Problem
from hico_platform.model.encoder import Tokens

WEIGHTS, DESCRIPTION = "encoder.safetensors", "encoder.json"
SCHEMA_VERSION = 2
_READABLE = (1, 2)
"""Version 1 says neither coordinates nor normalisation: all of its encoders had the released one of 3D poses."""
_PREFIX = "model/query.encoder."
_MOST_BYTES = 1 << 20
"""Largest accepted description file; one is a few kilobytes."""
_NOT_WHOLE = (OSError, KeyError, TypeError, ValueError, OverflowError, RuntimeError, ConfigError)
"""What reading a damaged export raises: PyTorch on sizes that overflow, JSON on too deep nesting, and others."""
_NAME_OF_TYPE = {torch.float32: "F32"}  # as safetensors writes them


class Encoder:
    """A frozen encoder that turns recorded poses into features."""

    def __init__(
        self,
        *,
        config: TrialConfig,
        layout: Layout,
        weights: dict[str, torch.Tensor],
        coordinates: int = COORDINATES,
        normalisation: Normalisation | None = Normalisation.RELEASED,
        missing_joint: MissingJoint = MissingJoint.ZERO,
    ) -> None:
        self.config = config
        self.layout = layout
        self.coordinates = coordinates
        self.normalisation = normalisation
        """How its training data were normalised; None if they were as recorded."""
        self.missing_joint = missing_joint
        """How its training data marked a missing joint."""
        self._encoder = build_encoder(config, layout=layout, coordinates=coordinates)
        self._encoder.load_state_dict(weights)
        self._encoder.eval()
        self.feature_width = self._encoder.feature_width

    @torch.no_grad()
    def features(self, poses: Sequence[npt.ArrayLike]) -> npt.NDArray[np.float32]:
        """Features (n, 2*G*D) of recorded poses, before any normalisation of the features.

        Each pose is (T, J, C) or (T, M, J, C), in metres, or of two coordinates in pixels of an image with y pointing
        down. It has the layout and the coordinates of the data the encoder was trained on, and is normalised and
        cropped as they were. NaN marks a missing joint; zeros do too where they did in those data (``missing_joint``),
        and else are a joint at the origin.

        Raises:
            DataError: a pose has another shape, or shows nobody.
        """
        prepared = [self._prepared(np.asarray(pose, dtype=np.float32), i) for i, pose in enumerate(poses)]
        sizes = [pose.size for pose in prepared]
        stored = StoredPoses(
            values=torch.from_numpy(np.concatenate([pose.reshape(-1) for pose in prepared])),
            offsets=torch.tensor([0, *np.cumsum(sizes)[:-1]]),
            num_frames=torch.tensor([len(pose) for pose in prepared]),
            num_bodies=torch.tensor([pose.shape[1] for pose in prepared]),
            joints=len(self.layout.joints),
            bodies=BODIES,
            coordinates=self.coordinates,
        )
        start, length = centre_crop(stored.num_frames, share=self.config.evaluation.centre_crop)
        cropped = crop_and_resize(stored, start, length, frames=self.config.views.frames)
        view = to_stream(cropped, self.config.views.stream, parents=torch.tensor(self.layout.parents))
        found = self._encoder(Tokens(temporal=temporal_tokens(view), spatial=spatial_tokens(view)))
        features: npt.NDArray[np.float32] = found.instance().numpy()
        return features

    def _prepared(self, pose: npt.NDArray[np.float32], index: int) -> npt.NDArray[np.float32]:
        sizes = {"joints": len(self.layout.joints), "coordinates": self.coordinates}
        order = "TJC" if pose.ndim == 3 else "TMJC"
        if not ordered(pose.shape, order=order, **sizes) or 0 in pose.shape:
            remedy = axes_remedy(pose.shape, order=order, **sizes)
            of_frame = f"{sizes['joints']} joints x {sizes['coordinates']}"
            raise DataError(
                Problem(
                    field=f"poses[{index}]",
                    rule=f"frames x {of_frame}, or frames x bodies x {of_frame}, "
                    f"with at most {MOST_BODIES_RECORDED} bodies, and not more bodies than frames",
                    value=pose.shape,
                    remedy=remedy or f"bring {self.coordinates}D poses in the layout {self.layout.name}",
                )
            )
        if pose.ndim == 3:
            pose = pose[:, None]
        pose = np.where(np.isnan(pose).any(axis=-1, keepdims=True), np.float32(np.nan), pose)
        if self.missing_joint is MissingJoint.ZERO:
            pose = nan_where_zero(pose)
        if np.isnan(pose).all():
            raise DataError(
                Problem(
                    field=f"poses[{index}]",
                    rule="a recording that shows at least one joint",
                    remedy="leave it out: every joint is missing",
                )
            )
        if self.normalisation is None:
            return np.nan_to_num(pose[:, :BODIES])
        return normalise(pose, self.layout, method=self.normalisation).pose


def export_encoder(checkpoint: Checkpoint, directory: Path) -> None:
    """Writes the query encoder of a checkpoint into the new folder ``directory``, atomically."""
    from safetensors.torch import save

    directory.parent.mkdir(parents=True, exist_ok=True)
    weights = {
        name.removeprefix(_PREFIX): value for name, value in checkpoint.tensors.items() if name.startswith(_PREFIX)
    }
    description = {
        "schema_version": SCHEMA_VERSION,
        "epoch": checkpoint.epoch,
        "config": checkpoint.facts["config"],
        "layout": checkpoint.facts["layout"],
        # The first versions named none of these.
        "coordinates": checkpoint.facts.get("coordinates", COORDINATES),
        "normalisation": checkpoint.facts.get("normalisation", Normalisation.RELEASED),
        "missing_joint": checkpoint.facts.get("missing_joint", MissingJoint.ZERO),
        "provenance": checkpoint.facts["provenance"],
    }
    temporary = make_unique_folder(directory.parent, prefix=".writing-")
    try:
        write_synced(temporary / WEIGHTS, save({name: value.contiguous() for name, value in weights.items()}))
        write_synced(temporary / DESCRIPTION, json.dumps(description, indent=1).encode())
        sync(temporary)
        temporary.rename(directory)
        sync(directory.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def load_encoder(directory: Path) -> Encoder:
    """Reads an exported encoder.

    Raises:
        CheckpointError: the folder has no complete encoder, or one of another schema version.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        description = _description(directory / DESCRIPTION)
        if description.get("schema_version") in _READABLE:
            config = parse(TrialConfig, Document(data=description["config"]))
            layout = Layout.from_plain(description["layout"])
            coordinates = description.get("coordinates", COORDINATES)
            if coordinates not in (2, 3):
                raise ValueError(f"{coordinates!r:.80} coordinates a joint, which are 2 or 3")
            _check_sizes(directory / WEIGHTS, config=config, layout=layout, coordinates=coordinates)
            weights = load_file(directory / WEIGHTS)
            normalisation = description.get("normalisation", Normalisation.RELEASED)
            if normalisation is not None and Normalisation(normalisation).coordinates != coordinates:
                raise ValueError(f"the normalisation {normalisation} of {coordinates}D poses")
            return Encoder(
                config=config,
                layout=layout,
                weights=weights,
                coordinates=coordinates,
                normalisation=None if normalisation is None else Normalisation(normalisation),
                missing_joint=MissingJoint(description.get("missing_joint", MissingJoint.ZERO)),
            )
    except (*_NOT_WHOLE, SafetensorError) as error:
        raise _not_whole(directory, error) from error
    raise CheckpointError(
        Problem(
            file=directory,
            rule=f"an encoder schema version from {_READABLE[0]} to {_READABLE[-1]}",
            value=description.get("schema_version"),
            remedy="use the version that wrote it",
        )
    )


def _description(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        text = stream.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(f"{DESCRIPTION} has more than {_MOST_BYTES:,} bytes")
    description = json.loads(text)
    if not isinstance(description, dict):
        raise ValueError(f"{DESCRIPTION} holds no object")
    return description


def _check_sizes(file: Path, *, config: TrialConfig, layout: Layout, coordinates: int) -> None:
    """Compares the tensors in a file's header with those of the configuration, without allocating memory for them.

    So a damaged description cannot ask for a larger model than the file has weights for.

    Raises:
        ValueError: a name, a shape or a type differs.
    """
    from safetensors import safe_open

    with safe_open(file, framework="pt") as stored:
        names = list(stored.keys())
        slices = {name: stored.get_slice(name) for name in names}
        found = {name: (tuple(one.get_shape()), one.get_dtype()) for name, one in slices.items()}
    if config.model.layers > len(found):  # their modules would take memory even without weights
        raise ValueError(f"{config.model.layers:,} layers, and weights of {len(found)} tensors")
    with torch.device("meta"):
        tensors = build_encoder(config, layout=layout, coordinates=coordinates).state_dict()
    expected = {name: (tuple(tensor.shape), _NAME_OF_TYPE.get(tensor.dtype)) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        actual, wanted = found.get(name), expected.get(name)
        if actual != wanted:
            raise ValueError(f"{name:.80}: {_in_words(actual)}, and the configuration has {_in_words(wanted)}")


def _in_words(tensor: tuple[tuple[int, ...], str | None] | None) -> str:
    return "no such tensor" if tensor is None else f"{tensor[1]} of shape {tensor[0]}"


def _not_whole(directory: Path, error: Exception) -> CheckpointError:
    value = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
    return CheckpointError(
        Problem(file=directory, rule="a whole exported encoder", value=value, remedy="export it again")
    )


class _Served:
    """What MLflow calls: ``predict`` on a list of poses."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def predict(self, model_input: Sequence[npt.ArrayLike], params: object = None) -> npt.NDArray[np.float32]:
        """Features (n, 2*G*D) of recorded poses."""
        return self._encoder.features(model_input)


def _load_pyfunc(path: str) -> _Served:
    """Called by MLflow to load a model folder whose ``loader_module`` is this one."""
    return _Served(load_encoder(Path(path)))
