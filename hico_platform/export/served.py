"""What MLflow calls: ``predict`` on recordings, with what is asked for in ``params``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.recording_file import read_recordings
from hico_platform.errors import DataError, Problem, UsageError
from hico_platform.export.encoder import Encoder
from hico_platform.export.folder import load_encoder

FOLDER = "HICO_PREDICT_FOLDER"
"""The variable that names the folder whose files a served model may read; without it a model reads none."""


class Output(StrEnum):
    """What a model returns."""

    FEATURES = "features"
    NEIGHBOURS = "neighbours"
    PROBABILITIES = "probabilities"


DEFAULTS: Mapping[str, str | int] = {"output": Output.FEATURES.value, "k": 5}
"""The parameters of ``predict``: what it returns, and how many neighbours."""


class Served:
    """An encoder as MLflow calls it."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def predict(
        self, model_input: Any, params: Mapping[str, Any] | None = None
    ) -> npt.NDArray[np.float32] | list[list[dict[str, Any]]] | list[dict[str, float]]:
        """Features, neighbours or class probabilities of recordings.

        Args:
            model_input: an array (T, J, C) or (T, M, J, C), which is one recording; a list of such arrays, or of lists
                of numbers, where None is a missing joint's coordinate; an array (n, T, M, J, C); a table of pandas
                with one column of recordings; or names of files, where the variable ``HICO_PREDICT_FOLDER`` names the
                folder that they are in.
            params: ``output``, which is ``features``, ``neighbours`` or ``probabilities``, and ``k``, the number of
                neighbours.

        Returns:
            features float32 (n, 2*G*D); for each recording its neighbours, each with ``name``, ``label`` and
            ``distance``; or for each recording the probability of each class by name.

        Raises:
            DataError: a recording has another shape, shows nobody, or is a file that may not be read.
            UsageError: a parameter has another value, or the model has no recogniser.
        """
        asked = {**DEFAULTS, **(params or {})}
        output = _output(asked["output"])
        features = self._encoder.features(self._recordings(model_input))
        match output:
            case Output.FEATURES:
                return features
            case Output.NEIGHBOURS:
                found = self._encoder.recogniser.neighbours(features, k=int(asked["k"]))
                return [[asdict(neighbour) for neighbour in of_recording] for of_recording in found]
            case Output.PROBABILITIES:
                recogniser = self._encoder.recogniser
                rows = recogniser.probabilities(features).tolist()
                return [dict(zip(recogniser.class_names, row, strict=True)) for row in rows]

    def _recordings(self, given: Any) -> list[npt.ArrayLike]:
        return [each for one in as_list(given) for each in self._poses(one)]

    def _poses(self, given: Any) -> Sequence[npt.ArrayLike]:
        """One recording, or those of a file."""
        if not isinstance(given, str | Path):
            return [given]
        file = _allowed(str(given))
        found = read_recordings(
            file, self._encoder.layout, coordinates=self._encoder.coordinates, bodies=self._encoder.bodies
        )
        return [recording.pose for recording in found]


def as_list(given: Any) -> list[Any]:
    """The recordings in what a caller gives: one, or several."""
    if hasattr(given, "iloc"):  # a table of pandas
        return list(given.iloc[:, 0] if getattr(given, "ndim", 1) == 2 else given)
    if isinstance(given, np.ndarray):
        return [given] if given.dtype != object and given.ndim in (3, 4) else list(given)
    if isinstance(given, list | tuple):
        return [given] if _depth(given) == 3 else list(given)
    return [given]


def _depth(given: Any) -> int:
    """How deep lists of lists of numbers go, by their first elements."""
    depth = 0
    while isinstance(given, list | tuple) and given:
        given, depth = given[0], depth + 1
    return depth


def _output(asked: object) -> Output:
    if asked not in list(Output):
        raise UsageError(
            Problem(field="output", rule=f"one of {', '.join(Output)}", value=asked, remedy="choose one of them")
        )
    return Output(str(asked))


def _allowed(name: str) -> Path:
    """A file in the folder that whoever runs the model has named.

    A served model answers everyone who can reach it, so by default it reads no file of its machine.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        remedy = f"give arrays, or set {FOLDER} to the folder of the files where the model runs"
        raise DataError(Problem(field="model_input", rule="an array of joints", value=name, remedy=remedy))
    root = Path(folder).resolve()
    file = (root / name).resolve()
    if not file.is_relative_to(root):
        remedy = "give its path below that folder"
        raise DataError(
            Problem(field="model_input", rule=f"a file in the folder of {FOLDER}", value=name, remedy=remedy)
        )
    return file


def _load_pyfunc(path: str) -> Served:
    """Called by MLflow to load a model folder whose ``loader_module`` is this package."""
    return Served(load_encoder(Path(path)))
