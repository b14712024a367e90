"""Three-stream fusion: linear probes on joints, bones and motion vote together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hico_platform.enums import Stream
from hico_platform.errors import DataError, Problem
from hico_platform.evaluate.data import EvalData, Evaluated
from hico_platform.evaluate.scores import Score, TaskResult

WEIGHTS: Mapping[Stream, float] = {Stream.JOINT: 0.6, Stream.BONE: 0.6, Stream.MOTION: 0.4}
"""Levigty/AimCLR, ensemble_ntu_cs.py. HiCo's release has no fusion; HYSP's tries weights on the test set."""


class Fusion:
    """The weighted sum of the probes' logits, of both kinds of probes, and of each with equal weights.

    Log-probabilities would give the same answers: they differ from logits by one number for all classes.
    """

    name = "fusion"
    quick = True

    def __init__(self, *, weights: Mapping[Stream, float] = WEIGHTS) -> None:
        self._weights = dict(weights)

    def missing(self, evaluated: Evaluated) -> str | None:
        """An encoder, and those of all streams but its own."""
        if evaluated.encoder is None:
            return "an encoder"
        there = {evaluated.data.views.stream, *map(Stream, evaluated.streams)}
        absent = [stream.value for stream in self._weights if stream not in there]
        return f"encoders of the streams {' and '.join(absent)}" if absent else None

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``fusion_released_top1``, ``fusion_regularised_equal_weights_top1``, ``fusion_regularised_bone_top1``, ...

        The predictions are those of the regularised probes, weighted.

        Raises:
            DataError: another stream's sequences or labels are not the same.
        """
        streams = {evaluated.data.views.stream: evaluated}
        for name, other in evaluated.streams.items():
            _refuse_others(name, other.data, evaluated.data)
            streams[Stream(name)] = other
        labels = evaluated.data.eval_labels
        released: dict[Stream, Tensor] = {}
        regularised: dict[Stream, Tensor] = {}
        for done, stream in enumerate(self._weights, start=1):
            released[stream] = streams[stream].released_logits.double()
            regularised[stream] = streams[stream].regularised.logits.double()
            evaluated.progress(self.name, done, len(self._weights))
        scores: dict[str, Score] = {}
        for kind, logits in (("released", released), ("regularised", regularised)):
            answers = {"": self._summed(logits, self._weights)}
            answers["_equal_weights"] = self._summed(logits, dict.fromkeys(logits, 1.0))
            answers |= {f"_{stream.value}": alone.argmax(dim=1) for stream, alone in logits.items()}
            scores |= {f"fusion_{kind}{what}_top1": Score.mean_of(one == labels) for what, one in answers.items()}
            predictions = answers[""]
        weighted = ", ".join(f"{stream.value} {weight:g}" for stream, weight in self._weights.items())
        return TaskResult(
            task=self.name,
            protocol=f"sum of the logits of linear probes, released and regularised, weights {weighted}",
            scores=scores,
            predictions=predictions,
            facts={f"fusion_weight_{stream.value}": weight for stream, weight in self._weights.items()},
        )

    @staticmethod
    def _summed(logits: Mapping[Stream, Tensor], weights: Mapping[Stream, float]) -> Tensor:
        """The class (q,) that the streams' logits (q, classes) give together."""
        return torch.stack([weights[stream] * one for stream, one in logits.items()]).sum(dim=0).argmax(dim=1)


def _refuse_others(stream: str, data: EvalData, own: EvalData) -> None:
    same = (
        data.names == own.names
        and torch.equal(data.train, own.train)
        and torch.equal(data.train_labels, own.train_labels)
        and torch.equal(data.eval, own.eval)
        and torch.equal(data.eval_labels, own.eval_labels)
    )
    if not same:
        raise DataError(
            Problem(
                field=f"the stream {stream}",
                rule="the sequences and labels of the encoder that it is fused with",
                value=f"{len(data.train)} to train on and {len(data.eval)} to score on, others or in another order",
                remedy="give the same dataset and protocol for all streams",
            )
        )
