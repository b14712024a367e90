from __future__ import annotations

import pytest

from hico_platform.config.space import SchedulerConfig, SchedulerName
from hico_platform.search.scheduler.asha import Asha
from hico_platform.search.scheduler.base import Scheduler
from hico_platform.search.scheduler.hyperband import Hyperband
from hico_platform.search.scheduler.make import SCHEDULERS, make_scheduler
from hico_platform.search.scheduler.median import Median
from hico_platform.search.scheduler.no_stopping import NoStopping


def test_every_name_is_listed() -> None:
    assert SCHEDULERS.keys() == set(SchedulerName)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (SchedulerName.ASHA, Asha(epochs=27, grace_epochs=2, reduction_factor=4, report_every=5)),
        (SchedulerName.HYPERBAND, Hyperband(epochs=27, grace_epochs=2, reduction_factor=4, report_every=5)),
        (SchedulerName.MEDIAN, Median(epochs=27, grace_epochs=2, report_every=5)),
        (SchedulerName.NONE, NoStopping(epochs=27, report_every=5)),
    ],
)
def test_every_setting_arrives(name: SchedulerName, expected: Scheduler) -> None:
    config = SchedulerConfig(name=name, grace_epochs=2, reduction_factor=4, report_every=5)
    assert make_scheduler(config, epochs=27) == expected
