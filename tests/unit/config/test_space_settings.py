from __future__ import annotations

import pytest

from hico_platform.config.space import GpuShare, ResourcesConfig
from hico_platform.errors import ConfigError
from tests.toy import toy_space


@pytest.mark.parametrize(("gpus", "given"), [(0, 0.0), (0.25, 0.25), (1, 1.0), (4, 4.0)])
def test_gpus_by_hand(gpus: float, given: float) -> None:
    resources = toy_space(resources={"gpus": gpus}).settings.resources
    assert (resources.gpus, resources.given_gpus) == (given, given)


def test_gpus_that_are_measured() -> None:
    resources = toy_space(resources={"gpus": "auto"}).settings.resources
    assert resources.gpus is GpuShare.AUTO
    assert resources.given_gpus == 0.0


@pytest.mark.parametrize(
    ("gpus", "message"),
    [
        (
            1.5,
            "resources.gpus: expected a whole number above 1, got 1.5; "
            "give a part of one GPU, such as 0.5, or whole ones",
        ),
        (-1, "resources.gpus: expected at least 0, got -1"),
        ("half", "resources.gpus: expected a number, or auto, got 'half'; write a number without quotes"),
        (True, "resources.gpus: expected a number, got True"),
        ([1], r"resources.gpus: expected a number, got \[1\]"),
    ],
)
def test_gpus_that_are_refused(gpus: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        toy_space(resources={"gpus": gpus})


def test_the_default_is_none() -> None:
    assert ResourcesConfig().given_gpus == 0.0
