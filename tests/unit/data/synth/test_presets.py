from __future__ import annotations

import dataclasses

import numpy as np

from hico_platform.data.skeleton_file import SkeletonName
from hico_platform.data.synth.generate import generate
from hico_platform.data.synth.presets import EMBEDDED, TINY, TRANSFER


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
