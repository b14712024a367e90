"""Where the interface works: the home and its stores, named as the commands name them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from hico_platform.data.address import data_address
from hico_platform.errors import Problem, UsageError
from hico_platform.home import HomePaths, home_folder, mlflow_uri

PathLike = str | os.PathLike[str]
Settings = Mapping[str, object] | Sequence[str]
"""Values by dotted field, ``{"budget.epochs": 3}``, or as the commands take them, ``["budget.epochs=3"]``."""


def folder_of(home: PathLike | None) -> Path:
    """The home: what was given, else ``$HICO_HOME``, else ``~/.hico``."""
    return home_folder(None if home is None else os.fspath(home))


def paths_of(home: PathLike | None, *, storage: str | None = None, tracking: str | None = None) -> HomePaths:
    """The home with its stores; by default those of ``$HICO_STORAGE`` and ``$MLFLOW_TRACKING_URI``, else its own."""
    return HomePaths(
        home=folder_of(home),
        storage=storage or os.environ.get("HICO_STORAGE"),
        tracking=tracking or os.environ.get("MLFLOW_TRACKING_URI"),
    )


def tracking_of(source: str, paths: HomePaths) -> str:
    """The tracking store that has a registered model; looking one up in a home without a store would make one.

    Raises:
        UsageError: the source is a registered model, and the home has no store.
    """
    from hico_platform.commands.encoder import is_registered

    if is_registered(source) and paths.tracking is None and not (paths.home / "mlflow.db").exists():
        raise UsageError(
            Problem(
                field="checkpoint",
                rule="a model of a tracking store",
                value=f"{source}, and {paths.home} has none",
                remedy="give the home or the store that has it by home= or tracking=",
            )
        )
    return paths.tracking or mlflow_uri(paths.home)


def location_of(data: PathLike | None) -> str | None:
    """A prepared folder or its address, without keys in it. Raises UsageError where it has some."""
    return None if data is None else data_address(os.fspath(data))


def assignments_of(settings: Settings | None) -> list[str]:
    """Settings as ``KEY=VALUE``, as ``--set`` takes them.

    Raises:
        UsageError: a value is none that YAML has.
    """
    import json

    if settings is None:
        return []
    if isinstance(settings, str):
        return [settings]
    if not isinstance(settings, Mapping):
        return [str(one) for one in settings]
    found = []
    for name, value in settings.items():
        plain = os.fspath(value) if isinstance(value, os.PathLike) else value
        try:
            found.append(f"{name}={json.dumps(plain, default=_as_number)}")
        except (TypeError, ValueError):
            raise UsageError(
                Problem(
                    field=f"set[{name!r}]",
                    rule="a number, a text, true or false, None, or a list or mapping of these",
                    value=type(value).__name__,
                    remedy="give a plain value",
                )
            ) from None
    return found


def check_count(field: str, value: int | None) -> None:
    """Raises UsageError for a number below 1."""
    if value is not None and value < 1:
        raise UsageError(Problem(field=field, rule="at least 1", value=value, remedy="give a count"))


def _as_number(value: object) -> object:
    """A number of NumPy or a path as plain values; json asks for what it does not know."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    item = getattr(value, "item", None)
    if item is None:
        raise TypeError(type(value).__name__)
    return item()
