from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import ray

from hico_platform.search.ray_executor import cluster_look as module
from hico_platform.search.ray_executor.cluster_look import look_at_cluster

LIVE, DEAD = {"Alive": True}, {"Alive": False}


@pytest.mark.parametrize(
    ("nodes", "held", "words"),
    [
        ([LIVE], {"CPU": 8.0, "GPU": 2.0, "memory": 1e9}, "1 machine, 8 CPUs, 2 GPUs"),
        ([LIVE, DEAD, LIVE], {"CPU": 12.5}, "2 machines, 12.5 CPUs, 0 GPUs"),
    ],
)
def test_what_is_there(
    nodes: Sequence[Mapping[str, bool]], held: Mapping[str, float], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[Any] = []

    @contextmanager
    def cluster(**options: Any) -> Iterator[None]:
        joined.append(options)
        yield
        joined.append("left")

    monkeypatch.setattr(module, "ray_cluster", cluster)
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(ray, "cluster_resources", lambda: held)
    assert look_at_cluster("10.0.0.7:6379") == f"Ray {ray.__version__}, {words}"
    assert joined == [{"address": "10.0.0.7:6379", "cpus": None, "gpus": None}, "left"]
