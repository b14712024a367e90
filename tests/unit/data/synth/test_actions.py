from __future__ import annotations

import numpy as np
import pytest

from hico_platform.data.synth.generate import one_sequence
from hico_platform.data.synth.presets import PRESETS, TINY, Preset
from hico_platform.data.synth.skeleton import FREEDOM_INDEX


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
