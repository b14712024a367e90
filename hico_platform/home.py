"""The home: one folder for searches, study database, tracking store, checkpoints and prepared data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hico_platform.errors import Problem, UsageError
from hico_platform.names import check_known_name
from hico_platform.sqlite_files import check_database, sqlite_file, sqlite_url
from hico_platform.writable import check_writable


def home_folder(chosen: str | None = None) -> Path:
    """The folder that was chosen, else ``$HICO_HOME``, else ``~/.hico``.

    Raises:
        UsageError: there is no home folder of the user, or the path is not UTF-8.
    """
    chosen = chosen or os.environ.get("HICO_HOME") or "~/.hico"
    try:
        home = Path(chosen).expanduser().absolute()
        str(home).encode()
        return home
    except UnicodeEncodeError as error:  # databases and Ray accept no other encoding
        raise UsageError(
            Problem(
                field="--home",
                rule="a path in UTF-8, read in a UTF-8 locale",
                value=os.fsencode(chosen),
                remedy="rename the folder, or set LC_ALL=C.UTF-8",
            )
        ) from error
    except RuntimeError as error:  # no HOME, and the user is not in the system's user list
        raise UsageError(
            Problem(
                field="--home",
                rule="a folder that can be found",
                value=chosen,
                remedy="give one by --home DIR or HICO_HOME: this user has no home folder here",
            )
        ) from error


class NamedSearch(Protocol):
    """What a search's folder depends on: its name and its unique key."""

    @property
    def name(self) -> str:
        """Its name in the home."""

    @property
    def key(self) -> str:
        """Its key; empty for searches of older versions."""


@dataclass(frozen=True, kw_only=True)
class HomePaths:
    """The files and folders of one home; the study database and the tracking store may be on servers instead."""

    home: Path
    storage: str | None = None
    tracking: str | None = None

    @property
    def storage_url(self) -> str:
        """The database of studies."""
        return self.storage or sqlite_url(self.home / "study.db")

    @property
    def storage_file(self) -> Path | None:
        """The file of that database; None if it is on a server."""
        return self.home / "study.db" if self.storage is None else sqlite_file(self.storage)

    @property
    def tracking_uri(self) -> str:
        """The tracking store."""
        return self.tracking or mlflow_uri(self.home)

    @property
    def artifacts(self) -> Path | None:
        """The folder of tracking artifacts; None with a tracking server, which keeps its own."""
        return None if is_served(self.tracking_uri) else self.home / "mlartifacts"

    def check_writable(self, *, study: bool) -> None:
        """Raises an error if the home cannot be written, before any work; creates nothing.

        Args:
            study: whether the study database will be written too.

        Raises:
            UsageError: it is not a folder, this user may not write it, or a database file in it is not one.
        """
        check_writable(
            self.home,
            rule="a home in a folder that this user may write",
            remedy="give one of your own by --home or HICO_HOME; status, report and ui read others' homes",
        )
        if not is_served(self.tracking_uri):
            _check(sqlite_file(self.tracking_uri), rule="a tracking database")
        if study:
            _check(self.storage_file, rule="a study database")

    def search(self, name: str) -> Path:
        """The folder of a search; raises UsageError where the name could lead out of the home."""
        return self.home / "searches" / check_known_name(name, field="name")

    def metrics(self, name: str) -> Path:
        """The file that says where a search's metrics are served; Prometheus looks for all of them in one folder."""
        return self.home / "metrics" / f"{check_known_name(name, field='name')}.search.json"

    def trials(self, search: NamedSearch) -> Path:
        """The folder of a search's trials with their checkpoints, which no other search uses.

        Its name includes the key, because a deleted search, or one in another database, may have the same name.
        """
        folder = f"trials-{search.key[:12]}" if search.key else "trials"
        return self.search(search.name) / folder

    def checkpoint(self, search: NamedSearch, recorded: str) -> Path:
        """The path of a checkpoint that the ledger records relative to the trials' folder.

        Older versions recorded the absolute path, which may be in a home that this one was moved or copied from, so
        the file in this home is preferred.
        """
        path = Path(recorded)
        if path.is_absolute() and "trials" in path.parts:
            inside = self.trials(search).joinpath(*path.parts[path.parts.index("trials") + 1 :])
            return inside if inside.exists() else path
        return self.trials(search) / path

    def lock(self, name: str) -> Path:
        """The lock file of a search."""
        return self.search(name) / "lock"

    def locks(self, name: str) -> tuple[Path, ...]:
        """All lock files of a search: the home's, and one beside a study file that other homes may use as well."""
        file = self.storage_file
        if self.storage is None or file is None:
            return (self.lock(name),)
        return self.lock(name), file.with_name(f"{file.name}.{name}.lock")


def mlflow_uri(home: Path) -> str:
    """The tracking store of a home."""
    return sqlite_url(home / "mlflow.db")


def is_served(uri: str) -> bool:
    """Whether a tracking store is a server, which keeps its own artifacts and shows its own pages."""
    return uri.startswith(("http://", "https://"))


def _check(file: Path | None, *, rule: str) -> None:
    if file is not None:
        check_database(file, rule=rule, writing=True)
