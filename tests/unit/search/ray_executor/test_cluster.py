from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from hico_platform.errors import UsageError
from hico_platform.search.ray_executor.cluster import _private_cluster_environment, ray_cluster


def test_rays_client_is_refused() -> None:
    with (
        pytest.raises(
            UsageError, match=r"--address: expected the address of a cluster that this machine belongs to.*ray job"
        ),
        ray_cluster(address="ray://head:10001", cpus=None, gpus=None),
    ):
        pass


def test_a_runtime_environment_that_is_none() -> None:
    with (
        pytest.raises(UsageError, match=r"--runtime-env: expected a runtime environment as Ray takes it, got .*conda"),
        ray_cluster(address=None, cpus=1, gpus=0, runtime_env={"env_vars": {"A": "b"}, "conda": 3}),
    ):
        pass


def test_an_address_at_which_nobody_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (
        pytest.raises(
            UsageError, match=rf"--address: expected a Ray cluster that can be reached.*{address} \(.*refused\)"
        ),
        ray_cluster(address=address, cpus=None, gpus=None),
    ):
        pass


@pytest.mark.slow
def test_how_the_driver_uses_tune_is_not_the_environments_to_say() -> None:
    names = (
        "TUNE_RESULT_BUFFER_LENGTH",
        "TUNE_RESULT_BUFFER_MIN_TIME_S",
        "RAY_AIR_NEW_OUTPUT",
        "RAY_USAGE_STATS_ENABLED",
    )
    code = (
        f"import os; import hico_platform.search.ray_executor.cluster; print([os.environ[name] for name in {names!r}])"
    )
    environment = {**os.environ, **dict.fromkeys(names, "7")}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == "['1', '0', '0', '7']"


def test_a_process_has_one_token_for_all_its_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray keeps the first one that it reads: with another a later cluster would not let this process in."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of another cluster")
    seen = set()
    for _ in range(2):
        with _private_cluster_environment():
            seen.add(os.environ["RAY_AUTH_TOKEN"])
    assert len(seen) == 1
    assert len(seen.pop()) == 64
    assert os.environ["RAY_AUTH_TOKEN"] == "of another cluster"
