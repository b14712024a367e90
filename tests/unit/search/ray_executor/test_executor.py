from __future__ import annotations

import json

import pytest
from ray.tune.execution.class_cache import _ActorClassCache

from hico_platform.errors import HicoError
from hico_platform.search.ray_executor import executor

SECRET = "planted-secret"


class Trainable:
    pass


@pytest.mark.parametrize(
    "name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"]
)
def test_keys_of_the_environment_are_in_no_runtime_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert executor.class_cache is not None  # it is imported before Tune makes an actor
    monkeypatch.setenv(name, SECRET)
    actor = _ActorClassCache().get(Trainable)
    assert SECRET not in json.dumps(actor._default_options, default=str)


def test_what_tune_stumbles_over_when_the_cluster_is_lost_is_the_lost_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "lost_process", lambda: "its folder /x is gone")
    with (
        pytest.raises(HicoError, match="a Ray cluster that lives as long as the search, got 'its folder /x is gone'"),
        executor._errors_explained(),
    ):
        raise FileNotFoundError("error.txt")


def test_an_error_of_a_search_whose_cluster_lives_stays_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "lost_process", lambda: None)
    with pytest.raises(FileNotFoundError, match="error"), executor._errors_explained():
        raise FileNotFoundError("error.txt")
