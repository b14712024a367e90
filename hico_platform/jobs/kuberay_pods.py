"""The pods of a RayJob: an ordinary user without rights, a root that is only read, limits, and secrets as files."""

from __future__ import annotations

import math
from typing import Any

from hico_platform.jobs.job import SearchJob

CONFIG, SECRETS, WORKER = "/etc/hico", "/run/secrets/hico", "workers"
_AWS = "aws_credentials"
_USER = 1000  # that of docker/Dockerfile
_GIB_OF_A_CPU = 4
_GRACE_S = 60
_CLOSED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def head_template(job: SearchJob, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Ray's head, where the driver runs and no trial does."""
    kuberay = job.settings.cluster.kuberay
    volumes = [{"name": "config", "configMap": {"name": name}}]
    mounts = [{"name": "config", "mountPath": CONFIG, "readOnly": True}]
    if kuberay.secret is not None:
        volumes.append({"name": "secrets", "secret": {"secretName": kuberay.secret, "defaultMode": 0o440}})
        mounts.append({"name": "secrets", "mountPath": SECRETS, "readOnly": True})
    resources = {"cpu": _cpus(kuberay.head_cpus), "memory": _memory(kuberay.head_memory_gib)}
    container = _container(job, "ray-head", resources, mounts)
    container["ports"] = [
        {"name": "gcs", "containerPort": 6379},
        {"name": "dashboard", "containerPort": 8265},
        {"name": "metrics", "containerPort": 8080},
    ]
    return _template(job, labels, container, volumes)


def worker_template(job: SearchJob, labels: dict[str, str]) -> dict[str, Any]:
    """A machine for trials, which gets neither an address nor a password of a database."""
    cluster, kuberay = job.settings.cluster, job.settings.cluster.kuberay
    memory = cluster.memory_gib or _GIB_OF_A_CPU * cluster.cpus
    resources = {"cpu": _cpus(cluster.cpus), "memory": _memory(memory)}
    if cluster.gpus:
        resources[kuberay.gpu_resource] = str(cluster.gpus)
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    if kuberay.secret is not None and reads_remote_data(job):
        keys = [{"key": _AWS, "path": _AWS}]
        secret = {"secretName": kuberay.secret, "items": keys, "defaultMode": 0o440, "optional": True}
        volumes.append({"name": "secrets", "secret": secret})
        mounts.append({"name": "secrets", "mountPath": SECRETS, "readOnly": True})
    template = _template(job, labels, _container(job, "ray-worker", resources, mounts), volumes)
    spec = template["spec"]
    spec["automountServiceAccountToken"] = kuberay.service_account is not None
    if kuberay.service_account is not None:
        spec["serviceAccountName"] = kuberay.service_account
    if kuberay.node_selector:
        spec["nodeSelector"] = dict(kuberay.node_selector)
    if cluster.gpus:
        spec["tolerations"] = [{"key": kuberay.gpu_resource, "operator": "Exists", "effect": "NoSchedule"}]
    return template


def submitter_template(job: SearchJob, labels: dict[str, str]) -> dict[str, Any]:
    """The pod that hands the command to Ray and shows its log."""
    resources = {"cpu": "500m", "memory": "1Gi"}
    container = _container(job, "ray-job-submitter", resources, [])
    container["env"] = [{"name": "HOME", "value": "/tmp"}]
    container["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}]
    spec = {**_pod(job), "restartPolicy": "Never", "automountServiceAccountToken": False}
    return {
        "metadata": {"labels": dict(labels)},
        "spec": {**spec, "containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]},
    }


def reads_remote_data(job: SearchJob) -> bool:
    """Whether workers fetch data from elsewhere."""
    return any("://" in (place or "") for place in (job.data, job.settings.transfer))


def _template(
    job: SearchJob, labels: dict[str, str], container: dict[str, Any], volumes: list[dict[str, Any]]
) -> dict[str, Any]:
    shared = [
        {"name": "home", "persistentVolumeClaim": {"claimName": job.settings.cluster.kuberay.claim}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},  # 64 MiB otherwise
    ]
    return {
        "metadata": {"labels": dict(labels)},
        "spec": {**_pod(job), "containers": [container], "volumes": [*shared, *volumes]},
    }


def _pod(job: SearchJob) -> dict[str, Any]:
    pull = job.settings.cluster.kuberay.pull_secret
    return {
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({} if pull is None else {"imagePullSecrets": [{"name": pull}]}),
    }


def _container(job: SearchJob, name: str, resources: dict[str, str], mounts: list[dict[str, Any]]) -> dict[str, Any]:
    environment = {
        "HICO_HOME": job.home,
        "RAY_USAGE_STATS_ENABLED": "0",
        "XDG_CACHE_HOME": "/tmp/cache",
        "MPLCONFIGDIR": "/tmp/matplotlib",
    }
    if job.settings.cluster.kuberay.secret is not None and reads_remote_data(job):
        environment["AWS_SHARED_CREDENTIALS_FILE"] = f"{SECRETS}/{_AWS}"
    return {
        "name": name,
        "image": job.settings.cluster.kuberay.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "securityContext": dict(_CLOSED),
        "volumeMounts": [
            {"name": "home", "mountPath": job.home},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "shm", "mountPath": "/dev/shm"},
            *mounts,
        ],
    }


def _cpus(count: float) -> str:
    return f"{math.ceil(count * 1000)}m" if count % 1 else str(int(count))


def _memory(gib: float) -> str:
    return f"{math.ceil(gib * 1024)}Mi"
