"""The encoder of a registered model, read as data.

MLflow loads a model by importing the module that the model names, from code stored with the model, or by unpickling, so
anyone who may write to the registry can run code as the user who loads from it. Here a model is inspected first. Only
one that this project registered is read: its weights and configuration, never the code stored with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hico_platform.config.yaml_loader import read_yaml
from hico_platform.errors import ConfigError, DataError, Problem, UsageError, command
from hico_platform.tracking.base import CHALLENGER, CHAMPION, LOADER, TrackingRefused
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.model_package import CODE

SCHEME = "models:/"
MODEL_FILE = "MLmodel"
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")
_FLAVOR, _DATA, _ENCODER = "python_function", "data", "encoder"
_NOT_THERE, _MOST_NAMED = "RESOURCE_DOES_NOT_EXIST", 10
_TOP = {
    MODEL_FILE, "conda.yaml", "python_env.yaml", "requirements.txt", _DATA, CODE, "registered_model_meta",
    "input_example.json", "serving_input_example.json",
}  # fmt: skip


def fetch_registered(tracker: MlflowTracker, uri: str, into: Path) -> Path:
    """Downloads the encoder of ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.

    Args:
        tracker: the tracking store with the registry.
        uri: the model's address.
        into: the folder to download to.

    Returns:
        the folder of the encoder, as ``hico_platform.export`` reads it.

    Raises:
        UsageError: the address has another form.
        DataError: the model is not one of this project's; none of it was loaded.
        TrackingError: the store is unavailable.
        TrackingRefused: the store has no such model, or does not return its files.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise UsageError(
            Problem(
                field="model",
                rule="an address models:/NAME@ALIAS or models:/NAME/VERSION",
                value=uri,
                remedy="give models:/NAME@champion for a search's best model, or models:/NAME@challenger",
            )
        )
    name, alias, version = found.group("name", "alias", "version")
    with tracker.client() as client:
        registered = _known_model(client, name)
        if alias is not None:
            version = client.get_model_version_by_alias(name, _known_alias(registered, alias)).version
        location = _location(client, registered, str(version))
        return _fetch(location, into, shown=uri, tracking_uri=tracker.uri)


def _known_model(client: Any, name: str) -> Any:
    """The registered model of that name."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != _NOT_THERE:
            raise
    known = [model.name for model in client.search_registered_models(max_results=_MOST_NAMED)]
    others = f", or take one of {', '.join(sorted(known))}" if known else ""
    raise TrackingRefused(
        f"no model is called {name}", remedy=f"register the model of a search by {command('retrain', 'SEARCH')}{others}"
    )


def _location(client: Any, registered: Any, version: str) -> str:
    """Where the files of a version are."""
    from mlflow.exceptions import MlflowException

    name = registered.name
    try:
        return str(client.get_model_version_download_uri(name, version))
    except MlflowException as error:
        if error.error_code != _NOT_THERE:
            raise
    others = [f"models:/{name}@{alias}" for alias in sorted(registered.aliases)]
    raise TrackingRefused(f"it has no version {version}", remedy=f"take {' or '.join(others) or f'models:/{name}/1'}")


def _known_alias(registered: Any, alias: str) -> str:
    """The alias, which the model has."""
    name, aliases = registered.name, registered.aliases
    if alias in aliases:
        return alias
    others = [f"models:/{name}@{other}" for other in sorted(aliases)]
    why = ""
    if alias == CHAMPION and CHALLENGER in aliases:
        why = ": no model of it was better than released settings and untrained encoder beyond noise"
    raise TrackingRefused(
        f"no version has the alias {alias}{why}",
        remedy=f"take {' or '.join(others) or f'models:/{name}/VERSION'}",
    )


def fetch_saved(folder: Path, into: Path) -> Path:
    """The folder of the encoder, as in :func:`fetch_registered`, from a model's folder on disk.

    Raises:
        DataError: the model is not one of this project's.
    """
    return _fetch(folder.absolute().as_uri(), into, shown=str(folder), tracking_uri=None)


def _fetch(location: str, into: Path, *, shown: str, tracking_uri: str | None) -> Path:
    from mlflow.artifacts import download_artifacts, list_artifacts

    from hico_platform.export import CARD, DESCRIPTION, FILES, WEIGHTS

    def names(*inside: str) -> set[str]:
        listed = list_artifacts(artifact_uri="/".join((location, *inside)), tracking_uri=tracking_uri)
        return {PurePosixPath(each.path).name for each in listed}

    def download(*inside: str) -> Path:
        return Path(
            download_artifacts(
                artifact_uri="/".join((location, *inside)), dst_path=str(into), tracking_uri=tracking_uri
            )
        )

    top = names()
    if MODEL_FILE not in top:
        raise _foreign(shown, rule=f"a model of MLflow, with a file {MODEL_FILE}", value=None)
    _check_flavor(download(MODEL_FILE), shown)
    found = {(): top, (_DATA,): names(_DATA), (_DATA, _ENCODER): names(_DATA, _ENCODER)}
    for inside, known in {(): _TOP, (_DATA,): {_ENCODER}, (_DATA, _ENCODER): set(FILES)}.items():
        if strange := found[inside] - known:
            raise _foreign(shown, rule=f"a model with {', '.join(sorted(known))} alone", value=", ".join(strange))
    encoder = into / _ENCODER
    encoder.mkdir()
    for file in {DESCRIPTION, WEIGHTS} | found[_DATA, _ENCODER] - {CARD}:
        download(_DATA, _ENCODER, file).rename(encoder / file)
    return encoder


def _check_flavor(file: Path, shown: str) -> None:
    """Checks that MLflow would load the model with this project's module and nothing else."""
    try:
        flavors = _mapping(_mapping(read_yaml(file).data).get("flavors"))
    except ConfigError as error:
        raise _foreign(shown, rule=f"an {MODEL_FILE} file in YAML", value=str(error)) from error
    if set(flavors) != {_FLAVOR}:
        raise _foreign(shown, rule=f"a model of the one flavor {_FLAVOR}", value=", ".join(map(str, flavors)))
    flavor = _mapping(flavors[_FLAVOR])
    for key, expected in (("loader_module", LOADER), (_DATA, f"{_DATA}/{_ENCODER}")):
        if flavor.get(key) != expected:
            raise _foreign(shown, rule=f"a model with {key} {expected}", value=flavor.get(key))
    if flavor.get(CODE) not in (None, CODE):
        raise _foreign(shown, rule=f"a model with its code in {CODE}", value=flavor.get(CODE))


def _mapping(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, Mapping) else {}


def _foreign(shown: str, *, rule: str, value: object) -> DataError:
    return DataError(
        Problem(
            file=shown,
            rule=rule,
            value=value,
            remedy=f"register one by {command('retrain')} NAME: this is no model of this project and was not loaded",
        )
    )
