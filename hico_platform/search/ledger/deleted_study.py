"""The error of a study that is deleted, by Optuna's command or dashboard, while its search runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import optuna

from hico_platform.errors import HicoError, Problem
from hico_platform.search.ledger.base import SearchRecord
from hico_platform.search.ledger.names import search_names

Method = TypeVar("Method", bound=Callable[..., Any])


class StudyOwner(Protocol):
    """What the decorated methods' object has."""

    @property
    def search(self) -> SearchRecord:
        """The search of the study."""

    @property
    def storage(self) -> optuna.storages.BaseStorage:
        """The database of the study."""


def explains_deleted_study(method: Method) -> Method:
    """A method that raises HicoError where Optuna raises KeyError because the study no longer exists."""

    @functools.wraps(method)
    def checked(self: StudyOwner, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except KeyError as error:
            if self.search.name in search_names(self.storage):
                raise
            raise HicoError(
                Problem(
                    field="study",
                    rule=f"the study {self.search.name} in the database for as long as its search runs",
                    value="deleted",
                    remedy="restore the database from a backup and go on with --resume, or begin the search anew",
                )
            ) from error

    return cast(Method, checked)
