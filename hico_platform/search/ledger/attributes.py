"""Some attributes of a study, without the thousands that it may have besides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import optuna
from sqlalchemy import text

Storage = optuna.storages.BaseStorage


def study_attributes(storage: Storage, study: int, *, prefixes: tuple[str, ...]) -> Mapping[str, Any]:
    """The user attributes of a study whose names begin with one of ``prefixes``."""
    if not isinstance(storage, optuna.storages.RDBStorage):
        attributes = storage.get_study_user_attrs(study)
        return {key: value for key, value in attributes.items() if key.startswith(prefixes)}
    conditions = " OR ".join(f"key LIKE :prefix{index}" for index in range(len(prefixes)))
    query = f"SELECT key, value_json FROM study_user_attributes WHERE study_id = :study AND ({conditions})"
    values = {f"prefix{index}": f"{prefix}%" for index, prefix in enumerate(prefixes)}
    with storage.engine.connect() as connection:
        return {key: json.loads(value) for key, value in connection.execute(text(query), {"study": study, **values})}
