from __future__ import annotations

import numpy as np

from hico_platform.data.synth.camera import Camera, Sensor, sense, to_camera


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
