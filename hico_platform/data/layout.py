"""Skeleton layouts: joints, bones, and the joints that define the rotations of normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.errors import ConfigError, Problem

Point = int | tuple[int, ...]
"""A joint, or two and more joints whose midpoint is meant."""

Line = tuple[Point, Point]
"""From and to."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names and tree of a skeleton; indices are 0-based.

    ``parents[j]`` is the parent of joint j, the root is its own parent.
    Normalisation subtracts the point ``centre``, and turns the line ``z_axis`` onto z and ``x_axis`` onto x. Each point
    is a joint or the midpoint of several, because many layouts have no joint between the hips or the shoulders.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    centre: Point
    z_axis: Line
    x_axis: Line

    def __post_init__(self) -> None:
        count = len(self.joints)
        if len(self.parents) != count:
            raise _wrong("parents", f"a list of {count}, one parent for each joint", len(self.parents))
        used = {"parents": self.parents, "centre": _joints_of(self.centre)}
        used |= {key: tuple(joint for point in getattr(self, key) for joint in _joints_of(point)) for key in _LINES}
        for key, joints in used.items():
            for joint in joints:
                if not 0 <= joint < count:
                    raise _wrong(key, f"a joint's index, 0 to {count - 1}", joint)
        rooted = {joint for joint in range(count) if self.parents[joint] == joint}
        for joint in range(count):  # each joint is visited once, because a file may list very many
            path: set[int] = set()
            ancestor = joint
            while ancestor not in rooted:
                if ancestor in path:
                    raise _wrong("parents", "a path from every joint to a root, which is its own parent", joint)
                path.add(ancestor)
                ancestor = self.parents[ancestor]
            rooted |= path

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Layout:
        """A layout from plain values, as ``as_plain`` returns them and a YAML file holds them.

        Raises ConfigError naming the key that is missing, unknown or of another type.
        """
        names = {field.name for field in fields(cls)}
        for key in sorted(names ^ set(plain)):
            rule = "no key of this name" if key in plain else "a value for this key"
            raise ConfigError(
                Problem(field=f"layout.{key}", rule=rule, remedy=f"give exactly {', '.join(sorted(names))}")
            )
        if not isinstance(plain["name"], str):
            raise _wrong("name", "a text", plain["name"])
        if not _all(plain["joints"], str):
            raise _wrong("joints", "a list of names", plain["joints"])
        if not _all(plain["parents"], int):
            raise _wrong("parents", "a list of joint indices", plain["parents"])
        return cls(
            name=plain["name"],
            joints=tuple(plain["joints"]),
            # Many layouts mark a root by -1 instead.
            parents=tuple(joint if parent == -1 else parent for joint, parent in enumerate(plain["parents"])),
            centre=_point("centre", plain["centre"]),
            z_axis=_line("z_axis", plain["z_axis"]),
            x_axis=_line("x_axis", plain["x_axis"]),
        )

    def as_plain(self) -> dict[str, Any]:
        """The layout as lists, numbers and text, for JSON."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return plain | {key: list(map(_plain_point, plain[key])) for key in _LINES}

    @property
    def centre_joint(self) -> int | None:
        """The joint that is the centre; None if the centre is a midpoint."""
        return self.centre if isinstance(self.centre, int) else None

    def centre_of(self, pose: Array) -> Array:
        """The centre of poses (..., J, C), (..., C); NaN where a joint that it needs is NaN."""
        return self.position(pose, self.centre)

    def z_line(self, pose: Array) -> Array:
        """The line that points upwards in poses (..., J, C), (..., C); NaN where a joint that it needs is NaN."""
        return self.position(pose, self.z_axis[1]) - self.position(pose, self.z_axis[0])

    def x_line(self, pose: Array) -> Array:
        """The line across the body in poses (..., J, C), (..., C); NaN where a joint that it needs is NaN."""
        return self.position(pose, self.x_axis[1]) - self.position(pose, self.x_axis[0])

    @staticmethod
    def position(pose: Array, point: Point) -> Array:
        """A point of poses (..., J, C), (..., C) in their dtype; NaN where a joint that it needs is NaN."""
        if isinstance(point, int):
            return pose[..., point, :]
        middle: Array = np.mean(pose[..., list(point), :], axis=-2)
        return middle

    def trunk_line(self, pose: Array) -> Array:
        """The line from the start of the z axis to the middle of the x axis in poses (..., J, C), (..., C)."""
        start, end = (self.position(pose, point) for point in self.x_axis)
        middle: Array = (start + end) / 2 - self.position(pose, self.z_axis[0])
        return middle


_LINES = ("z_axis", "x_axis")


def _joints_of(point: Point) -> tuple[int, ...]:
    return (point,) if isinstance(point, int) else point


def _plain_point(point: Point) -> int | list[int]:
    return point if isinstance(point, int) else list(point)


def _point(key: str, plain: Any) -> Point:
    """A point from plain values: a joint's index, or a list of them."""
    if _all([plain], int):
        return int(plain)
    if not _all(plain, int) or len(set(plain)) != len(plain) or not plain:
        raise _wrong(key, "a joint's index, or a list of joints, each once, whose midpoint it is", plain)
    return tuple(plain) if len(plain) > 1 else int(plain[0])


def _line(key: str, plain: object) -> Line:
    if not isinstance(plain, list | tuple) or len(plain) != 2:
        raise _wrong(key, "a pair of points, from and to", plain)
    return _point(key, plain[0]), _point(key, plain[1])


def _all(values: object, kind: type) -> bool:
    return isinstance(values, list | tuple) and all(
        isinstance(value, kind) and not isinstance(value, bool) for value in values
    )


def _wrong(key: str, rule: str, value: object) -> ConfigError:
    return ConfigError(Problem(field=f"layout.{key}", rule=rule, value=value, remedy="correct the layout file"))


# Joint order and bones as in NTU RGB+D (Kinect v2); the bone of joint 21, the root, is zero.
KINECT_V2 = Layout(
    name="kinect-v2",
    joints=(
        "spine_base", "spine_mid", "neck", "head",
        "shoulder_left", "elbow_left", "wrist_left", "hand_left",
        "shoulder_right", "elbow_right", "wrist_right", "hand_right",
        "hip_left", "knee_left", "ankle_left", "foot_left",
        "hip_right", "knee_right", "ankle_right", "foot_right",
        "spine_shoulder", "hand_tip_left", "thumb_left", "hand_tip_right", "thumb_right",
    ),
    parents=(1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20, 22, 7, 24, 11),
    centre=1,
    z_axis=(0, 1),
    x_axis=(4, 8),
)  # fmt: skip

# Kinect for Windows SDK 1.8, enumeration NuiSkeletonPositionIndex, in its order.
KINECT_V1 = Layout(
    name="kinect-v1",
    joints=(
        "hip_centre", "spine", "shoulder_centre", "head",
        "shoulder_left", "elbow_left", "wrist_left", "hand_left",
        "shoulder_right", "elbow_right", "wrist_right", "hand_right",
        "hip_left", "knee_left", "ankle_left", "foot_left",
        "hip_right", "knee_right", "ankle_right", "foot_right",
    ),
    parents=(1, 2, 2, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18),
    centre=1,
    z_axis=(0, 1),
    x_axis=(4, 8),
)  # fmt: skip
