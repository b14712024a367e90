"""Loads a trained encoder from an exported folder, a model's folder, or the model registry."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.checkpoint_store import StoreAwayError, fetch_address, is_in_a_store
from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.home import home_folder, mlflow_uri
from hico_platform.sqlite_files import sqlite_file
from hico_platform.tracking.base import TrackingError, TrackingRefused

if TYPE_CHECKING:
    from hico_platform.export import Encoder


def load_encoder(source: str | Path, *, tracking: str | None = None, home: str | Path | None = None) -> Encoder:
    """A frozen encoder, whose ``features(poses)`` are float32 (n, 2*G*D) of n recordings.

    A pose is (T, J, C) or (T, M, J, C): T frames, M bodies, J joints of the encoder's ``layout``. Its ``coordinates`` C
    are 3 in metres, or 2 in an image, in pixels with y pointing down. NaN marks a missing joint, and zeros do where
    they marked one in the training data. A pose is normalised as those were. G is the number of granularities and D
    the hidden width of its configuration.

    Weights are read by safetensors, the configuration as JSON: nothing is unpickled, and no code that lies with a
    model is imported, whoever registered it. (``mlflow.pyfunc.load_model`` does import it.)

    Args:
        source: an exported encoder's folder (``encoder`` beside the checkpoints of a retraining), a checkpoint's folder
            or that of a run with checkpoints (the newest counts), an address of either in a store (``s3://``,
            ``gs://``, ``file://``), a folder of an MLflow model,
            ``models:/NAME@champion``, ``models:/NAME@challenger`` (of a search that found nothing better than released
            settings and untrained encoder) or ``models:/NAME/VERSION``.
        tracking: the address of the store that has the registry (default: that of ``home`` where one is given, else
            ``$MLFLOW_TRACKING_URI``, else the store of ``$HICO_HOME``, else that of ``~/.hico``).
        home: the folder whose registry has the model.

    Raises:
        DataError: the model is not one that this project registered; nothing of it was loaded.
        CheckpointError: the encoder is not whole, or of another schema version.
        UsageError: there is no such model, or the tracking store refuses to give it.
        HicoError: the tracking store is away.
    """
    from hico_platform import export

    if home is not None and tracking is None:
        tracking = mlflow_uri(home_folder(str(home)))
    with exported_folder(source, tracking=tracking) as folder:
        return export.load_encoder(folder)


@contextlib.contextmanager
def exported_folder(source: str | Path, *, tracking: str | None = None) -> Iterator[Path]:
    """The folder of an exported encoder, for as long as the block lasts where a registry or a model holds it.

    Raises what :func:`load_encoder` raises, apart from what reading the folder does.
    """
    from hico_platform.tracking import registered_model

    if is_in_a_store(source):
        with fetched_checkpoint(str(source)) as fetched, _exported_checkpoint(fetched) as exported:
            yield exported or fetched
        return
    registered = is_registered(source)
    folder = Path(source)
    if not registered and not (folder / registered_model.MODEL_FILE).exists():
        with _exported_checkpoint(folder) as exported:
            yield exported or folder
        return
    with tempfile.TemporaryDirectory(prefix="hico-platform-model-") as scratch:
        if registered:
            yield _fetched(str(source), tracking or _usual_store(), Path(scratch))
        else:
            yield registered_model.fetch_saved(folder, Path(scratch))


@contextlib.contextmanager
def fetched_checkpoint(address: str) -> Iterator[Path]:
    """A checkpoint of a store (``s3://``, ``gs://``, ``file://``) on this machine, for as long as it is used.

    Raises:
        UsageError: there is none at the address.
        CheckpointError: it is not what was written.
        HicoError: the store does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="hico-platform-checkpoint-") as scratch:
        try:
            yield fetch_address(address, Path(scratch))
        except StoreAwayError as error:
            rule, remedy = "a store that answers", "check the address, and this machine's cloud credentials"
            raise HicoError(Problem(field=address, rule=rule, value=str(error), remedy=remedy)) from error


@contextlib.contextmanager
def _exported_checkpoint(folder: Path) -> Iterator[Path | None]:
    """The encoder of a checkpoint, or of a run's newest one, exported; None where the folder is neither."""
    from hico_platform.checkpoint import is_checkpoint, load_checkpoint, newest_folder
    from hico_platform.export import DESCRIPTION, export_encoder

    found = folder if is_checkpoint(folder) else newest_folder(folder)
    if found is None or (folder / DESCRIPTION).is_file():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="hico-platform-encoder-") as scratch:
        export_encoder(load_checkpoint(found), Path(scratch) / "encoder")
        yield Path(scratch) / "encoder"


def is_registered(source: str | Path) -> bool:
    """Whether a source is a model of the registry, and not a path."""
    from hico_platform.tracking import registered_model

    return isinstance(source, str) and source.startswith(registered_model.SCHEME)


def _fetched(uri: str, tracking: str, into: Path) -> Path:
    from hico_platform.tracking.mlflow_tracker import MlflowTracker
    from hico_platform.tracking.registered_model import fetch_registered

    tracker = MlflowTracker(uri=tracking, artifacts=None)
    file = sqlite_file(tracking)
    if file is not None and not file.exists():  # MLflow would make it
        remedy = "run retrain there first, or name the store by MLFLOW_TRACKING_URI or HICO_HOME"
        raise UsageError(Problem(field=uri, rule="a registered model", value=f"no store at {file}", remedy=remedy))
    try:
        return fetch_registered(tracker, uri, into)
    except TrackingRefused as error:
        remedy = error.remedy or f"check the name, and the store, {tracker.address} (MLFLOW_TRACKING_URI, HICO_HOME)"
        raise UsageError(Problem(field=uri, rule="a registered model", value=str(error), remedy=remedy)) from error
    except TrackingError as error:
        remedy = "try again when it is back"
        problem = Problem(field=tracker.address, rule="a tracking store that answers", value=str(error), remedy=remedy)
        raise HicoError(problem) from error


def _usual_store() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or mlflow_uri(home_folder())
