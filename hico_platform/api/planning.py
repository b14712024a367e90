"""The plan and the price of a search before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hico_platform.api.asked_search import SpaceLike, asked_search
from hico_platform.api.datasets import DataLike
from hico_platform.api.places import PathLike, Settings, paths_of

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

    paths = paths_of(home, storage=storage)
    asked = asked_search(
        space,
        paths,
        data=data,
        protocol=protocol,
        name=name,
        trials=trials,
        set=set,
        resume=resume,
        take_over=take_over,
        cpus=cpus,
        allow_overlap=allow_overlap,
    )
    return dry_run(
        asked.space,
        paths=paths,
        name=asked.name,
        resume=resume,
        take_over=take_over,
        limit=trials,
        data=asked.location(),
        address=address,
        cpus=cpus,
    )
