from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from hico_platform.data.layout import KINECT_V1, KINECT_V2, Layout
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.plausibility import BodyCheck, measure, no_person
from hico_platform.data.sequence import Unit
from hico_platform.data.synth.generate import one_sequence
from hico_platform.data.synth.presets import TINY

Pose = npt.NDArray[np.float32]

# Kinect v1's joints among those of Kinect v2: the two that differ are near enough.
_TO_V1 = [0, 1, 20, 3, *range(4, 20)]
_MSR = [KINECT_V1.joints.index(joint) for joint in LAYOUTS["msr-action3d"].joints]


@cache
def recordings() -> tuple[Pose, ...]:
    """Raw generated recordings, one of each action and subject."""
    wanted = [(action, subject) for action in range(len(TINY.actions)) for subject in range(3)]
    return tuple(one_sequence(TINY, seed=0, action=a, subject=s, camera=0, repetition=0).pose for a, s in wanted)


def check(change: Callable[[Pose], Pose], layout: Layout = KINECT_V2, unit: Unit = Unit.M) -> BodyCheck:
    found = BodyCheck(layout, unit)
    for pose in recordings():
        found.add(measure(change(pose).astype(np.float32) * np.float32(unit.metres), layout))
    return found


def messages(found: BodyCheck) -> str:
    return "\n".join(map(str, found.problems()))


def as_score(pose: Pose, *, size: float) -> Pose:
    scores = np.random.default_rng(1).uniform(0.6, 1.0, pose.shape[:-1])
    return np.concatenate([pose[..., :2] / pose[..., 2:] * size + size, scores[..., None]], axis=-1)


@pytest.mark.parametrize(
    "change",
    [
        lambda pose: pose,
        lambda pose: pose[:1],
        lambda pose: pose[:, :1] * 0.45,  # a small child
        lambda pose: np.concatenate([pose, pose + 1], axis=1),
        lambda pose: np.where(np.arange(25)[:, None] < 12, pose, np.nan),  # the legs out of view
        lambda pose: pose - np.nanmean(pose, axis=(0, 1, 2)),  # centred, as motion capture may be
        lambda pose: pose[..., [0, 2, 1]],  # z upwards
    ],
)  # fmt: skip
def test_people_are_plausible(change: Callable[[Pose], Pose]) -> None:
    found = check(change)
    assert messages(found) == ""
    assert found.warnings() == []
    assert 0.5 < found.body.height_m < 2.0


@pytest.mark.parametrize(("unit", "metres"), [("mm", 0.001), ("cm", 0.01), ("in", 0.0254)])
def test_another_unit_is_named(unit: str, metres: float) -> None:
    said = messages(check(lambda pose: pose / metres))
    assert "unit: expected a body height of 0.4 to 2.6 m, got 1" in said or "m, got 6" in said
    assert f"give --unit {unit}, in which it is 1." in said
    assert messages(check(lambda pose: pose / metres, unit=Unit(unit))) == ""


def test_a_unit_too_many_is_named() -> None:
    assert "give --unit m, in which it is 1." in messages(check(lambda pose: pose, unit=Unit.MM))
    assert "give the joints in metres; --accept" in messages(check(lambda pose: pose * 1e5))


def test_joints_in_the_order_of_another_layout_are_named_with_the_one_that_fits() -> None:
    said = messages(check(lambda pose: pose[:, :, _TO_V1][:, :, _MSR], KINECT_V1))
    assert "layout: expected the bones of a person in the layout kinect-v1, got 'bones that vary by 0." in said
    assert "give --layout msr-action3d, which fits (bones that vary by 0.0" in said
    assert "unit:" not in said
    assert messages(check(lambda pose: pose[:, :, _TO_V1][:, :, _MSR], LAYOUTS["msr-action3d"])) == ""
    assert messages(check(lambda pose: pose[:, :, _TO_V1], KINECT_V1)) == ""


def test_joints_in_no_known_order_are_named_with_where_to_look() -> None:
    order = np.random.default_rng(0).permutation(25)
    found = check(lambda pose: pose[:, :, order])
    assert "check the order of the joints against `hico-platform data layouts kinect-v2`; --accept" in messages(found)
    assert "bones are unlike those of a person in the layout kinect-v2" in found.warnings()[0]


def test_both_faults_are_named_at_once() -> None:
    said = messages(check(lambda pose: 1000 * pose[:, :, _TO_V1][:, :, _MSR], KINECT_V1))
    assert "give --layout msr-action3d" in said
    assert "give --unit mm" in said


@pytest.mark.parametrize("size", [500.0, 0.5])
def test_a_score_in_place_of_z_is_named(size: float) -> None:
    said = messages(check(lambda pose: as_score(pose, size=size)))
    assert said.startswith("z: expected a joint's x, y and z in metres, got 'a third value from 0 to 1")


def test_two_dimensions_are_not_judged() -> None:
    found = check(lambda pose: pose[..., :2])
    assert (len(found), found.problems(), found.warnings(), found.as_dict()) == (0, [], [], {})


def test_a_single_recording_in_another_unit_is_told() -> None:
    pose = recordings()[0]
    assert no_person(measure(pose, KINECT_V2)["kinect-v2"]) is None
    problem = no_person(measure(pose * 1000, KINECT_V2)["kinect-v2"])
    assert problem is not None
    assert "expected a body height of 0.4 to 2.6 m, got 1" in str(problem)
