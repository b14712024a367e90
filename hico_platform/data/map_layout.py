"""Maps a store from one layout to another, so that datasets of different sensors can be compared or merged.

A joint is taken by its name. Where a layout lacks it, the midpoint of its neighbours or the nearest joint stands for
it, if there is one; the joints that cannot be given are named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hico_platform.data.anatomy import joint_key
from hico_platform.data.layout import Layout
from hico_platform.data.normalise import Normalisation, Pose
from hico_platform.data.normalise.bodies import Floats
from hico_platform.data.normalise.centred import filled
from hico_platform.data.normalise.released import rotation_onto
from hico_platform.data.normalise.turn import Y_UP_TO_Z_UP, upright_turn, yaw_turn
from hico_platform.data.phases import DataPhase, OnPhase, nobody_waits
from hico_platform.data.sequence import UNLABELLED, Sequence
from hico_platform.data.store import COORDINATES, Store
from hico_platform.data.store_writer import StoreWriter, refuse_existing
from hico_platform.errors import DataError, Problem

Progress = Callable[[int, int], None]
Joints = tuple[int, ...]

_HIPS, _SHOULDERS = ("hip_left", "hip_right"), ("shoulder_left", "shoulder_right")
_STAND_INS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "pelvis": (_HIPS,),
    "shoulder_centre": (_SHOULDERS,),
    "neck": (("shoulder_centre",), _SHOULDERS),
    "spine": (("spine_navel",), ("spine2",), ("pelvis", "shoulder_centre"), (*_HIPS, *_SHOULDERS)),
    "head": (("ear_left", "ear_right"), ("nose",)),
    **{f"wrist_{side}": ((f"hand_{side}",),) for side in ("left", "right")},
    **{f"ankle_{side}": ((f"foot_{side}",),) for side in ("left", "right")},
    **{f"foot_{side}": ((f"foot_index_{side}",), (f"big_toe_{side}",)) for side in ("left", "right")},
}


def joint_sources(source: Layout, target: Layout) -> tuple[Joints, ...]:
    """For each joint of ``target`` the joints of ``source`` whose midpoint it is.

    A single joint stands for another only if ``target`` does not have both, since they would coincide. Raises DataError
    that names the joints of ``target`` that ``source`` cannot give.
    """
    at = {joint_key(name): joint for joint, name in enumerate(source.joints)}
    wanted = [joint_key(name) for name in target.joints]
    found: list[Joints] = []
    lacking = []
    for key, name in zip(wanted, target.joints, strict=True):
        choices = [(key,), *(c for c in _STAND_INS.get(key, ()) if len(c) > 1 or c[0] not in wanted)]
        fitting = next((choice for choice in choices if all(joint in at for joint in choice)), None)
        if fitting is None:
            lacking.append(name)
        else:
            found.append(tuple(at[joint] for joint in fitting))
    if lacking:
        raise DataError(
            Problem(field="layout", rule=f"a layout of joints that {source.name} has",
                    value=lacking, remedy="choose a layout without them, such as common-15")
        )  # fmt: skip
    return tuple(found)


def map_store(
    store: Store,
    layout: Layout,
    directory: Path,
    *,
    progress: Progress | None = None,
    on_phase: OnPhase = nobody_waits,
) -> dict[str, Joints]:
    """Writes ``store`` in another layout to ``directory``, and returns the joints that each joint is made of.

    ``progress(done, total)`` counts sequences; ``on_phase`` is told what goes on after the last.

    Poses are normalised again in the way of the store, with the centre and the axes of the new layout. (``released``
    turns a person by the camera's frame, which a store no longer knows, so its second turn is not that of raw files in
    the new layout; the others are.) Names, labels,
    metadata, protocols and the name of the dataset stay; the provenance holds the digest and the provenance of the
    source. A recording that shows no joint of the new layout is left out and counted there.

    Raises DataError if joints cannot be given, a normalised store is not of three dimensions, or ``directory`` exists.
    """
    sources = joint_sources(store.layout, layout)
    if store.normalisation is not None and store.coordinates != COORDINATES:
        raise DataError(
            Problem(field="coordinates", rule="a normalised store in three dimensions", value=store.coordinates,
                    remedy="prepare the raw files in the other layout")
        )  # fmt: skip
    refuse_existing(directory)
    left_out = 0
    with StoreWriter(
        directory,
        dataset=store.dataset,
        layout=layout,
        class_names=store.class_names,
        provenance={
            "mapped": {"digest": store.digest, "layout": store.layout.name, "provenance": store.provenance},
        },
        normalisation=store.normalisation,
        missing_joint=store.missing_joint,
        coordinates=store.coordinates,
        protocols=store.protocols,
    ) as writer:
        for i, name in enumerate(store.names):
            pose = _normalised(_mapped(_seen(store, i), sources), layout, store.normalisation)
            if len(pose):
                label = None if store.labels[i] == UNLABELLED else int(store.labels[i])
                writer.add(Sequence(name=name, label=label, pose=pose, metadata=store.metadata(i)))
            else:
                left_out += 1
            if progress is not None:
                progress(i + 1, len(store))
        on_phase(DataPhase.COMPLETING)
        writer.note("left_out", left_out)
    return dict(zip(layout.joints, sources, strict=True))


def _seen(store: Store, i: int) -> Pose:
    """The pose of a sequence (T, M, J, C) with NaN for missing joints."""
    pose = store.pose(i)
    visible: npt.NDArray[np.bool_] = np.any(pose, axis=-1)  # (T, M, J)
    centre = store.layout.centre_joint
    if store.normalisation is not None and centre is not None:  # normalisation moves it to zero
        visible[:, 0, centre] = visible[:, 0].any(axis=-1)
    return np.where(visible[..., None], pose, np.float32(np.nan))


def _mapped(pose: Pose, sources: tuple[Joints, ...]) -> Pose:
    """A pose (T, M, J, C) in other joints (T, M, J', C); NaN where one of those that a joint is made of is missing."""
    columns = [
        pose[:, :, joints[0]] if len(joints) == 1 else pose[:, :, list(joints)].mean(axis=2) for joints in sources
    ]
    return np.stack(columns, axis=2)


def _normalised(pose: Pose, layout: Layout, method: Normalisation | None) -> Pose:
    """A mapped pose (T, M, J, C) of a store with its new centre and axes; empty if no joint is seen.

    Bodies and frames stay as they are: which person is the first was decided on all of the joints.
    """
    if np.isnan(pose).all():
        return pose[:0]
    if method is None:
        return np.nan_to_num(pose)
    body = pose[:, 0]  # (T, J, C)
    known = layout.centre_of(body).astype(np.float64)
    if np.isnan(known).any(axis=-1).all():
        known = np.broadcast_to(np.nanmean(pose, axis=(0, 1, 2)), known.shape)
    moved = pose - filled(known)[0][:, None, None].astype(np.float32)
    rotation = _turn(moved[:, 0], layout, method)
    return np.nan_to_num(moved @ rotation.T.astype(np.float32))


def _turn(body: Pose, layout: Layout, method: Normalisation) -> Floats:
    """The rotation (3, 3) that turns a body (T, J, C) of a store, whose z points upwards."""
    if method is Normalisation.CENTRE:
        return np.eye(3)
    if method is Normalisation.YAW:
        return yaw_turn(body @ Y_UP_TO_Z_UP.astype(np.float32), layout)[0] @ Y_UP_TO_Z_UP.T
    if method is Normalisation.UPRIGHT:
        return upright_turn(body, layout)[0]
    rotation = np.eye(3)
    for line, target in ((layout.z_line(body[0]), 2), (layout.x_line(body[0]), 0)):
        rotation = rotation_onto(rotation @ np.nan_to_num(line).astype(np.float64), np.eye(3)[target]) @ rotation
    return rotation
