"""What a call asks of a search, checked before it is run or planned."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hico_platform.api.datasets import DataLike, place_of
from hico_platform.api.places import PathLike, Settings, assignments_of, check_count
from hico_platform.errors import Problem, UsageError
from hico_platform.home import HomePaths
from hico_platform.names import check_known_name, check_name

if TYPE_CHECKING:
    from hico_platform.config.space import CheckedSpace

SpaceLike = PathLike | Mapping[str, Any]
"""A space file, the name of a space that ships with the package, or a space as a mapping."""


@dataclass(frozen=True, kw_only=True)
class AskedSearch:
    """A search that may begin, or go on, as far as its arguments tell."""

    space: CheckedSpace
    name: str
    paths: HomePaths
    data: DataLike | None
    resume: bool

    def location(self) -> str | None:
        """The dataset: the one that is given, else that of the search which is resumed; None for neither."""
        given = place_of(self.data, home=self.paths.home)
        return given or (_begun_on(self.paths, self.name) if self.resume else None)


def asked_search(
    space: SpaceLike | None,
    paths: HomePaths,
    *,
    data: DataLike | None,
    protocol: str | None,
    name: str | None,
    trials: int | None,
    set: Settings | None,
    resume: bool,
    take_over: bool,
    cpus: int | None,
    allow_overlap: bool,
) -> AskedSearch:
    """The arguments of :func:`hico_platform.search`, checked.

    Raises:
        ConfigError: the space breaks a rule.
        UsageError: a count is none, a name has not the form of one, or nobody can be taken over from.
    """
    check_count("trials", trials)
    check_count("cpus", cpus)
    if name is not None:
        check_known_name(name, field="name")
    if take_over and not resume:
        raise UsageError(
            Problem(
                field="take_over",
                rule="a search that is resumed",
                remedy="leave it out: a new search is nobody else's",
            )
        )
    assignments = assignments_of(set)
    assignments += [f"protocol={protocol}"] if protocol else []
    assignments += ["allow_overlap=true"] if allow_overlap else []
    checked = _space_given(space, paths, name=name, resume=resume, assignments=assignments)
    named, field = (name, "name") if name is not None else (checked.name, "space.name")
    named = check_known_name(named, field=field) if resume else check_name(named, field=field)
    return AskedSearch(space=checked, name=named, paths=paths, data=data, resume=resume)


def _space_given(
    space: SpaceLike | None, paths: HomePaths, *, name: str | None, resume: bool, assignments: list[str]
) -> CheckedSpace:
    """The space of a call, or of the search that is resumed.

    Raises:
        UsageError: neither is named.
        ConfigError: the space breaks a rule.
    """
    from hico_platform.config.package_files import find_space
    from hico_platform.config.space import load_space, space_from, space_of

    if isinstance(space, Mapping):
        return space_of(space, assignments=assignments)
    if space is not None:
        return load_space(find_space(os.fspath(space)), assignments=assignments)
    if not (resume and name):
        raise UsageError(
            Problem(field="space", rule="a space, or resume=True and a name", remedy='try hico.search("level_weights")')
        )
    from hico_platform.search.status import search_status

    return space_from(search_status(paths, name).search.source, assignments=assignments)


def _begun_on(paths: HomePaths, name: str) -> str | None:
    """The dataset of the search that is resumed; None where this begins it."""
    from hico_platform.search.status import search_status
    from hico_platform.worker.datasets import located

    try:
        return located(str(search_status(paths, name).search.facts.more["data"]), home=paths.home)
    except UsageError:
        return None
