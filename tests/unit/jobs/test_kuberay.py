"""The RayJob and what lies beside it: kept rules, and no value of a space that is anything but a value."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import yaml

from hico_platform.config.space import space_of
from hico_platform.jobs.job import SearchJob
from hico_platform.jobs.kuberay import kuberay_manifest, kuberay_name, trials_at_once
from tests.unit.jobs.kubernetes_rules import broken
from tests.unit.jobs.test_job import job_of

IMAGE = "registry.example.org/hico:1"
EVERYTHING = {
    "nodes": 4, "cpus": 8, "gpus": 2, "memory_gib": 48.5, "hours": 24,
    "storage": "postgresql+psycopg://hico@db:6432/hico?service=hico", "tracking": "https://mlflow.example.org",
    "kuberay": {
        "namespace": "vision", "image": IMAGE, "claim_gib": 200, "storage_class": "nfs", "secret": "hico",
        "redis": "rediss://redis:6380", "redis_secret": "redis-password", "min_nodes": 1, "tls": True,
        "node_selector": {"nvidia.com/gpu.product": "A100"}, "service_account": "reader", "pull_secret": "pull",
    },
}  # fmt: skip


def documents(job: SearchJob) -> dict[str, Any]:
    """Documents by kind and what their name has beyond the submission's."""
    name = kuberay_name(job, "a1b2c3")
    found = list(yaml.safe_load_all(kuberay_manifest(job, unique="a1b2c3")))
    assert broken(found) == []
    return {
        part["kind"] + part["metadata"]["name"].removeprefix(name).removeprefix("hico-home"): part for part in found
    }


def cluster_of(found: dict[str, Any]) -> dict[str, Any]:
    cluster: dict[str, Any] = found["RayJob"]["spec"]["rayClusterSpec"]
    return cluster


@pytest.mark.parametrize(
    "cluster",
    [
        {"kuberay": {"image": IMAGE}},
        EVERYTHING,
        {"nodes": 3, "gpus": 1, "kuberay": {"image": IMAGE, "queue": "team"}},
        {"cpus": 1, "kuberay": {"image": IMAGE, "secret": "s", "head_cpus": 1.5, "keep_minutes": 0}},
    ],
)
@pytest.mark.parametrize("data", [None, "/hico/ntu60", "s3://bucket/ntu60"])
def test_rules_of_kubernetes_and_kuberay_are_kept(cluster: dict[str, object], data: str | None) -> None:
    documents(job_of(cluster, home="/hico", data=data))


def test_everything_that_a_space_may_ask_for() -> None:
    found = documents(job_of(EVERYTHING, home="/hico", data="s3://bucket/ntu60"))
    spec, cluster = found["RayJob"]["spec"], cluster_of(found)
    assert found["RayJob"]["metadata"]["namespace"] == "vision"
    assert (spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"], spec["backoffLimit"]) == (86400, 600, 3)
    assert (cluster["rayVersion"], cluster["authOptions"]) == ("2.60.0", {"mode": "token"})
    assert cluster["tlsOptions"] == {"enabled": True}
    assert cluster["gcsFaultToleranceOptions"] == {
        "redisAddress": "rediss://redis:6380",
        "redisPassword": {"valueFrom": {"secretKeyRef": {"name": "redis-password", "key": "password"}}},
    }
    assert cluster["enableInTreeAutoscaling"] is True
    [workers] = cluster["workerGroupSpecs"]
    assert (workers["minReplicas"], workers["maxReplicas"]) == (1, 4)
    [container] = workers["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "8", "memory": "49664Mi", "nvidia.com/gpu": "2"}
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert workers["template"]["spec"]["nodeSelector"] == {"nvidia.com/gpu.product": "A100"}
    assert workers["template"]["spec"]["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert found["PersistentVolumeClaim"]["spec"]["storageClassName"] == "nfs"


def test_no_trial_runs_where_the_driver_does_and_workers_know_no_store() -> None:
    cluster = cluster_of(documents(job_of(EVERYTHING, home="/hico")))
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    workers = yaml.safe_dump(cluster["workerGroupSpecs"])
    assert "mlflow" not in workers
    assert "hico_database" not in workers
    assert "secretName" not in workers, "data is in the home"
    with_data = yaml.safe_dump(cluster_of(documents(job_of(EVERYTHING, home="/hico", data="s3://b/d"))))
    assert "aws_credentials" in with_data


def test_kueue_gives_all_machines_or_none() -> None:
    found = documents(job_of({"nodes": 3, "kuberay": {"image": IMAGE, "queue": "team"}}))
    assert found["RayJob"]["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    assert found["RayJob"]["spec"]["suspend"] is True
    [workers] = cluster_of(found)["workerGroupSpecs"]
    assert (workers["replicas"], workers["minReplicas"], workers["maxReplicas"]) == (3, 3, 3)
    assert "enableInTreeAutoscaling" not in cluster_of(found)


def test_who_talks_to_whom() -> None:
    found = documents(job_of(EVERYTHING, home="/hico", data="s3://b/d"))
    own = {"podSelector": {"matchLabels": {"hico-platform/job": "hico-mine-a1b2c3"}}}
    everyone, head, workers = (found[f"NetworkPolicy{end}"]["spec"] for end in ("", "-head", "-workers"))
    assert everyone["podSelector"] == own["podSelector"]
    assert everyone["ingress"] == [{"from": [own]}]
    assert [port["port"] for port in head["egress"][0]["ports"]] == [443, 6380, 6432, 6443]
    assert [rule["ports"][0]["port"] for rule in head["ingress"]] == [8265, 8080]
    assert workers["ingress"] == []
    cleanup = found["NetworkPolicy-redis"]["spec"]
    assert cleanup["podSelector"]["matchLabels"]["ray.io/node-type"] == "redis-cleanup"
    assert cleanup["egress"] == [{"ports": [{"protocol": "TCP", "port": 6380}]}]
    assert "NetworkPolicy-workers" not in documents(job_of(EVERYTHING, home="/hico"))


@pytest.mark.parametrize(
    "value", ["$(touch owned)", "'; touch owned; '", '"\n---\nkind: Pod\n', "a: &x [*x]", "\\\n`id`"]
)
def test_a_hostile_value_is_a_value(value: str) -> None:
    job = job_of(
        {"kuberay": {"image": IMAGE, "node_selector": {}}}, home="/hico", data=f"/hico/{value}", space_text=value
    )
    found = documents(job)
    assert sorted(found) == ["ConfigMap", "NetworkPolicy", "NetworkPolicy-head", "RayJob"]
    assert found["ConfigMap"]["data"]["space.yaml"] == value
    script = found["ConfigMap"]["data"]["search.sh"]
    words = shlex.split(script[script.index("exec ") :])
    assert words[words.index("--data") + 1] == f"/hico/{value}"
    assert found["RayJob"]["spec"]["entrypoint"] == "sh /etc/hico/search.sh"


def test_as_many_trials_wait_as_all_workers_hold() -> None:
    def at_once(cpus: float, gpus: float | str) -> int:
        space = space_of({
            "name": "mine", "search": {"contrast.temperature": {"low": 0.05, "high": 0.5}},
            "cluster": {"nodes": 3, "cpus": 8, "gpus": 2}, "resources": {"cpus": cpus, "gpus": gpus},
        })  # fmt: skip
        return trials_at_once(job_of(settings=space.settings))

    assert at_once(1, 0) == 24
    assert at_once(3, 0) == 6
    assert at_once(1, 1) == 6
    assert at_once(1, 0.3) == 18
    assert at_once(1, "auto") == 6
    assert at_once(8, 0.25) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Mine_2.0", "hico-mine-2-0-a1b2c3"),
        ("x" * 100, f"hico-{'x' * 35}-a1b2c3"),
        ("9", "hico-9-a1b2c3"),
        ("A" + "-" * 60 + "B", "hico-a-a1b2c3"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert kuberay_name(job_of(name=name), "a1b2c3") == expected
    assert len(expected) <= 47
