"""The plan and the price of a search before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hico_platform.api.datasets import DataLike, place_of
from hico_platform.api.places import PathLike, Settings, assignments_of, check_count, paths_of
from hico_platform.api.search import SpaceLike, begun_on, space_given
from hico_platform.names import check_known_name, check_name

if TYPE_CHECKING:
    from hico_platform.search.search_plan import SearchPlan


def plan_search(
    space: SpaceLike | None = None,
    *,
    data: DataLike | None = None,
    protocol: str | None = None,
    name: str | None = None,
    trials: int | None = None,
    set: Settings | None = None,
    resume: bool = False,
    take_over: bool = False,
    home: PathLike | None = None,
    storage: str | None = None,
    address: str | None = None,
    cpus: int | None = None,
    allow_overlap: bool = False,
) -> SearchPlan:
    """Checks all that :func:`hico_platform.search` would, and tells what it would do; starts nothing.

    What ``hico-platform search --dry-run`` does. The arguments are those of :func:`hico_platform.search`; with
    ``data`` a few steps are timed on this machine, without it the plan has no hours.

    Returns:
        the plan: ``limit``, ``first`` (values of the first trials), ``rungs``, ``epochs``, ``workers``, ``hours``,
        ``gpu_hours``, ``warnings`` and more; ``as_dict()`` gives plain values.

    Raises:
        ConfigError: the space breaks a rule.
        UsageError: the search could not start.
        DataError: the data cannot be opened.

    Examples:
        >>> plan = hico.plan_search("level_weights", trials=12, home=home)
        >>> plan.limit, plan.hours
        (12, None)
    """
    from hico_platform.commands.dry_run import dry_run

    check_count("trials", trials)
    check_count("cpus", cpus)
    paths = paths_of(home, storage=storage)
    assignments = assignments_of(set)
    assignments += [f"protocol={protocol}"] if protocol else []
    assignments += ["allow_overlap=true"] if allow_overlap else []
    checked = space_given(space, paths, name=name, resume=resume, assignments=assignments)
    named, field = (name, "name") if name is not None else (checked.name, "space.name")
    named = check_known_name(named, field=field) if resume else check_name(named, field=field)
    return dry_run(
        checked,
        paths=paths,
        name=named,
        resume=resume,
        take_over=take_over,
        limit=trials,
        data=place_of(data, home=paths.home) or (begun_on(paths, named) if resume else None),
        address=address,
        cpus=cpus,
    )
