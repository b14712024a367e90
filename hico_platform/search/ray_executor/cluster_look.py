"""Looks at an existing Ray cluster without running anything on it."""

from __future__ import annotations

from hico_platform.search.ray_executor.cluster import ray_cluster

import ray  # isort: skip  (the cluster module sets what Ray reads at import)


def look_at_cluster(address: str) -> str:
    """Joins and leaves; says which Ray it runs, on how many machines, with what.

    Raises:
        UsageError: it cannot be joined, such as a cluster of another version.
    """
    with ray_cluster(address=address, cpus=None, gpus=None):
        nodes = [node for node in ray.nodes() if node["Alive"]]
        held = ray.cluster_resources()
        machines = f"{len(nodes)} machine{'' if len(nodes) == 1 else 's'}"
        return f"Ray {ray.__version__}, {machines}, {held.get('CPU', 0):g} CPUs, {held.get('GPU', 0):g} GPUs"
