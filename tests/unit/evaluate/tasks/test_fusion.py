"""Fusion, against a sum in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hico_platform.config.trial import EvaluationConfig
from hico_platform.enums import Stream
from hico_platform.errors import DataError
from hico_platform.evaluate.data import Evaluated, of_encoder, of_raw_pose
from hico_platform.evaluate.linear import linear_probe_logits
from hico_platform.evaluate.tasks.fusion import Fusion
from tests.handmade import Points, handmade_data, handmade_encoder, points, sklearn_regularised

CONFIG = EvaluationConfig(linear_epochs=20, linear_batch_size=64)
POINTS = points(classes=4, train=200, held_out=1500, seed=1, noise=0.4)


def seen_as(stream: Stream, *, seed: int, of: Points = POINTS) -> Evaluated:
    """The points with noise of a stream's own."""
    data, views = handmade_data(noisy(of, seed=seed))
    views.stream = stream
    return of_encoder(handmade_encoder(), data=data, config=CONFIG)


def noisy(of: Points, *, seed: int) -> Points:
    random = np.random.default_rng(seed)
    train, held_out = (rows + random.normal(size=rows.shape) for rows in (of.train, of.eval))
    return replace(of, train=train.astype(np.float32).astype(float), eval=held_out.astype(np.float32).astype(float))


SEEDS = {stream: seed for seed, stream in enumerate(Stream)}
STREAMS = {stream: seen_as(stream, seed=seed) for stream, seed in SEEDS.items()}


def released(stream: Stream) -> np.ndarray:
    train, labels, held_out, _ = noisy(POINTS, seed=SEEDS[stream]).tensors()
    logits = linear_probe_logits(
        train, labels, held_out, classes=4, epochs=20, batch_size=64, learning_rate=2.0, seed=0
    )
    return logits.numpy().astype(np.float64)


def regularised(stream: Stream) -> np.ndarray:
    points = noisy(POINTS, seed=SEEDS[stream])
    return sklearn_regularised(points, c=STREAMS[stream].regularised.chosen.c).decision_function(points.eval)


@pytest.mark.parametrize("own", Stream)
def test_the_streams_are_summed_with_their_weights_whichever_is_the_encoders_own(own: Stream) -> None:
    others = {stream.value: one for stream, one in STREAMS.items() if stream is not own}
    evaluated = replace(STREAMS[own], streams=others)
    task = Fusion()
    assert task.missing(evaluated) is None
    result = task.run(evaluated)
    sums = {}
    for kind, logits in (("released", released), ("regularised", regularised)):
        joint, bone, motion = (logits(stream) for stream in (Stream.JOINT, Stream.BONE, Stream.MOTION))
        sums |= {
            f"fusion_{kind}_top1": 0.6 * joint + 0.6 * bone + 0.4 * motion,
            f"fusion_{kind}_equal_weights_top1": joint + bone + motion,
            f"fusion_{kind}_joint_top1": joint,
            f"fusion_{kind}_bone_top1": bone,
            f"fusion_{kind}_motion_top1": motion,
        }
    expected = {name: float((one.argmax(axis=1) == POINTS.eval_labels).mean()) for name, one in sums.items()}
    assert result.values() == pytest.approx(expected, abs=2.5 / len(POINTS.eval))
    for kind in ("released", "regularised"):
        ordered = sorted(value for name, value in expected.items() if kind in name)
        assert min(np.diff(ordered)) > 4 / len(POINTS.eval), "one number would be seen in the place of another"
    assert result.predictions is not None
    assert (result.predictions.numpy() != sums["fusion_regularised_top1"].argmax(axis=1)).sum() <= 2
    assert "joint 0.6, bone 0.6, motion 0.4" in result.protocol


def test_streams_that_are_not_there_are_named() -> None:
    assert Fusion().missing(STREAMS[Stream.BONE]) == "encoders of the streams joint and motion"
    with_bone = replace(STREAMS[Stream.JOINT], streams={"bone": STREAMS[Stream.BONE]})
    assert Fusion().missing(with_bone) == "encoders of the streams motion"
    assert Fusion().missing(of_raw_pose(data=STREAMS[Stream.JOINT].data, config=CONFIG)) == "an encoder"


def test_streams_of_other_sequences_are_refused() -> None:
    fewer = seen_as(Stream.MOTION, seed=1, of=points(classes=4, train=200, held_out=399, seed=1))
    other = seen_as(Stream.MOTION, seed=1, of=points(classes=4, train=200, held_out=400, seed=2))
    for wrong in (fewer, other):
        with pytest.raises(DataError, match=r"the stream motion: expected the sequences and labels"):
            Fusion().run(replace(STREAMS[Stream.JOINT], streams={"bone": STREAMS[Stream.BONE], "motion": wrong}))
