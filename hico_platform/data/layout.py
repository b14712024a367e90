"""Skeleton layouts: joints, bones, and the joints that define the rotations of normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from hico_platform.errors import ConfigError, Problem


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names and tree of a skeleton; indices are 0-based.

    ``parents[j]`` is the parent of joint j, the root is its own parent.
    Normalisation subtracts the joint ``centre``, rotates ``z_axis`` (from, to) onto z and then ``x_axis`` onto x.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    centre: int
    z_axis: tuple[int, int]
    x_axis: tuple[int, int]

    def __post_init__(self) -> None:
        count = len(self.joints)
        if len(self.parents) != count:
            raise _wrong("parents", f"a list of {count}, one parent for each joint", len(self.parents))
        for key in ("parents", "z_axis", "x_axis"):
            for joint in getattr(self, key):
                if not 0 <= joint < count:
                    raise _wrong(key, f"a joint's index, 0 to {count - 1}", joint)
        if not 0 <= self.centre < count:
            raise _wrong("centre", f"a joint's index, 0 to {count - 1}", self.centre)
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
        for key in ("parents", "z_axis", "x_axis"):
            if not _all(plain[key], int):
                raise _wrong(key, "a list of joint indices", plain[key])
        for key in ("z_axis", "x_axis"):
            if len(plain[key]) != 2:
                raise _wrong(key, "a pair of joint indices, from and to", plain[key])
        if not _all([plain["centre"]], int):
            raise _wrong("centre", "a joint's index", plain["centre"])
        return cls(
            name=plain["name"],
            joints=tuple(plain["joints"]),
            # Many layouts mark a root by -1 instead.
            parents=tuple(joint if parent == -1 else parent for joint, parent in enumerate(plain["parents"])),
            centre=plain["centre"],
            z_axis=(plain["z_axis"][0], plain["z_axis"][1]),
            x_axis=(plain["x_axis"][0], plain["x_axis"][1]),
        )

    def as_plain(self) -> dict[str, Any]:
        """The layout as lists, numbers and text, for JSON."""
        plain = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


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

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (KINECT_V2, KINECT_V1)}
