"""From a space's settings to its scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hico_platform.config.space import SchedulerConfig, SchedulerName
from hico_platform.plug_ins import made
from hico_platform.search.scheduler.asha import Asha
from hico_platform.search.scheduler.base import Scheduler
from hico_platform.search.scheduler.hyperband import Hyperband
from hico_platform.search.scheduler.median import Median
from hico_platform.search.scheduler.no_stopping import NoStopping

SCHEDULERS: Mapping[SchedulerName, Callable[[SchedulerConfig, int], Scheduler]] = {
    SchedulerName.ASHA: lambda config, epochs: Asha(
        epochs=epochs,
        grace_epochs=config.grace_epochs,
        reduction_factor=config.reduction_factor,
        report_every=config.report_every,
    ),
    SchedulerName.HYPERBAND: lambda config, epochs: Hyperband(
        epochs=epochs,
        grace_epochs=config.grace_epochs,
        reduction_factor=config.reduction_factor,
        report_every=config.report_every,
    ),
    SchedulerName.MEDIAN: lambda config, epochs: Median(
        epochs=epochs, grace_epochs=config.grace_epochs, report_every=config.report_every
    ),
    SchedulerName.NONE: lambda config, epochs: NoStopping(epochs=epochs, report_every=config.report_every),
}


def make_scheduler(config: SchedulerConfig, *, epochs: int) -> Scheduler:
    """The scheduler of trials that may train for ``epochs``. Raises BrokenPlugInError for a plug-in that fails."""
    if config.name.is_plug_in:
        return made(config.name.group(), config.name.value, config, epochs)  # type: ignore[no-any-return]
    return SCHEDULERS[config.name](config, epochs)
