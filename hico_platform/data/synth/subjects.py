"""Generated people: body size, habitual posture and style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hico_platform.data.synth.skeleton import FREEDOMS, Array, BodySize

# Neutral posture, and the spread of people around it and of a person's sequences around theirs, in degrees.
_NEUTRAL_DEG = {
    "pelvis_bend": 10,
    "spine_bend": 8,
    "shoulder_flex": 40,
    "shoulder_abduct": 35,
    "elbow_flex": 60,
    "hip_flex": 25,
    "knee_flex": 35,
    "hip_abduct": 8,
}
_SPREAD_DEG = {
    "pelvis_bend": 5, "pelvis_side": 5, "spine": 8, "chest": 8, "neck": 12,
    "shoulder": 30, "elbow_flex": 32, "elbow_twist": 35, "wrist": 15,
    "hip": 15, "hip_abduct": 8, "hip_twist": 12, "knee": 18, "ankle": 8,
}  # fmt: skip


def _by_longest_prefix(table: dict[str, int], name: str) -> float:
    matches = [prefix for prefix in table if name.startswith(prefix)]
    return float(table[max(matches, key=len)]) if matches else 0.0


NEUTRAL_RAD: Array = np.radians([_by_longest_prefix(_NEUTRAL_DEG, freedom.name) for freedom in FREEDOMS])
SPREAD_RAD: Array = np.radians([_by_longest_prefix(_SPREAD_DEG, freedom.name) for freedom in FREEDOMS])


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A person: ``posture`` (A,) in radians, around which they move; ``vigour`` (A,) scales their amplitudes."""

    size: BodySize
    posture: Array
    vigour: Array
    tempo: float


def draw_subject(generator: np.random.Generator) -> Subject:
    """Draws a person within the usual variation of adults."""
    size = BodySize(
        stature_m=float(generator.uniform(1.52, 1.95)),
        arm=float(generator.normal(1.0, 0.05)),
        leg=float(generator.normal(1.0, 0.04)),
        shoulder_width=float(generator.normal(1.0, 0.1)),
        hip_width=float(generator.normal(1.0, 0.1)),
    )
    count = len(FREEDOMS)
    return Subject(
        size=size,
        posture=NEUTRAL_RAD + 0.4 * SPREAD_RAD * generator.standard_normal(count),
        vigour=np.exp(0.15 * generator.standard_normal(count)),
        tempo=float(np.exp(0.12 * generator.standard_normal())),
    )
