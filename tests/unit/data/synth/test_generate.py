from __future__ import annotations

import numpy as np

from hico_platform.data.synth.generate import generate, one_sequence
from hico_platform.data.synth.presets import TINY


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    first, again, other = (b"".join(s.pose.tobytes() for s in generate(TINY, seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_sequence_does_not_depend_on_those_before_it() -> None:
    last = list(generate(TINY, seed=1))[-1]
    alone = one_sequence(TINY, seed=1, action=3, subject=3, camera=2, repetition=0)
    assert alone.name == last.name
    np.testing.assert_array_equal(alone.pose, last.pose)
