"""A runtime environment file: what Ray prepares on each machine of a cluster before a worker starts there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hico_platform.config.yaml_loader import read_yaml
from hico_platform.errors import ConfigError, Problem

_PATHS = ("working_dir", "py_modules")


def read_runtime_env(file: Path) -> Mapping[str, Any]:
    """The file's fields, as Ray takes them; folders are relative to the file.

    Raises:
        ConfigError: there is no such file, or no mapping in it. Ray itself says what is wrong with a field.
    """
    document = read_yaml(file)
    if not isinstance(document.data, Mapping):
        raise ConfigError(
            Problem(
                file=file,
                rule="a mapping of runtime environment fields",
                value=type(document.data).__name__,  # what is in it may be a secret
                remedy="write such as env_vars: {NAME: value}",
            )
        )
    return {key: _found(value, file.parent) if key in _PATHS else value for key, value in document.data.items()}


def _found(value: Any, folder: Path) -> Any:
    """Folders beside the file by their whole path; addresses (``s3://...``) stay."""
    if isinstance(value, list):
        return [_found(item, folder) for item in value]
    is_local = isinstance(value, str) and "://" not in value
    return str((folder / value).absolute()) if is_local else value
