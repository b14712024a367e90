"""A search as a RayJob for KubeRay, with what it needs beside it: the space, the network's rules, a volume claim.

Every value goes through the YAML writer, and the command through a file, since KubeRay puts an entrypoint into a shell
twice. Secrets are named, and mounted as files.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from hico_platform.config.yaml_writer import yaml_documents
from hico_platform.jobs.job import SearchJob
from hico_platform.jobs.kuberay_network import network_policies
from hico_platform.jobs.kuberay_pods import CONFIG, SECRETS, WORKER, head_template, submitter_template, worker_template

LABEL = "hico-platform/job"
_MOST = 47  # characters of a RayJob's name: KubeRay adds to it


def kuberay_manifest(job: SearchJob, *, unique: str) -> str:
    """All documents, as YAML.

    Args:
        job: the search; its image is set.
        unique: what makes the names of this submission differ from those of others: a few small letters and digits.
    """
    parts = [
        *_claim(job),
        _config_map(job, unique),
        *network_policies(job, name=kuberay_name(job, unique), label=LABEL),
        _ray_job(job, unique),
    ]
    return yaml_documents(parts)


def kuberay_name(job: SearchJob, unique: str) -> str:
    """The name of a submission: without capitals and dots, and with fewer characters than a search may have."""
    short = re.sub(r"[^a-z0-9-]+", "-", job.name.lower()).strip("-")[: _MOST - len("hico--") - len(unique)].strip("-")
    return f"hico-{short or 'search'}-{unique}"


def trials_at_once(job: SearchJob) -> int:
    """As many as all workers hold together: an autoscaler starts machines only for trials that are waiting."""
    cluster, trial = job.settings.cluster, job.settings.resources
    rooms = [int(cluster.cpus // trial.cpus)]
    gpus = trial.gpus if isinstance(trial.gpus, float) else 1.0
    if gpus > 0:
        rooms.append(int(cluster.gpus // gpus) if gpus >= 1 else int(cluster.gpus * (1 // gpus)))
    return max(1, min(rooms)) * cluster.nodes


def _metadata(job: SearchJob, name: str, unique: str, **labels: str) -> dict[str, Any]:
    namespace = job.settings.cluster.kuberay.namespace
    mark = {LABEL: kuberay_name(job, unique), "app.kubernetes.io/part-of": "hico-platform"}
    return {"name": name, **({} if namespace is None else {"namespace": namespace}), "labels": {**mark, **labels}}


def _claim(job: SearchJob) -> list[dict[str, Any]]:
    kuberay = job.settings.cluster.kuberay
    if kuberay.claim_gib is None:
        return []
    metadata: dict[str, Any] = {"name": kuberay.claim}
    if kuberay.namespace is not None:
        metadata["namespace"] = kuberay.namespace
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": f"{kuberay.claim_gib}Gi"}},
    }
    if kuberay.storage_class is not None:
        spec["storageClassName"] = kuberay.storage_class
    return [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}]


def _config_map(job: SearchJob, unique: str) -> dict[str, Any]:
    name = kuberay_name(job, unique)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(job, name, unique),
        "immutable": True,
        "data": {"space.yaml": job.space_text, "search.sh": _script(job)},
    }


def _script(job: SearchJob) -> str:
    """What Ray runs on its head: the search, with what the driver alone may know."""
    cluster = job.settings.cluster
    given = {"HICO_STORAGE": cluster.storage, "MLFLOW_TRACKING_URI": cluster.tracking}
    lines = [
        "#!/bin/sh",
        "set -eu",
        *(f"export {name}={shlex.quote(address)}" for name, address in given.items() if address is not None),
    ]
    if cluster.kuberay.secret is not None:
        lines += [
            "export HOME=/tmp/home",
            'mkdir -p "$HOME/.mlflow"',
            f'[ ! -f {SECRETS}/mlflow_credentials ] || ln -sf {SECRETS}/mlflow_credentials "$HOME/.mlflow/credentials"',
            f"[ ! -f {SECRETS}/hico_database ] || export PGSERVICEFILE={SECRETS}/hico_database",
        ]
    metrics = shlex.quote(f"{job.home.rstrip('/')}/metrics")
    command = " ".join(shlex.quote(word) for word in job.words)
    limit = "" if job.settings.resources.max_concurrent else f" --set resources.max_concurrent={trials_at_once(job)}"
    lines += [
        f"mkdir -p {metrics}",
        f"exec {command} \\",
        f"  --space {CONFIG}/space.yaml --metrics-file {metrics}/{job.name}.prom --address auto{limit}",
    ]
    return "\n".join(lines) + "\n"


def _ray_job(job: SearchJob, unique: str) -> dict[str, Any]:
    cluster, kuberay = job.settings.cluster, job.settings.cluster.kuberay
    name = kuberay_name(job, unique)
    queued = {} if kuberay.queue is None else {"kueue.x-k8s.io/queue-name": kuberay.queue}
    spec: dict[str, Any] = {
        "submissionMode": "K8sJobMode",
        "entrypoint": f"sh {CONFIG}/search.sh",
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": round(kuberay.keep_minutes * 60),
        "backoffLimit": kuberay.retries,
    }
    if cluster.hours is not None:
        spec["activeDeadlineSeconds"] = max(1, round(cluster.hours * 3600))
    if kuberay.queue is not None:
        spec["suspend"] = True  # Kueue lets it begin
    spec["submitterPodTemplate"] = submitter_template(job, {LABEL: name})
    spec["rayClusterSpec"] = _ray_cluster(job, name)
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": _metadata(job, name, unique, **queued),
        "spec": spec,
    }


def _ray_cluster(job: SearchJob, name: str) -> dict[str, Any]:
    cluster, kuberay = job.settings.cluster, job.settings.cluster.kuberay
    fewest = cluster.nodes if kuberay.queue is not None else min(kuberay.min_nodes, cluster.nodes)
    spec: dict[str, Any] = {"rayVersion": job.ray_version, "authOptions": {"mode": "token"}}
    if kuberay.tls:
        spec["tlsOptions"] = {"enabled": True}
    if kuberay.redis is not None:
        password = {"name": kuberay.redis_secret, "key": "password"}
        spec["gcsFaultToleranceOptions"] = {
            "redisAddress": kuberay.redis,
            **({} if kuberay.redis_secret is None else {"redisPassword": {"valueFrom": {"secretKeyRef": password}}}),
        }
    if kuberay.queue is None:  # Kueue gives all machines or none
        spec["enableInTreeAutoscaling"] = True
        spec["autoscalerOptions"] = {
            "version": "v2",
            "upscalingMode": "Default",
            "idleTimeoutSeconds": max(1, round(kuberay.idle_minutes * 60)),
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "resources": {
                "requests": {"cpu": "500m", "memory": "512Mi"},
                "limits": {"cpu": "500m", "memory": "512Mi"},
            },
        }
    store = {"disable-usage-stats": "true", "object-store-memory": "1000000000"}
    spec["headGroupSpec"] = {
        "rayStartParams": {"num-cpus": "0", "num-gpus": "0", "dashboard-host": "0.0.0.0", **store},
        "template": head_template(job, name, {LABEL: name}),
    }
    spec["workerGroupSpecs"] = [
        {
            "groupName": WORKER,
            "replicas": fewest,
            "minReplicas": fewest,
            "maxReplicas": cluster.nodes,
            "rayStartParams": store,
            "template": worker_template(job, {LABEL: name}),
        }
    ]
    return spec
