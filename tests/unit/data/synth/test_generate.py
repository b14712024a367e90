from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hico_platform.data.skeleton_file import SkeletonName
from hico_platform.data.synth.camera import Camera, Sensor, sense, to_camera
from hico_platform.data.synth.generate import generate, one_sequence
from hico_platform.data.synth.presets import EMBEDDED, PRESETS, TINY, TRANSFER, Preset
from hico_platform.data.synth.skeleton import FREEDOM_INDEX


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    first, again, other = (b"".join(s.pose.tobytes() for s in generate(TINY, seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_sequence_does_not_depend_on_those_before_it() -> None:
    last = list(generate(TINY, seed=1))[-1]
    alone = one_sequence(TINY, seed=1, action=3, subject=3, camera=2, repetition=0)
    assert alone.name == last.name
    np.testing.assert_array_equal(alone.pose, last.pose)


def test_presets_draw_other_numbers() -> None:
    twin = dataclasses.replace(TINY, key=99)
    first, other = next(generate(TINY, seed=0)).pose[:40], next(generate(twin, seed=0)).pose[:40]
    assert not np.array_equal(first, other, equal_nan=True)


def test_a_preset_holds_every_combination_once() -> None:
    sequences = list(generate(TINY, seed=0))
    assert len(sequences) == len(TINY) == 4 * 4 * 3
    assert len({s.name for s in sequences}) == len(sequences)
    assert {s.label for s in sequences} == set(range(4))
    assert {s.metadata["subject"] for s in sequences} == {1, 2, 3, 4}
    assert {s.metadata["camera"] for s in sequences} == {1, 2, 3}
    assert {int(s.metadata["setup"]) % 2 for s in sequences} == {0, 1}  # type: ignore[arg-type]
    assert {s.pose.shape[1] for s in sequences if s.label == 3} == {2}
    for sequence in sequences:
        name = SkeletonName.parse(sequence.name)
        assert name is not None
        assert (name.subject, name.camera, name.action) == (
            sequence.metadata["subject"],
            sequence.metadata["camera"],
            sequence.label + 1,
        )
        assert sequence.pose.dtype == np.float32
        assert sequence.pose.shape[2:] == (25, 3)
        assert TINY.frames[0] <= len(sequence.pose) <= TINY.frames[1]


def test_the_embedded_dataset_is_as_large_as_promised() -> None:
    assert len(EMBEDDED.actions) >= 20
    assert EMBEDDED.num_subjects >= 20
    assert len(EMBEDDED.cameras) == 3
    assert sum(len(action.roles) == 2 for action in EMBEDDED.actions) >= 4
    assert 2_000 <= len(EMBEDDED) <= 3_500
    assert 800 <= len(TRANSFER) <= 1_500


def test_the_transfer_target_shares_no_class_subject_or_camera() -> None:
    assert not {action.name for action in EMBEDDED.actions} & {action.name for action in TRANSFER.actions}
    assert TRANSFER.first_subject > EMBEDDED.first_subject + EMBEDDED.num_subjects
    assert not set(EMBEDDED.cameras) & set(TRANSFER.cameras)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_actions_name_angles_that_exist(preset: Preset) -> None:
    names = [action.name for action in preset.actions]
    assert len(set(names)) == len(names)
    for action in preset.actions:
        for role in action.roles:
            assert {motion.freedom for motion in role} <= set(FREEDOM_INDEX), action.name


@pytest.mark.parametrize("label", [0, 3])
def test_people_stand_before_the_camera_and_apart(label: int) -> None:
    sequence = one_sequence(TINY, seed=0, action=label, subject=0, camera=1, repetition=0)
    pelvis, neck = sequence.pose[:, :, 0], sequence.pose[:, :, 2]
    assert (neck[..., 1] > pelvis[..., 1] + 0.2).all()
    assert ((pelvis[..., 2] > 1.5) & (pelvis[..., 2] < 5)).all()
    if label == 3:
        assert np.linalg.norm(pelvis[:, 0] - pelvis[:, 1], axis=-1).min() > 0.8


def test_a_camera_sees_left_as_the_sensor_does() -> None:
    camera = Camera(azimuth_deg=0, height_m=0.9, distance_m=3)
    aim, above, persons_left = to_camera(np.array([[0, 0.9, 0], [0, 1.9, 0], [1, 0.9, 0]]), camera)
    np.testing.assert_allclose(aim, [0, 0, 3], atol=1e-12)
    np.testing.assert_allclose(above, [0, 1, 3], atol=1e-12)
    np.testing.assert_allclose(persons_left, [-1, 0, 3], atol=1e-12)


def test_a_sensor_is_noisy_and_never_loses_trunk_shoulders_or_hips() -> None:
    camera = Camera(azimuth_deg=0, height_m=0.9, distance_m=3)
    points = np.ones((400, 2, 25, 3))
    clean = sense(
        points,
        camera=camera,
        sensor=Sensor(noise_m=0, loss_rate=0, long_loss_rate=0),
        generator=np.random.default_rng(0),
    )
    assert np.array_equal(clean, points)
    seen = sense(
        points,
        camera=camera,
        sensor=Sensor(noise_m=0.01, loss_rate=0.5, long_loss_rate=0.2),
        generator=np.random.default_rng(0),
    )
    lost = (seen == 0).all(axis=-1)
    assert 0.1 < lost.mean() < 0.5
    assert lost.all(axis=0).any()
    assert not lost[:, :, [0, 1, 2, 4, 8, 12, 16, 20]].any()
    assert 0.008 < (seen - points)[~lost].std() < 0.012
