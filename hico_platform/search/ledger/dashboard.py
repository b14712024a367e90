"""optuna-dashboard on the studies of a home; the only importer of ``optuna_dashboard``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.search.ledger.names import search_names
from hico_platform.search.ledger.step import one_transaction
from hico_platform.search.ledger.storage import Storage

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def dashboard_app(storage: Storage) -> WsgiApp:
    """The pages of optuna-dashboard as a WSGI app. It has no access control of its own, and serves no artifacts.

    Raises:
        UsageError: the extra is not installed.
    """
    app: WsgiApp = _dashboard().wsgi(storage)
    return app


def note_studies(storage: Storage, notes: Mapping[str, str]) -> None:
    """Gives studies their notes by name, in Markdown, unless they have one or this user may not write.

    Raises:
        UsageError: the extra is not installed.
    """
    import optuna

    dashboard = _dashboard()
    for name, text in notes.items():
        study = optuna.load_study(study_name=name, storage=storage)
        try:
            if not dashboard.get_note(study):
                dashboard.save_note(study, text)
        except (optuna.exceptions.StorageInternalError, HicoError):  # a database that can only be read
            return


def note_trials(storage: Storage, name: str, notes: Mapping[int, str]) -> None:
    """Gives trials of a study their notes by number, in one transaction, as :func:`note_studies` does studies.

    Raises:
        UsageError: the extra is not installed.
    """
    import optuna

    dashboard = _dashboard()
    study = optuna.load_study(study_name=name, storage=storage)
    trials = []
    for number, text in notes.items():
        with suppress(KeyError):  # no such trial
            trial_id = storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
            trials.append((SimpleNamespace(study=study, storage=storage, _trial_id=trial_id), text))
    try:
        with one_transaction(storage):
            for trial, text in trials:
                if not dashboard.get_note(trial):
                    dashboard.save_note(trial, text)
    except (optuna.exceptions.StorageInternalError, HicoError):  # a database that can only be read
        return


def searches(storage: Storage) -> tuple[str, ...]:
    """The names of the searches whose studies are shown.

    Raises:
        UsageError: there is none.
    """
    names = search_names(storage)
    if not names:
        remedy = "run a search first, or give another by --home or --storage"
        raise UsageError(Problem(field="--optuna", rule="a study database with a search", remedy=remedy))
    return names


def _dashboard() -> Any:
    try:
        import optuna_dashboard
    except ImportError as error:
        raise UsageError(
            Problem(
                field="--optuna",
                rule="an installed optuna-dashboard",
                value=str(error),
                remedy="install it: pip install 'hico-platform[dashboard]'",
            )
        ) from error
    return optuna_dashboard
