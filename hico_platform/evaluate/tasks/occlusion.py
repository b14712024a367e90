"""Occlusion: what is scored lacks body parts or a block of frames, which the training sequences do not.

After the table of PCM3 (Zhang et al. 2023), which tells spatial occlusion, where the joints of a body part are missing,
from temporal occlusion, where a block of frames is. Its released code has no occlusion and the paper no shares, so the
ones here are this project's: one or two of the body's five parts, a quarter or half of the frames.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from hico_platform.augment.occlusion import without_frames, without_parts
from hico_platform.data.anatomy import body_parts
from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.features import encoder_features
from hico_platform.evaluate.knn import knn_predict
from hico_platform.evaluate.regularised import protocol
from hico_platform.evaluate.scores import Score, TaskResult

CLEAN = "clean"
Alteration = Callable[[Tensor], Tensor]


class Occlusion:
    """1-NN and the regularised linear probe on occluded sequences, and how many points they fall.

    Args:
        parts: how many parts of the body are missing, one score for each.
        frame_shares: which share of a view's frames is missing, one score for each.
    """

    name = "occlusion"
    quick = False

    def __init__(self, *, parts: tuple[int, ...] = (1, 2), frame_shares: tuple[float, ...] = (0.25, 0.5)) -> None:
        self._parts = parts
        self._frame_shares = frame_shares

    def missing(self, evaluated: Evaluated) -> str | None:
        """An encoder, and joints whose names tell of enough body parts."""
        if evaluated.encoder is None:
            return "an encoder"
        layout = evaluated.data.layout
        fewest = max(self._parts, default=0)
        if layout is None or len(body_parts(layout)) < fewest:
            return f"a layout whose joints name at least {fewest} parts of the body"
        return None

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``occlusion_clean_knn_top1``, ``occlusion_parts_1_linear_top1``, ``occlusion_frames_50_knn_top1``, and so on.

        The facts hold the fall in points (per cent), such as ``occlusion_parts_1_linear_fall``.
        """
        data, encoder = evaluated.data, evaluated.encoder
        if encoder is None:
            raise TypeError("an encoder is missing")
        probe = evaluated.regularised
        conditions = self._conditions(evaluated)
        scores: dict[str, Score] = {}
        facts: dict[str, float] = {}
        for done, (condition, alter) in enumerate(conditions.items()):
            features = evaluated.features.eval
            if alter is not None:
                features = encoder_features(
                    encoder,
                    views=data.views,
                    indices=data.eval,
                    centre_crop=evaluated.config.centre_crop,
                    alter=alter,
                    alive=data.alive,
                )
            answers = {
                "knn": knn_predict(evaluated.features.train, data.train_labels, features),
                "linear": probe.regression.logits(features).argmax(dim=1),
            }
            for method, answer in answers.items():
                score = Score.mean_of(answer == data.eval_labels)
                scores[f"occlusion_{condition}_{method}_top1"] = score
                if condition != CLEAN:
                    clean = scores[f"occlusion_{CLEAN}_{method}_top1"]
                    facts[f"occlusion_{condition}_{method}_fall"] = 100 * (clean.value - score.value)
            evaluated.progress(self.name, done + 1, len(conditions))
        return TaskResult(
            task=self.name,
            protocol="1-NN and linear probe of whole sequences; of those that are scored, drawn parts of the body or a "
            f"drawn block of frames are zero; probe: {protocol(probe.chosen)}",
            scores=scores,
            facts=facts,
        )

    def _conditions(self, evaluated: Evaluated) -> dict[str, Alteration | None]:
        """What is done to the poses, by the name of the condition; each draws by itself, from the same seed."""
        layout, device = evaluated.data.layout, evaluated.data.eval.device
        parts = () if layout is None else tuple(body_parts(layout).values())

        def generator() -> torch.Generator:
            return torch.Generator(device).manual_seed(evaluated.seed)

        found: dict[str, Alteration | None] = {CLEAN: None}
        for count in self._parts:
            found[f"parts_{count}"] = partial(without_parts, parts=parts, count=count, generator=generator())
        for share in self._frame_shares:
            found[f"frames_{round(100 * share)}"] = partial(without_frames, share=share, generator=generator())
        return found
