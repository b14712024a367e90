"""A trained encoder with where it comes from, whatever holds it: what is evaluated and what makes features."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hico_platform.build import build_encoder, build_model
from hico_platform.checkpoint import Checkpoint, is_checkpoint, load_checkpoint, newest_folder
from hico_platform.checkpoint_store import is_in_a_store
from hico_platform.commands.encoder import exported_folder, fetched_checkpoint, is_registered
from hico_platform.commands.released_encoder import NotInTheFile, read_released
from hico_platform.config.schema import parse
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import Document
from hico_platform.data.layout import Layout
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.normalise import Normalisation
from hico_platform.data.store import COORDINATES, Store
from hico_platform.data.store_for_encoder import PoseFormat, equal_but_for_names
from hico_platform.enums import Stream
from hico_platform.errors import CheckpointError, DataError, Problem, UsageError, command
from hico_platform.export import DESCRIPTION, WEIGHTS, describe, load_encoder
from hico_platform.model.encoder import HierarchicalEncoder

_PREFIX = "model/query.encoder."
_MODEL_FILE = "MLmodel"


class SourceKind(StrEnum):
    """What holds an encoder."""

    CHECKPOINT = "checkpoint"
    EXPORTED = "exported encoder"
    REGISTERED = "registered model"
    RELEASED = "released checkpoint"


@dataclass(frozen=True, kw_only=True)
class TrainedEncoder:
    """A frozen encoder that has not been built yet.

    Args:
        source: as the user names it.
        kind: what it is.
        config: its configuration; the view's stream is part of it.
        layout: of the skeletons that it was trained on.
        coordinates: of a joint.
        normalisation: of those skeletons; None if they were as recorded.
        weights: by the names of :class:`HierarchicalEncoder`'s state.
        epochs: how many it was trained; None where nothing says so.
        provenance: what it says of its training, such as ``data_digest``, ``protocol`` and ``scored_on``.
    """

    source: str
    kind: SourceKind
    config: TrialConfig
    layout: Layout
    coordinates: int
    normalisation: Normalisation | None
    weights: Mapping[str, Tensor]
    epochs: int | None
    provenance: Mapping[str, Any]

    @property
    def poses(self) -> PoseFormat:
        """The poses that it was trained on."""
        return PoseFormat(layout=self.layout, coordinates=self.coordinates, normalisation=self.normalisation)

    @property
    def stream(self) -> Stream:
        """What of a skeleton it sees."""
        return self.config.views.stream

    @property
    def digest(self) -> str:
        """A SHA-256 of the weights, the same whatever holds them."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            value = self.weights[name].contiguous()
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.numpy().tobytes())
        return digest.hexdigest()

    def build(self, *, device: torch.device) -> HierarchicalEncoder:
        """The encoder with its weights, dropout off."""
        encoder = build_encoder(self.config, layout=self.layout, coordinates=self.coordinates)
        encoder.load_state_dict(dict(self.weights))
        return encoder.to(device).eval()

    def untrained(self, *, device: torch.device) -> HierarchicalEncoder:
        """The encoder of the same configuration before any training, from its seed."""
        model = build_model(self.config, layout=self.layout, device=device, coordinates=self.coordinates)
        return model.query.encoder.eval()

    def check_fits(self, store: Store, *, field: str) -> None:
        """Checks that a dataset's poses are such as it was trained on.

        Raises:
            DataError: the layout, the coordinates or the normalisation are others.
        """
        problems = []
        if store.coordinates != self.coordinates:
            problems.append(
                Problem(file=store.directory, field=field, rule=f"poses of {self.coordinates} coordinates a joint",
                        value=f"{store.coordinates}",
                        remedy=f"prepare {self.coordinates}D poses: {self.source} was trained on these")
            )  # fmt: skip
        elif not equal_but_for_names(store.layout, self.layout):
            problems.append(
                Problem(file=store.directory, field=field, rule=f"the layout {_named(self.layout)}",
                        value=_named(store.layout), remedy=_map_remedy(store, self.layout))
            )  # fmt: skip
        if store.coordinates == self.coordinates and store.normalisation != self.normalisation:
            problems.append(
                Problem(file=store.directory, field=field, rule=f"poses {_normalised(self.normalisation)}, as "
                        f"{self.source} was trained on", value=f"poses {_normalised(store.normalisation)}",
                        remedy=_normalise_remedy(self.normalisation))
            )  # fmt: skip
        if problems:
            raise DataError(problems)


def trained_encoder(source: str, *, tracking: str | None = None, given: NotInTheFile | None = None) -> TrainedEncoder:
    """The encoder that a source holds.

    Args:
        source: a checkpoint's folder, or that of a run with checkpoints (the newest counts), an address of either in a
            store (``s3://``, ``gs://``, ``file://``), an exported encoder's, a model's of MLflow,
            ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``, or a released ``.pth.tar``.
        tracking: the tracking store with the registry, as in :func:`hico_platform.load_encoder`.
        given: what a released checkpoint does not say; None takes the released settings.

    Raises:
        UsageError: there is no such source.
        CheckpointError: it is damaged or of another version.
        DataError: it is another project's.
    """
    if is_in_a_store(source):
        with fetched_checkpoint(source) as folder:
            return _of_checkpoint(load_checkpoint(folder), source, kind=SourceKind.CHECKPOINT)
    path = Path(source)
    if is_registered(source) or (path / _MODEL_FILE).is_file() or (path / DESCRIPTION).is_file():
        registered = is_registered(source) or not (path / DESCRIPTION).is_file()
        with exported_folder(source, tracking=tracking) as folder:
            return _exported(folder, source, kind=SourceKind.REGISTERED if registered else SourceKind.EXPORTED)
    if path.is_file():
        released = read_released(path, given=given or NotInTheFile()).as_checkpoint()
        return _of_checkpoint(released, source, kind=SourceKind.RELEASED)
    if path.is_dir():
        newest = path if is_checkpoint(path) else newest_folder(path)
        if newest is not None:
            return _of_checkpoint(load_checkpoint(newest), source, kind=SourceKind.CHECKPOINT)
    raise UsageError(
        Problem(field="checkpoint", rule="a checkpoint, a run's folder with checkpoints, an exported encoder, a "
                "released .pth.tar or models:/NAME@ALIAS", value=source,
                remedy="check the path" if not path.exists() else "name the folder epoch-... or encoder in it")
    )  # fmt: skip


def _exported(folder: Path, source: str, *, kind: SourceKind) -> TrainedEncoder:
    from safetensors.torch import load_file

    encoder = load_encoder(folder)  # which checks the whole folder
    description = describe(folder)
    provenance = dict(description.provenance)
    epochs = provenance.get("epochs") if "released_kind" in provenance else description.epoch
    return TrainedEncoder(
        source=source,
        kind=kind,
        config=encoder.config,
        layout=encoder.layout,
        coordinates=encoder.coordinates,
        normalisation=encoder.normalisation,
        weights=load_file(folder / WEIGHTS),
        epochs=epochs,
        provenance=provenance,
    )


def _of_checkpoint(checkpoint: Checkpoint, source: str, *, kind: SourceKind) -> TrainedEncoder:
    facts = checkpoint.facts
    try:
        config = parse(TrialConfig, Document(data=facts["config"]))
        layout, provenance = Layout.from_plain(facts["layout"]), dict(facts.get("provenance") or {})
        # The first versions named neither.
        normalisation = facts.get("normalisation", Normalisation.RELEASED)
        weights = {
            name.removeprefix(_PREFIX): value for name, value in checkpoint.tensors.items() if name.startswith(_PREFIX)
        }
        with torch.device("meta"):
            expected = build_encoder(config, layout=layout, coordinates=facts.get("coordinates", COORDINATES))
        if weights.keys() != expected.state_dict().keys():
            raise ValueError(f"weights of {len(weights)} tensors, and its configuration has others")
        return TrainedEncoder(
            source=source,
            kind=kind,
            config=config,
            layout=layout,
            coordinates=facts.get("coordinates", COORDINATES),
            normalisation=None if normalisation is None else Normalisation(normalisation),
            weights=weights,
            epochs=provenance["epochs"] if kind is SourceKind.RELEASED else checkpoint.epoch,
            provenance=provenance,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            Problem(file=checkpoint.path, rule="a checkpoint of a pretraining", value=str(error),
                    remedy="use the version that wrote it")
        ) from error  # fmt: skip


def _named(layout: Layout) -> str:
    return f"{layout.name}, of {len(layout.joints)} joints"


def _normalised(normalisation: Normalisation | None) -> str:
    return "as recorded" if normalisation is None else f"normalised as {normalisation}"


def _map_remedy(store: Store, layout: Layout) -> str:
    if store.coordinates != COORDINATES:
        return f"prepare one in the layout {layout.name}"
    named = layout.name if LAYOUTS.get(layout.name) == layout else "FILE"
    mapped = command("data", "map", store.directory, "--layout", named, "--out", "DIR")
    return f"use `{mapped}`, and name the mapped folder"


def _normalise_remedy(normalisation: Normalisation | None) -> str:
    if normalisation is None:
        return "give a store of poses as recorded"
    return f"prepare it again with --normalisation {normalisation}"
