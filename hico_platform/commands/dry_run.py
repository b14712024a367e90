"""The plan and the price of a search, with everything checked and nothing started."""

from __future__ import annotations

import dataclasses
import functools

from hico_platform.commands.search import check_machine
from hico_platform.config.space import CheckedSpace
from hico_platform.data.split_guard import closed_test_split
from hico_platform.home import HomePaths
from hico_platform.home_access import follow_home
from hico_platform.search.search_plan import SearchPlan, gpus_of, plan_search, this_machine
from hico_platform.search.start import check_startable
from hico_platform.search.warm_start import warm_points_at


@closed_test_split("a dry run")
def dry_run(
    space: CheckedSpace,
    *,
    paths: HomePaths,
    name: str,
    resume: bool = False,
    take_over: bool = False,
    limit: int | None = None,
    data: str | None = None,
    address: str | None = None,
    cpus: int | None = None,
) -> SearchPlan:
    """Checks that the search could begin or be resumed, and plans it.

    Args:
        space: what would be searched.
        paths: the home's.
        name: the search's name.
        resume: whether it would be resumed.
        take_over: whether it would be also where another user ran it last.
        limit: trials in all; by default the space's.
        data: a prepared folder on which a few steps are timed on this machine; nothing is timed without one.
        address: an existing Ray cluster that it would run on.
        cpus: CPUs to use on this machine; by default all.

    Raises:
        UsageError: the search could not start.
        DataError: the data cannot be opened.
    """
    if address is None:  # else it is a plan for that cluster
        check_machine(space, cpus=cpus)
    facts = time_trial = noise = None
    warnings: tuple[str, ...] = ()
    machine = this_machine(cpus=cpus)
    if data:
        follow_home(paths.home)  # a transfer dataset may be made there
        from hico_platform.commands.search_inputs import search_inputs
        from hico_platform.worker.gpu_memory import machine_with_gpus
        from hico_platform.worker.timing import time_trials

        inputs = search_inputs(space, home=paths.home, data=data)
        facts, warnings, noise = inputs.facts, inputs.warnings, inputs.noise
        machine = machine_with_gpus(space, machine, probe=inputs.probe)
        time_trial = functools.partial(
            time_trials,
            data=inputs.data,
            cpus=space.settings.resources.cpus,
            gpus=gpus_of(space, machine=machine) or 0.0,
        )
    check_startable(paths, name, space, facts=facts, resume=resume, take_over=take_over)
    plan = plan_search(
        space, machine=machine, limit=limit, warm_points=warm_points_at(paths, space), time_trial=time_trial
    )
    return dataclasses.replace(plan, warnings=warnings, noise=noise)
