from __future__ import annotations

import logging

import pytest

from hico_platform.search.ray_executor.cluster_nodes import ClusterNodes
from hico_platform.search.resources import TrialResources


class Cluster:
    """Nodes, and a clock."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, float]] = [{"CPU": 1.0}, {"CPU": 2.0}]
        self.now_s = 0.0

    def watched(self, *, cpus: float, may_grow: bool = True) -> ClusterNodes:
        trial = TrialResources(cpus=cpus, gpus=0)
        return ClusterNodes(trial, may_grow=may_grow, nodes=lambda: self.nodes, clock=lambda: self.now_s)


def test_it_warns_once_a_minute_until_a_node_has_joined(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster()
    nodes = cluster.watched(cpus=4)
    with caplog.at_level(logging.WARNING):
        for second in range(150):
            cluster.now_s = float(second)
            nodes.warn_if_none_fits()
        assert len(caplog.messages) == 3
        assert "it wants 4 CPUs on one machine" in caplog.messages[0]
        cluster.nodes.append({"CPU": 8.0})
        cluster.now_s = 500.0
        nodes.warn_if_none_fits()
        assert len(caplog.messages) == 3
    assert nodes.trials_at_once() == 2


def test_one_trial_is_asked_for_where_none_fits() -> None:
    """An autoscaler sees what is wanted."""
    assert Cluster().watched(cpus=4).trials_at_once() == 1


def test_a_cluster_of_its_own_was_checked_before(caplog: pytest.LogCaptureFixture) -> None:
    Cluster().watched(cpus=4, may_grow=False).warn_if_none_fits()
    assert not caplog.messages
