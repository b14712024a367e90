"""The actions of generated people: each is a set of named joint angles that oscillate together.

An angle follows ``amplitude * sin(cycles * theta + phase)`` around the posture of the sequence, where theta increases
by one turn in each cycle of the action. Classes differ only in which angles move, how far, how often a cycle and in
which phase; the posture depends on the person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

QUARTER, HALF = 90.0, 180.0


@dataclass(frozen=True, kw_only=True)
class Motion:
    """One oscillating angle; ``freedom`` names a row of ``skeleton.FREEDOMS``."""

    freedom: str
    amplitude_deg: float
    cycles: int = 1
    phase_deg: float = 0.0


Role = tuple[Motion, ...]


@dataclass(frozen=True, kw_only=True)
class Action:
    """A class: its name, its cycles per second, and the motions of each person in it."""

    name: str
    tempo_hz: float
    roles: tuple[Role, ...]


def one(freedom: str, amplitude_deg: float, *, cycles: int = 1, phase_deg: float = 0.0) -> Role:
    """A single angle."""
    return (Motion(freedom=freedom, amplitude_deg=amplitude_deg, cycles=cycles, phase_deg=phase_deg),)


def both(freedom: str, amplitude_deg: float, *, cycles: int = 1, phase_deg: float = 0.0) -> Role:
    """The same angle left and right, in phase."""
    return tuple(
        Motion(freedom=f"{freedom}_{side}", amplitude_deg=amplitude_deg, cycles=cycles, phase_deg=phase_deg)
        for side in ("left", "right")
    )


def turns(freedom: str, amplitude_deg: float, *, cycles: int = 1, phase_deg: float = 0.0) -> Role:
    """The same angle left and right, in opposite phase."""
    left, right = both(freedom, amplitude_deg, cycles=cycles, phase_deg=phase_deg)
    return (left, replace(right, phase_deg=right.phase_deg + HALF))


def solo(name: str, tempo_hz: float, *motions: Role) -> Action:
    """An action of one person."""
    return Action(name=name, tempo_hz=tempo_hz, roles=(sum(motions, ()),))


def pair(name: str, tempo_hz: float, first: tuple[Role, ...], second: tuple[Role, ...]) -> Action:
    """An action of two people who face each other."""
    return Action(name=name, tempo_hz=tempo_hz, roles=(sum(first, ()), sum(second, ())))


EMBEDDED_ACTIONS: tuple[Action, ...] = (
    solo(
        "walk on the spot",
        0.9,
        turns("shoulder_flex", 40, phase_deg=HALF),
        turns("hip_flex", 35),
        turns("knee_flex", 35, phase_deg=QUARTER),
    ),
    solo("jumping jack", 0.8, both("shoulder_abduct", 65), both("hip_abduct", 28), both("knee_flex", 30, cycles=2)),
    solo("squat", 0.5, both("hip_flex", 60), both("knee_flex", 70), both("shoulder_flex", 30), one("spine_bend", 10)),
    solo(
        "bow",
        0.45,
        one("pelvis_bend", 25),
        one("spine_bend", 20),
        one("chest_bend", 15),
        both("shoulder_flex", 20, phase_deg=HALF),
    ),
    solo(
        "twist the trunk",
        0.6,
        one("spine_twist", 28),
        one("chest_twist", 25),
        turns("shoulder_flex", 30),
        one("neck_twist", 30, phase_deg=HALF),
    ),
    solo(
        "bend sideways", 0.5, one("spine_side", 18), one("chest_side", 18), turns("shoulder_abduct", 40, phase_deg=HALF)
    ),
    solo(
        "wave right",
        1.0,
        one("shoulder_abduct_right", 50),
        one("shoulder_twist_right", 45, phase_deg=QUARTER),
        one("elbow_flex_right", 40, cycles=2),
        one("chest_side", 15),
        one("hip_abduct_left", 20),
    ),
    solo(
        "wave left",
        1.0,
        one("shoulder_abduct_left", 50),
        one("shoulder_twist_left", 45, phase_deg=QUARTER),
        one("elbow_flex_left", 40, cycles=2),
        one("chest_side", 15),
        one("hip_abduct_right", 20),
    ),
    solo(
        "box",
        1.2,
        turns("shoulder_flex", 50),
        turns("elbow_flex", 50, phase_deg=HALF),
        one("chest_twist", 22),
        one("spine_twist", 22),
        both("knee_flex", 25, cycles=2),
    ),
    solo(
        "row",
        0.7,
        both("shoulder_flex", 60),
        both("elbow_flex", 45, phase_deg=QUARTER),
        one("pelvis_bend", 20, phase_deg=QUARTER),
        both("hip_flex", 35, phase_deg=HALF),
        both("knee_flex", 40, phase_deg=HALF),
    ),
    solo(
        "crawl",
        0.8,
        turns("shoulder_flex", 60),
        turns("shoulder_abduct", 45, phase_deg=QUARTER),
        one("chest_twist", 20),
        turns("hip_flex", 20, cycles=2),
    ),
    solo(
        "circle the arms",
        0.8,
        both("shoulder_flex", 55),
        both("shoulder_abduct", 50, phase_deg=QUARTER),
        both("knee_flex", 12),
    ),
    solo(
        "clap",
        1.4,
        both("shoulder_abduct", 40),
        both("shoulder_twist", 45, phase_deg=QUARTER),
        one("chest_side", 15),
        one("pelvis_side", 12, phase_deg=QUARTER),
    ),
    solo(
        "drum",
        1.6,
        turns("shoulder_flex", 25),
        turns("elbow_flex", 45, phase_deg=QUARTER),
        one("hip_flex_right", 30, cycles=2),
        one("knee_flex_right", 30, cycles=2),
        one("neck_bend", 20),
    ),
    solo(
        "kick right",
        0.8,
        one("hip_flex_right", 60),
        one("knee_flex_right", 45, phase_deg=QUARTER),
        one("shoulder_flex_left", 50),
        one("spine_bend", 10, phase_deg=HALF),
    ),
    solo(
        "kick left",
        0.8,
        one("hip_flex_left", 60),
        one("knee_flex_left", 45, phase_deg=QUARTER),
        one("shoulder_flex_right", 50),
        one("spine_bend", 10, phase_deg=HALF),
    ),
    solo(
        "throw",
        0.7,
        one("shoulder_flex_right", 65),
        one("shoulder_abduct_right", 45, phase_deg=QUARTER),
        one("elbow_flex_right", 50, phase_deg=QUARTER),
        one("chest_twist", 25, phase_deg=QUARTER),
        one("hip_flex_left", 30),
    ),
    solo(
        "skip",
        1.1,
        turns("hip_flex", 40),
        turns("knee_flex", 35),
        both("shoulder_abduct", 40, cycles=2),
        both("elbow_flex", 20, cycles=2, phase_deg=QUARTER),
    ),
    pair(
        "shake hands",
        1.4,
        (one("shoulder_flex_right", 45), one("elbow_flex_right", 40), both("knee_flex", 30, cycles=2)),
        (
            one("shoulder_flex_right", 45, phase_deg=HALF),
            one("elbow_flex_right", 40, phase_deg=HALF),
            both("knee_flex", 30, cycles=2),
        ),
    ),
    pair(
        "push",
        0.6,
        (both("shoulder_flex", 50), both("hip_flex", 45, phase_deg=HALF), both("knee_flex", 45, phase_deg=HALF)),
        (both("shoulder_flex", 40, phase_deg=HALF), both("hip_flex", 45), both("knee_flex", 45)),
    ),
    pair(
        "bow to each other",
        0.5,
        (one("pelvis_bend", 25), one("spine_bend", 22)),
        (one("pelvis_bend", 25), one("spine_bend", 22)),
    ),
    pair(
        "kick at the other",
        0.8,
        (one("hip_flex_right", 65), one("knee_flex_right", 45, phase_deg=QUARTER), one("shoulder_flex_left", 40)),
        (
            one("hip_flex_left", 65, phase_deg=QUARTER),
            one("knee_flex_left", 45, phase_deg=HALF),
            one("shoulder_flex_right", 40, phase_deg=QUARTER),
        ),
    ),
    pair(
        "swing each other round",
        0.8,
        (one("spine_twist", 28), one("chest_twist", 28), both("shoulder_abduct", 45)),
        (one("spine_twist", 28), one("chest_twist", 28), both("shoulder_abduct", 45)),
    ),
    pair(
        "dance",
        1.0,
        (turns("hip_flex", 40), turns("knee_flex", 35), one("chest_side", 18), turns("shoulder_abduct", 40)),
        (
            turns("hip_flex", 40, phase_deg=HALF),
            turns("knee_flex", 35, phase_deg=HALF),
            one("chest_side", 18, phase_deg=HALF),
            turns("shoulder_abduct", 40, phase_deg=HALF),
        ),
    ),
)

TRANSFER_ACTIONS: tuple[Action, ...] = (
    solo(
        "stretch up",
        0.45,
        both("shoulder_flex", 45),
        both("elbow_flex", 40, phase_deg=HALF),
        one("spine_bend", 15, phase_deg=HALF),
    ),
    solo(
        "side step",
        0.8,
        one("hip_abduct_left", 25),
        one("hip_abduct_right", 25, phase_deg=HALF),
        both("knee_flex", 18, cycles=2),
        one("chest_side", 10),
    ),
    solo("flap", 1.2, both("shoulder_abduct", 40), both("elbow_flex", 30, phase_deg=QUARTER)),
    solo("swing the arms across", 0.9, turns("shoulder_abduct", 45), one("spine_twist", 20)),
    solo(
        "knee to elbow",
        0.8,
        turns("hip_flex", 50),
        turns("knee_flex", 30),
        one("spine_bend", 15, cycles=2),
        one("chest_twist", 20),
    ),
    solo(
        "stir",
        1.2,
        one("shoulder_flex_right", 25),
        one("shoulder_abduct_right", 25, phase_deg=QUARTER),
        one("elbow_flex_right", 15),
    ),
    solo("saw", 1.3, one("shoulder_flex_left", 40), one("elbow_flex_left", 45, phase_deg=HALF), one("chest_twist", 12)),
    solo(
        "look around",
        0.5,
        one("neck_twist", 45),
        one("neck_bend", 20, cycles=2),
        one("chest_twist", 15, phase_deg=QUARTER),
    ),
    solo("curl", 0.9, both("elbow_flex", 50), both("wrist_flex", 30)),
    solo(
        "run on the spot",
        1.6,
        turns("hip_flex", 35),
        turns("knee_flex", 45, phase_deg=QUARTER),
        turns("elbow_flex", 25),
    ),
    pair(
        "pull",
        0.8,
        (both("elbow_flex", 40), one("pelvis_bend", 12)),
        (both("elbow_flex", 40, phase_deg=HALF), one("pelvis_bend", 12, phase_deg=HALF)),
    ),
    pair(
        "wave to each other",
        1.1,
        (one("shoulder_twist_right", 45), one("elbow_flex_right", 30, cycles=2)),
        (one("shoulder_twist_right", 45), one("elbow_flex_right", 30, cycles=2)),
    ),
)
