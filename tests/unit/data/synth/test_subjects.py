from __future__ import annotations

import numpy as np

from hico_platform.data.synth.skeleton import (
    BodySize,
    bone_offsets,
)
from tests.unit.data.synth.test_skeleton import JOINT, OFFSETS


def test_people_differ_in_size() -> None:
    tall = bone_offsets(BodySize(stature_m=1.9, arm=1.1))
    arm, leg = JOINT["elbow_left"], JOINT["knee_left"]
    assert np.linalg.norm(tall[arm]) / np.linalg.norm(OFFSETS[arm]) > np.linalg.norm(tall[leg]) / np.linalg.norm(
        OFFSETS[leg]
    )
