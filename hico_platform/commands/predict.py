"""What a trained model says of recordings in files: class probabilities and neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.errors import CheckpointError, DataError, Problem, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hico_platform.data.table_map import TableMap
    from hico_platform.export import Encoder, Neighbour


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is said of one recording.

    ``name`` is its file, with its name in an archive. ``probabilities`` are by class name, the most probable first;
    ``neighbours`` are training sequences, the most similar first.
    """

    name: str
    probabilities: dict[str, float]
    neighbours: Sequence[Neighbour]


def model_source(model: str) -> str | Path:
    """A model as ``load_encoder`` takes it: a folder, ``NAME@ALIAS`` or ``NAME/VERSION``, with or without ``models:/``.

    Raises:
        UsageError: it is none of these.
    """
    if model.startswith("models:/"):
        return model
    if Path(model).expanduser().is_dir():
        return Path(model).expanduser()
    name, _, alias = model.partition("@")
    named, _, version = model.partition("/")
    if (name and alias and "/" not in model) or (named and version.isdigit()):
        return f"models:/{model}"
    raise UsageError(
        Problem(
            field="--model",
            rule="a model as NAME@ALIAS or NAME/VERSION, or its folder",
            value=model,
            remedy="give NAME@champion for the best model of the search NAME",
        )
    )


def load_model(source: str | Path, *, tracking: str | None) -> Encoder:
    """The model, as :func:`hico_platform.load_encoder` loads it, whose files count as data here.

    Raises:
        DataError: it is not one of this project's, or is not whole.
        UsageError: there is no such model.
        HicoError: the tracking store is away.
    """
    from hico_platform.commands.encoder import load_encoder

    try:
        return load_encoder(source, tracking=tracking)
    except CheckpointError as error:
        raise DataError(error.problems) from error


def predict_files(
    encoder: Encoder, files: Sequence[Path], *, k: int, table: TableMap | None = None
) -> Iterator[Prediction | Problem]:
    """What the model says of each recording, in the order of the files; for a file that cannot be read, its problems.

    A file is read, encoded and answered before the next one is opened.

    Args:
        encoder: a model with a recogniser.
        files: see :func:`hico_platform.data.recording_file.read_recordings`.
        k: how many neighbours.
        table: how columns become joints, for files that are tables.

    Raises:
        UsageError: the model has no recogniser, or ``k`` is below 1.
    """
    from hico_platform.data.recording_file import read_recordings

    recogniser = encoder.recogniser
    for file in files:
        try:
            recordings = read_recordings(
                file, encoder.layout, coordinates=encoder.coordinates, bodies=encoder.bodies, table=table
            )
        except (DataError, OSError) as error:
            yield from _problems(error, str(file))
            continue
        for recording in recordings:
            try:
                features = encoder.features([recording.pose])
            except DataError as error:
                yield from _problems(error, recording.name)
                continue
            yield Prediction(
                name=recording.name,
                probabilities=_by_class(recogniser.class_names, recogniser.probabilities(features)[0]),
                neighbours=recogniser.neighbours(features, k=k)[0],
            )


def _by_class(names: Sequence[str], probabilities: npt.NDArray[np.float64]) -> dict[str, float]:
    order = (-probabilities).argsort(kind="stable")
    return {names[index]: float(probabilities[index]) for index in order}


def _problems(error: DataError | OSError, name: str) -> Iterator[Problem]:
    """The problems of a file; those of the encoder, which knows no files, get its name."""
    if isinstance(error, OSError):
        remedy = "check its path and who may read it"
        yield Problem(file=name, rule="a file that can be read", value=error.strerror, remedy=remedy)
    else:
        for problem in error.problems:
            yield problem if problem.file is not None else dataclasses.replace(problem, file=name, field="")
