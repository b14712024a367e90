"""Rules of Kubernetes and of KubeRay that a manifest keeps, checked without either.

They are written from Kubernetes's reference and from KubeRay's types and validation (ray.io/v1), and hold what this
project uses of them: a field that is not here is an error, so that a new one is looked up first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
QUANTITY = re.compile(r"[0-9]+(m|Mi|Gi)?")
MOST_OF_A_RAY_JOB = 47

POD = {
    "terminationGracePeriodSeconds": int, "securityContext": dict, "containers": list, "volumes": list,
    "imagePullSecrets": list, "automountServiceAccountToken": bool, "serviceAccountName": str, "nodeSelector": dict,
    "tolerations": list, "restartPolicy": str,
}  # fmt: skip
CONTAINER = {
    "name": str, "image": str, "imagePullPolicy": str, "env": list, "resources": dict, "securityContext": dict,
    "volumeMounts": list, "ports": list,
}  # fmt: skip
RAY_JOB = {
    "submissionMode": str, "entrypoint": str, "shutdownAfterJobFinishes": bool, "ttlSecondsAfterFinished": int,
    "backoffLimit": int, "activeDeadlineSeconds": int, "suspend": bool, "submitterPodTemplate": dict,
    "rayClusterSpec": dict,
}  # fmt: skip
RAY_CLUSTER = {
    "rayVersion": str, "authOptions": dict, "tlsOptions": dict, "gcsFaultToleranceOptions": dict,
    "enableInTreeAutoscaling": bool, "autoscalerOptions": dict, "headGroupSpec": dict, "workerGroupSpecs": list,
}  # fmt: skip
WORKER_GROUP = {
    "groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int, "rayStartParams": dict, "template": dict,
}  # fmt: skip


def broken(documents: list[Mapping[str, Any]]) -> list[str]:
    """What is wrong with a manifest, each with its place."""
    return [f"{document.get('kind')}: {wrong}" for document in documents for wrong in _document(document)]


def _document(document: Mapping[str, Any]) -> Iterator[str]:
    metadata = document["metadata"]
    if not NAME.fullmatch(metadata["name"]) or len(metadata["name"]) > 63:
        yield f"name {metadata['name']}"
    yield from _labels(metadata.get("labels", {}), "metadata.labels")
    match document["kind"]:
        case "RayJob":
            yield from _ray_job(document)
        case "ConfigMap":
            if not all(isinstance(text, str) for text in document["data"].values()):
                yield "data that is not text"
            if sum(map(len, document["data"].values())) > 2**20:
                yield "more than 1 MiB"
        case "NetworkPolicy":
            yield from _selectors(document["spec"])
        case "PersistentVolumeClaim":
            if not QUANTITY.fullmatch(document["spec"]["resources"]["requests"]["storage"]):
                yield "a size that is no quantity"
        case kind:
            yield f"an unknown kind {kind}"


def _labels(labels: Mapping[str, Any], where: str) -> Iterator[str]:
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key) or not isinstance(value, str) or not LABEL_VALUE.fullmatch(value):
            yield f"{where}: {key}: {value!r}"


def _fields(part: Mapping[str, Any], known: Mapping[str, type], where: str) -> Iterator[str]:
    for key, value in part.items():
        if key not in known:
            yield f"{where}: a field that is not known here: {key}"
        elif type(value) is not known[key]:
            yield f"{where}.{key}: {value!r} is no {known[key].__name__}"


def _selectors(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        yield from _labels(part.get("matchLabels", {}), "matchLabels")
        for inner in part.values():
            yield from _selectors(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _selectors(inner)


def _ray_job(document: Mapping[str, Any]) -> Iterator[str]:
    spec, name = document["spec"], document["metadata"]["name"]
    if len(name) > MOST_OF_A_RAY_JOB:
        yield f"a name of more than {MOST_OF_A_RAY_JOB} characters"
    yield from _fields(spec, RAY_JOB, "spec")
    if spec["ttlSecondsAfterFinished"] and not spec["shutdownAfterJobFinishes"]:
        yield "ttlSecondsAfterFinished without shutdownAfterJobFinishes"
    if spec.get("suspend") and not spec["shutdownAfterJobFinishes"]:
        yield "suspend without shutdownAfterJobFinishes"
    if not re.fullmatch(r"[A-Za-z0-9 ./_-]+", spec["entrypoint"]):
        yield "an entrypoint that a shell would change"
    cluster = spec["rayClusterSpec"]
    yield from _fields(cluster, RAY_CLUSTER, "rayClusterSpec")
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        if not all(isinstance(value, str) for value in group["rayStartParams"].values()):
            yield "rayStartParams that are no texts"
    for group in cluster["workerGroupSpecs"]:
        yield from _fields(group, WORKER_GROUP, "workerGroupSpecs")
        if not 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]:
            yield "replicas out of their bounds"
    for template in [spec["submitterPodTemplate"], *(group["template"] for group in groups)]:
        yield from _labels(template["metadata"]["labels"], "template.metadata.labels")
        yield from _pod(template["spec"])


def _pod(pod: Mapping[str, Any]) -> Iterator[str]:
    yield from _fields(pod, POD, "pod")
    if not pod["securityContext"].get("runAsNonRoot") or pod["securityContext"].get("runAsUser", 0) == 0:
        yield "a pod that may run as root"
    if pod["securityContext"].get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "a pod without a seccomp profile"
    volumes = [volume["name"] for volume in pod["volumes"]]
    for container in pod["containers"]:
        yield from _fields(container, CONTAINER, "container")
        context = container["securityContext"]
        if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities") != {"drop": ["ALL"]}:
            yield "a container with rights"
        mounted = [mount["name"] for mount in container["volumeMounts"]]
        if not set(mounted) <= set(volumes) or len(set(volumes)) < len(volumes):
            yield f"volumes {volumes}, mounts {mounted}"
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        if len(set(paths)) < len(paths) or not all(path.startswith("/") and ":" not in path for path in paths):
            yield f"mount paths {paths}"
        for kind in ("requests", "limits"):
            found = container["resources"][kind]
            if not {"cpu", "memory"} <= found.keys() or not all(QUANTITY.fullmatch(value) for value in found.values()):
                yield f"{kind} {found}"
        for variable in container["env"]:
            if not isinstance(variable.get("value", ""), str):
                yield f"a variable that is no text: {variable}"
