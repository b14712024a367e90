"""Who may talk to the pods of a RayJob, and to whom they may: rules of Kubernetes's NetworkPolicy."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from hico_platform.jobs.job import SearchJob
from hico_platform.jobs.kuberay_pods import WORKER, reads_remote_data

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}
_DASHBOARD, _METRICS = 8265, 8080
_API_SERVER = (443, 6443)


def network_policies(job: SearchJob, *, name: str, label: str) -> list[dict[str, Any]]:
    """The policies of one submission, which add up.

    Its pods talk to each other and to the name service. The head alone is reached by KubeRay's operator and by
    Prometheus, and alone reaches the stores; workers reach no other machine, unless data is elsewhere.
    """
    own = {"podSelector": {"matchLabels": {label: name}}}
    everywhere: dict[str, Any] = {"namespaceSelector": {}}
    head = {"matchLabels": {label: name, "ray.io/node-type": "head"}}
    policies = [
        _policy(
            job, name, label, name, {"matchLabels": {label: name}},
            ingress=[{"from": [own]}],
            egress=[{"to": [own]}, {"to": [everywhere], "ports": [*_ports([53], "UDP"), *_ports([53])]}],
        ),
        _policy(
            job, f"{name}-head", label, name, head,
            ingress=[
                {"from": [_named("kuberay-operator")], "ports": _ports([_DASHBOARD])},
                {"from": [_named("prometheus")], "ports": _ports([_METRICS])},
            ],
            egress=[{"ports": _ports(_head_ports(job))}],
        ),
    ]  # fmt: skip
    redis = job.settings.cluster.kuberay.redis
    if redis is not None:  # KubeRay's pod that clears it when the Ray cluster goes
        cleanup = {"matchLabels": {label: name, "ray.io/node-type": "redis-cleanup"}}
        ports = _ports([_port_of(redis)])
        policies.append(_policy(job, f"{name}-redis", label, name, cleanup, ingress=[], egress=[{"ports": ports}]))
    if reads_remote_data(job):
        workers = {"matchLabels": {label: name, "ray.io/group": WORKER}}
        policies.append(
            _policy(job, f"{name}-workers", label, name, workers, ingress=[], egress=[{"ports": _ports([443])}])
        )
    return policies


def _head_ports(job: SearchJob) -> list[int]:
    """Kubernetes's API, for the autoscaler, and what the space names."""
    cluster = job.settings.cluster
    found = set(_API_SERVER)
    for address in (cluster.storage, cluster.tracking):
        if address is not None:
            parts = urlsplit(address)
            found.add(parts.port or _PORTS.get(parts.scheme.partition("+")[0], 443))
    if cluster.kuberay.redis is not None:
        found.add(_port_of(cluster.kuberay.redis))
    return sorted(found)


def _port_of(redis: str) -> int:
    return int(redis.rpartition(":")[2])


def _policy(
    job: SearchJob,
    name: str,
    label: str,
    mark: str,
    pods: dict[str, Any],
    *,
    ingress: list[dict[str, Any]],
    egress: list[dict[str, Any]],
) -> dict[str, Any]:
    namespace = job.settings.cluster.kuberay.namespace
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": name,
            **({} if namespace is None else {"namespace": namespace}),
            "labels": {label: mark, "app.kubernetes.io/part-of": "hico-platform"},
        },
        "spec": {"podSelector": pods, "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress},
    }


def _named(application: str) -> dict[str, Any]:
    """Pods of an application, in any namespace."""
    return {
        "namespaceSelector": {},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": application}},
    }


def _ports(numbers: list[int], protocol: str = "TCP") -> list[dict[str, Any]]:
    return [{"protocol": protocol, "port": number} for number in numbers]
