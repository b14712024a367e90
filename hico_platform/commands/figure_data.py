"""What the figures of an encoder show, taken while its features are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.store import Store
from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.feature_map import FeatureMap, feature_map
from hico_platform.report.feature_map import draw_feature_map
from hico_platform.report.gallery import NEIGHBOURS, GalleryRow, choose_queries, draw_gallery


@dataclass(frozen=True, kw_only=True)
class FigureData:
    """The map of the scored sequences, None where there is none, with their classes int64 (m,), and the gallery."""

    map: FeatureMap | None
    labels: npt.NDArray[np.int64]
    gallery: tuple[GalleryRow, ...]
    store: Store
    seed: int


def figure_data(evaluated: Evaluated, *, store: Store) -> FigureData:
    """Lays out the features of the scored sequences and chooses the queries of the gallery, by the seed of tasks."""
    data, seed = evaluated.data, evaluated.seed
    found = feature_map(evaluated.features.eval, seed=seed)
    labels = data.eval_labels.cpu().numpy()
    neighbours = data.train[evaluated.neighbours[:, :NEIGHBOURS].to(data.train.device)].cpu().numpy()  # (q, 5)
    right = data.labels.cpu().numpy()[neighbours[:, 0]] == labels
    queries = data.eval.cpu().numpy()
    rows = tuple(
        GalleryRow(query=int(queries[i]), neighbours=tuple(int(one) for one in neighbours[i]))
        for i in choose_queries(right, seed=seed)
    )
    shown = labels[:0] if found is None else labels[found.sequences]
    return FigureData(map=found, labels=shown, gallery=rows, store=store, seed=seed)


def figures_of_features(shown: FigureData, *, about: str) -> dict[str, bytes]:
    """PNGs by the name of the figure; ``about`` says the data, the protocol, the split and the seed."""
    store, found = shown.store, {}
    if shown.map is not None:
        title = f"Features by class, {len(shown.labels)} sequences: {about}"
        found["features"] = draw_feature_map(shown.map.positions, shown.labels, store.class_names, title=title)
    if shown.gallery:
        title = f"Nearest training sequences: {about}"
        found["retrieval"] = draw_gallery(shown.gallery, store, title=title, seed=shown.seed)
    return found


def figure_numbers(
    shown: FigureData, *, counts: npt.NDArray[np.int64], losses: Mapping[int, Mapping[str, float]]
) -> bytes:
    """What the report draws itself, as JSON: features laid out by class, the confusion matrix, and losses by epoch.

    ``counts`` int64 (classes, classes): rows are true classes, columns answers.
    """
    names = list(shown.store.class_names)
    found: dict[str, Any] = {"confusion": {"counts": counts.tolist(), "class_names": names}}
    if shown.map is not None:
        x, y = (shown.map.positions[:, side].round(3).tolist() for side in (0, 1))
        found["features"] = {"x": x, "y": y, "label": shown.labels.tolist(), "class_names": names}
    if losses:
        found["losses"] = {str(epoch): dict(values) for epoch, values in losses.items()}
    return json.dumps(found).encode()


def about(facts: Mapping[str, Any]) -> str:
    """The data, the protocol, the split and the seed of an evaluation, for a title."""
    protocol = Path(str(facts["protocol"])).name
    return f"{facts['dataset']}, {protocol}, {facts['split']} split, seed {facts['seed']}"
