"""Generates a preset; each sequence has its own random generator, so none depends on another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from hico_platform.data.sequence import Sequence, nan_where_zero
from hico_platform.data.skeleton_file import SkeletonName
from hico_platform.data.synth.actions import Role
from hico_platform.data.synth.camera import FRAMES_PER_S, sense, to_camera
from hico_platform.data.synth.presets import Preset
from hico_platform.data.synth.skeleton import (
    FREEDOM_INDEX,
    HIGHEST_RAD,
    LOWEST_RAD,
    Array,
    bone_offsets,
    joint_positions,
)
from hico_platform.data.synth.subjects import SPREAD_RAD, Subject, draw_subject

_NUM_SETUPS = 4
_DECIMALS = 4  # 0.1 mm: rounding differences between processors disappear
_OF_SUBJECT, _OF_SEQUENCE = 1, 2


def generate(preset: Preset, *, seed: int) -> Iterator[Sequence]:
    """All sequences of a preset, by action, subject, camera and repetition.

    Poses are float32 (T, M, 25, 3), metres in the camera's frame, as a sensor reports them: neither
    centred nor rotated, with NaN for a lost joint. Metadata: subject, camera, setup, repetition.
    """
    ranges = (len(preset.actions), preset.num_subjects, len(preset.cameras), preset.repetitions)
    for action, subject, camera, repetition in product(*map(range, ranges)):
        yield one_sequence(preset, seed=seed, action=action, subject=subject, camera=camera, repetition=repetition)


def one_sequence(preset: Preset, *, seed: int, action: int, subject: int, camera: int, repetition: int) -> Sequence:
    """One sequence of a preset; indices count from 0."""
    generator = np.random.default_rng([seed, preset.key, _OF_SEQUENCE, action, subject, camera, repetition])
    person = draw_subject(np.random.default_rng([seed, preset.key, _OF_SUBJECT, subject]))
    name = SkeletonName(
        setup=preset.first_setup + (subject + repetition) % _NUM_SETUPS,
        camera=camera + 1,
        subject=preset.first_subject + subject,
        repetition=repetition + 1,
        action=action + 1,
    )
    world = _performance(preset, action=action, person=person, generator=generator)
    viewpoint = preset.cameras[camera]
    seen = sense(to_camera(world, viewpoint), camera=viewpoint, sensor=preset.sensor, generator=generator)
    return Sequence(
        name=str(name),
        label=action,
        pose=nan_where_zero(np.round(seen, _DECIMALS).astype(np.float32)),
        metadata={
            "subject": name.subject,
            "camera": name.camera,
            "setup": name.setup,
            "repetition": name.repetition,
        },
    )


def _performance(preset: Preset, *, action: int, person: Subject, generator: np.random.Generator) -> Array:
    """The people of an action in the world's frame, (T, M, J, 3) metres, floor at y = 0."""
    what = preset.actions[action]
    num_frames = int(generator.integers(preset.frames[0], preset.frames[1] + 1))
    tempo_hz = what.tempo_hz * person.tempo * np.exp(preset.tempo_spread * generator.standard_normal())
    theta = _cycle(num_frames, tempo_hz, generator)
    bodies = []
    for index, role in enumerate(what.roles):
        someone = person if index == 0 else draw_subject(generator)
        body = joint_positions(_angles(preset, role, someone, theta, generator), bone_offsets(someone.size))
        bodies.append(body @ _turn(generator.uniform(-30, 30)).T)
    if len(bodies) == 2:
        bodies = _face_each_other(bodies, apart_m=generator.uniform(0.9, 1.4))
    return np.stack(bodies, axis=1)


def _cycle(num_frames: int, tempo_hz: float, generator: np.random.Generator) -> Array:
    """The phase angle theta (T,) of the action: a random start, and a tempo that varies by 15 %."""
    time = np.arange(num_frames) / num_frames
    breath = 1 + 0.15 * np.sin(2 * np.pi * (generator.uniform(0.5, 1.5) * time + generator.random()))
    turned: Array = 2 * np.pi * (generator.random() + np.cumsum(tempo_hz * breath) / FRAMES_PER_S)
    return turned


def _angles(preset: Preset, role: Role, person: Subject, theta: Array, generator: np.random.Generator) -> Array:
    """Joint angles (T, A) in radians: the posture of the sequence, and the role's motions around it."""
    posture = person.posture + preset.posture_spread * SPREAD_RAD * generator.standard_normal(len(SPREAD_RAD))
    room = 0.15 * (HIGHEST_RAD - LOWEST_RAD)
    angles = np.tile(np.clip(posture, LOWEST_RAD + room, HIGHEST_RAD - room), (len(theta), 1))
    vigour = preset.vigour * np.exp(preset.vigour_spread * generator.standard_normal())
    for motion in role:
        index = FREEDOM_INDEX[motion.freedom]
        phase = np.radians(motion.phase_deg) + 0.15 * generator.standard_normal()
        amplitude = vigour * person.vigour[index] * np.radians(motion.amplitude_deg)
        angles[:, index] += amplitude * np.sin(motion.cycles * theta + phase)
    return np.clip(angles, LOWEST_RAD, HIGHEST_RAD)


def _face_each_other(bodies: list[Array], *, apart_m: float) -> list[Array]:
    """Two people (T, J, 3) on the world's x axis, facing each other."""
    first, second = bodies
    aside = np.array([apart_m / 2, 0.0, 0.0])
    return [first @ _turn(90).T - aside, second @ _turn(-90).T + aside]


def _turn(yaw_deg: float) -> Array:
    """Rotation (3, 3) about the vertical axis; positive from forward to the left."""
    cosine, sine = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
