"""The names of a database: which studies are searches of this package, and which were made by something else."""

from __future__ import annotations

import optuna

from hico_platform.errors import Problem, UsageError

Storage = optuna.storages.BaseStorage


def search_names(storage: Storage) -> tuple[str, ...]:
    """The searches in a database; studies that were made by something else are none."""
    return tuple(sorted(study.study_name for study in storage.get_all_studies() if "search" in study.user_attrs))


def other_study_names(storage: Storage) -> tuple[str, ...]:
    """The studies in a database that are no searches of this package."""
    return tuple(sorted(study.study_name for study in storage.get_all_studies() if "search" not in study.user_attrs))


def refuse_other_study(storage: Storage, *, name: str) -> None:
    """Refuses to begin a search in a study that something else made.

    An empty study is accepted: a driver that was killed at its first step leaves one.

    Raises:
        UsageError: there is such a study of that name, and something is in it.
    """
    if name not in other_study_names(storage):
        return
    study = optuna.load_study(study_name=name, storage=storage)
    if study.user_attrs or study.get_trials(deepcopy=False):
        raise UsageError(
            Problem(
                field="name",
                rule="a name that no other study has",
                value=name,
                remedy="give another --name: the study of that name was not made by this package",
            )
        )


def unknown_search(storage: Storage, *, name: str) -> UsageError:
    """The error for a name that no search of a database has; it lists the searches that there are."""
    names = ", ".join(search_names(storage)) or "none yet"
    other = ", a study that this package did not make" if name in other_study_names(storage) else ""
    now = next((study.study_name for study in storage.get_all_studies() if name in _former_names(study)), None)
    if now is not None:
        return UsageError(
            Problem(field="name", rule="the name of a search", value=name, remedy=f"give {now}, as it has been renamed")
        )
    return UsageError(
        Problem(
            field="name",
            rule="the name of a search",
            value=f"{name}{other}",
            remedy=f"choose among the searches here: {names}",
        )
    )


def _former_names(study: optuna.study._frozen.FrozenStudy) -> tuple[str, ...]:
    content = study.user_attrs.get("search")
    return tuple(content.get("former_names", ())) if isinstance(content, dict) else ()
