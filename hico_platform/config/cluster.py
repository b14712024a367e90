"""The ``cluster:`` section of a space file: where ``hico-platform submit`` runs the search, and with what.

Each value becomes a part of a script or a manifest, so each is held to what its place there can take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from hico_platform.config.pydantic_errors import Described, broken_rule
from hico_platform.config.schema import Number, Settings, Whole
from hico_platform.masking import credentials_in, holds_secret, masked, secrets_of

PATH = r"/[^%\"'\\\x00-\x1f\x7f]*"
PATH_RULE = "an absolute path without %, quotes, backslashes and control characters"
PATH_REMEDY = "give the folder's full path on the cluster"
_LINE = re.compile(r"[^\x00-\x1f\x7f\x85\u2028\u2029]+")
# What the script itself says of the job, or what would take its place.
_OWN_OPTIONS = frozenset(
    """
    account array batch chdir cpus-per-task error export gpus gpus-per-node hold job-name mem nodes ntasks
    ntasks-per-node open-mode output parsable partition qos requeue no-requeue signal test-only time wait wrap
    """.split()  # noqa: SIM905
)

_Path = Annotated[str | None, Field(pattern=f"^{PATH}$", max_length=4096), Described(PATH_RULE, PATH_REMEDY)]
_SlurmName = Annotated[
    str | None,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._,@+-]*$", max_length=200),
    Described("a name as Slurm has it: letters, digits and . _ , @ + -", "see sinfo and sacctmgr for what there is"),
]
_GpuType = Annotated[
    str | None,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100),
    Described("a type of GPU as Slurm has it, such as a100", "see sinfo --Format=gres for what there is"),
]
_KUBERNETES_NAME = Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)
_NAMED_THERE = Described(
    "a name as Kubernetes has it: small letters, digits, dashes and dots", "see kubectl get for what there is"
)
_KubernetesName = Annotated[str | None, _KUBERNETES_NAME, _NAMED_THERE]
_Label = Annotated[
    str | None,
    Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63),
    Described("a name of small letters, digits and dashes, at most 63", "see kubectl get for what there is"),
]
_Claim = Annotated[str, _KUBERNETES_NAME, _NAMED_THERE]
_Image = Annotated[
    str | None,
    Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]*$", max_length=500),
    Described("the name of an image, such as registry.example.org/hico-platform:1", "give what docker push was given"),
]
_Resource = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]*$", max_length=200),
    Described("the name of a resource, such as nvidia.com/gpu", "see kubectl describe node for what there is"),
]
_RedisAddress = Annotated[
    str | None,
    Field(pattern=r"^(rediss?://)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}$"),
    Described("an address of Redis without a password, such as redis:6379", "give redis_secret for the password"),
]


class SlurmConfig(Settings):
    """What Slurm asks for besides the machines."""

    partition: _SlurmName = Field(None, description="partition; none: the cluster's default")
    account: _SlurmName = Field(None, description="account that is charged; none: your default")
    qos: _SlurmName = Field(None, description="quality of service; none: your default")
    gpu_type: _GpuType = Field(None, description="type of the GPUs, such as a100; none: any")
    options: tuple[str, ...] = Field((), description="further options of sbatch, such as --constraint=ib")
    setup: tuple[str, ...] = Field(
        (), description="lines of shell that each job begins with, such as module load cuda, source venv/bin/activate"
    )
    secrets_file: _Path = Field(
        None, description="a file of NAME=value lines for the driver alone, on the cluster, mode 600: PGPASSWORD ..."
    )
    metrics: _Path = Field(
        None, description="the folder of node_exporter's textfile collector; none: metrics/ in the home"
    )
    tls: bool = Field(True, description="whether Ray's nodes speak TLS, with certificates of this job alone")
    warn_s: Whole = Field(
        120, description="seconds before its time limit at which a job saves and goes back into the queue", ge=30
    )
    requeues: Whole = Field(50, description="times a job goes back into the queue at most; 0: never", ge=0)

    @field_validator("options")
    @classmethod
    def _known_options(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for index, option in enumerate(options):
            if not _LINE.fullmatch(option) or not re.match(r"--[a-z][a-z-]*(=|$)", option):
                raise broken_rule("an option of sbatch on one line", field=(index,), remedy="write --NAME=VALUE")
            if holds_secret(option):
                raise broken_rule(
                    "an option without a secret, since every account of the cluster sees it",
                    field=(index,),
                    value=masked(option, secrets=secrets_of(option)),
                    remedy="put it into the file that slurm.secrets_file names",
                )
            name = option.split("=")[0].removeprefix("--")
            if name in _OWN_OPTIONS:
                raise broken_rule(
                    "an option that the script does not give itself", field=(index,), remedy="set it under cluster:"
                )
        return options

    @field_validator("setup")
    @classmethod
    def _one_line_each(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        for index, line in enumerate(lines):
            if not _LINE.fullmatch(line):
                raise broken_rule(
                    "one line of shell", field=(index,), remedy="write a list with an entry for each line"
                )
            if holds_secret(line):
                raise broken_rule(
                    "a line without a secret, since the space is kept with the search",
                    field=(index,),
                    value=masked(line, secrets=secrets_of(line)),
                    remedy="put it into the file that slurm.secrets_file names",
                )
        return lines


class KubeRayConfig(Settings):
    """What Kubernetes asks for besides the machines."""

    namespace: _Label = Field(None, description="namespace; none: that of kubectl's context")
    image: _Image = Field(None, description="the image of driver, head and workers (docker/Dockerfile)")
    claim: _Claim = Field("hico-home", description="volume claim of the home, which many pods mount at once")
    claim_gib: Whole | None = Field(
        None, description="size of that claim, to be made if missing; none: it is there", ge=1
    )
    storage_class: _KubernetesName = Field(None, description="storage class of a claim that is made")
    queue: _Label = Field(None, description="Kueue's local queue; none: starts at once")
    secret: _KubernetesName = Field(
        None, description="Secret of files: hico_database, mlflow_credentials, aws_credentials"
    )
    redis: _RedisAddress = Field(None, description="HOST:PORT of a Redis that outlives Ray's head; none: no such")
    redis_secret: _KubernetesName = Field(None, description="Secret with that Redis's password, key password")
    min_nodes: Whole = Field(0, description="workers that are kept while none is wanted", ge=0)
    idle_minutes: Number = Field(5.0, description="minutes without a trial after which a worker is given back", gt=0)
    keep_minutes: Number = Field(10.0, description="minutes for which a finished Ray cluster stays, for its logs", ge=0)
    retries: Whole = Field(3, description="times the search is taken up again when its Ray cluster was lost", ge=0)
    head_cpus: Number = Field(2.0, description="CPUs of Ray's head, where the driver runs", gt=0)
    head_memory_gib: Number = Field(8.0, description="memory of Ray's head", gt=0)
    gpu_resource: _Resource = Field("nvidia.com/gpu", description="what Kubernetes calls a GPU")
    node_selector: Mapping[str, str] = Field(default_factory=dict, description="labels of the nodes for workers")
    service_account: _KubernetesName = Field(None, description="service account of workers, for S3 by identity")
    pull_secret: _KubernetesName = Field(None, description="Secret by which the image is pulled")
    tls: bool = Field(False, description="whether Ray's pods speak TLS, by KubeRay's RayClusterMTLS and cert-manager")


class ClusterConfig(Settings):
    """Where submit runs the search: machines, time, folders; slurm and kuberay have what only one of them knows."""

    nodes: Whole = Field(1, description="machines for trials; on Kubernetes the most workers", ge=1)
    cpus: Whole = Field(8, description="CPUs of each", ge=1)
    gpus: Whole = Field(0, description="GPUs of each", ge=0)
    memory_gib: Number | None = Field(
        None, description="memory of each; none: the partition's default, on Kubernetes 4 GiB for each CPU", gt=0
    )
    hours: Number | None = Field(
        None, description="time limit of one job; none: the partition's default, on Kubernetes no limit", gt=0
    )
    home: _Path = Field(
        None, description="the home as the cluster sees it; none: submit's own, on Kubernetes /hico on the claim"
    )
    storage: str | None = Field(None, description="study database on a server, without a password; none: in the home")
    tracking: str | None = Field(None, description="MLflow's server, without a password; none: in the home")
    slurm: SlurmConfig = Field(default_factory=SlurmConfig)
    kuberay: KubeRayConfig = Field(default_factory=KubeRayConfig)

    @field_validator("storage", "tracking")
    @classmethod
    def _no_password(cls, address: str | None) -> str | None:
        if address is None:
            return None
        if credentials_in(address) or secrets_of(address):
            raise broken_rule(
                "an address without a password, since the space is kept with the search",
                value=masked(address, secrets=secrets_of(address)),
                remedy="put the password into slurm.secrets_file or kuberay.secret",
            )
        if "://" not in address or not _LINE.fullmatch(address) or " " in address:
            raise broken_rule("an address, such as https://HOST", remedy="write it as SCHEME://HOST/NAME")
        return address
