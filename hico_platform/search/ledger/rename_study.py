"""Gives a study another name, in one transaction: Optuna could only copy it, with new numbers for every trial."""

from __future__ import annotations

import json

import optuna
from sqlalchemy import text

from hico_platform.search.ledger.study_records import NOTE
from hico_platform.search.notes import RENAMING

Storage = optuna.storages.BaseStorage


def rename_study(storage: Storage, name: str, new: str) -> None:
    """Renames a search's study, adds the old name to its former ones, and takes back the note of the rename.

    Raises:
        KeyError: there is no study of that name.
        ValueError: the storage is not in a relational database.
        sqlalchemy.exc.IntegrityError: another study took the new name meanwhile; nothing is changed.
    """
    if not isinstance(storage, optuna.storages.RDBStorage):
        raise ValueError("only studies in a database can be renamed")
    study = storage.get_study_id_from_name(name)
    content = storage.get_study_user_attrs(study)["search"]
    former = [one for one in content.get("former_names", ()) if one != new]
    changed = json.dumps({**content, "former_names": [*former, name]})
    attribute = "UPDATE study_user_attributes SET value_json = :value WHERE study_id = :study AND key = :key"
    with storage.engine.begin() as connection:
        connection.execute(
            text("UPDATE studies SET study_name = :new WHERE study_id = :study"), {"new": new, "study": study}
        )
        connection.execute(text(attribute), {"value": changed, "study": study, "key": "search"})
        connection.execute(text(attribute), {"value": "null", "study": study, "key": f"{NOTE}{RENAMING}"})
