"""A dataset as an encoder of another one takes it: in its layout and coordinates, normalised in its way."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from hico_platform.data.anatomy import joint_key
from hico_platform.data.layout import Layout
from hico_platform.data.map_layout import Progress, joint_sources, map_store
from hico_platform.data.normalise import Normalisation
from hico_platform.data.store import Store
from hico_platform.errors import DataError, Problem


@dataclass(frozen=True, kw_only=True)
class PoseFormat:
    """The poses that an encoder was trained on.

    ``coordinates`` is C; ``normalisation`` is None where they were as recorded.
    """

    layout: Layout
    coordinates: int
    normalisation: Normalisation | None

    @classmethod
    def of_store(cls, store: Store) -> PoseFormat:
        """That of a store."""
        return cls(layout=store.layout, coordinates=store.coordinates, normalisation=store.normalisation)


def store_for_encoder(store: Store, *, poses: PoseFormat, folder: Path, progress: Progress | None = None) -> Store:
    """``store`` itself where its poses are as the encoder's were, else a copy of it in the encoder's layout.

    A copy lies in ``folder`` under a name of its content, and is made once. It keeps names, labels, metadata and
    protocols; recordings without any joint of the layout are left out. A test split is closed afterwards.

    Raises:
        DataError: the poses have other coordinates or another normalisation, or joints cannot be given; the message
            names them.
    """
    _refuse(store, poses)
    if equal_but_for_names(store.layout, poses.layout):
        return store
    if store.closed is not None:
        raise ValueError("a copy would be open: close its test split after it was made")
    try:
        joint_sources(store.layout, poses.layout)
    except DataError as error:
        remedy = f"take a dataset with these joints, or an encoder of a layout that {store.layout.name} can give"
        raise DataError(
            [dataclasses.replace(one, file=store.directory, remedy=remedy) for one in error.problems]
        ) from error
    wanted = json.dumps(poses.layout.as_plain(), sort_keys=True)
    name = hashlib.sha256(f"{store.digest} {wanted}".encode()).hexdigest()[:16]
    copy = folder / f"mapped-{name}"
    if not copy.exists():
        map_store(store, poses.layout, copy, progress=progress)
    return Store.open(copy)


def _refuse(store: Store, poses: PoseFormat) -> None:
    if store.coordinates != poses.coordinates:
        raise DataError(
            Problem(
                file=store.directory,
                field="coordinates",
                rule=f"poses of {poses.coordinates} coordinates, as the encoder was trained on",
                value=store.coordinates,
                remedy="take another dataset, or an encoder of such poses",
            )
        )
    if store.normalisation is not poses.normalisation:
        raise DataError(
            Problem(
                file=store.directory,
                field="normalisation",
                rule=f"poses normalised as the encoder's, {_said(poses.normalisation)}",
                value=_said(store.normalisation),
                remedy="prepare the raw files again in this way"
                + ("" if poses.normalisation is None else f" (--normalisation {poses.normalisation.value})"),
            )
        )


def _said(normalisation: Normalisation | None) -> str:
    return "none" if normalisation is None else normalisation.value


def equal_but_for_names(one: Layout, other: Layout) -> bool:
    """Whether two layouts differ in nothing but how their joints are spelled."""
    apart = ("name", "joints")
    first, second = (
        {key: value for key, value in each.as_plain().items() if key not in apart} for each in (one, other)
    )
    return first == second and [*map(joint_key, one.joints)] == [*map(joint_key, other.joints)]
