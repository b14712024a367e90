"""A search as a script for sbatch: it saves and goes back into the queue before its time is up, until it is done.

On one node the search starts a Ray cluster of its own. On several, the script starts one over them, with a token and
certificates that this run of the job makes for itself.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator

from hico_platform.config.cluster import ClusterConfig
from hico_platform.jobs.job import SearchJob
from hico_platform.jobs.slurm_parts import BEGIN, CLUSTER, DRIVER, END, NODE

_MOST_DAYS = 400
_LOGS = "jobs"


def slurm_script(job: SearchJob) -> str:
    """The whole script; every value of the space is quoted, and none of them is a secret.

    ``--no-kill`` keeps a job whose node was lost: its trials go on elsewhere. ``--export=NONE`` keeps the passwords of
    the shell that submits out of the job.
    """
    cluster = job.settings.cluster
    several = cluster.nodes > 1
    parts = [
        "#!/bin/bash -l",
        f"# The search {job.name}, written by hico-platform {job.version} submit (hico-platform help submit).",
        *(f"#SBATCH {option}" for option in _options(job)),
        "set -e -o pipefail",
        "unset SLURM_EXPORT_ENV  # what follows is for the job's steps too",
        *cluster.slurm.setup,
        "set -u",
        *_values(job),
        BEGIN,
        _written("$work/space.yaml", job.space_text),
    ]
    if several:
        parts += [_written("$work/node.sh", NODE), CLUSTER]
    parts += [DRIVER.replace("@SEARCH@", _search(job)), END]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def slurm_log(job: SearchJob, number: int | str) -> str:
    """The file that a job writes to; ``number`` is its own, or Slurm's sign for it."""
    return f"{slurm_folder(job)}/hico-{job.name}-{number}.log"


def slurm_folder(job: SearchJob) -> str:
    """Where jobs of a home keep their logs, which has to be there before one begins."""
    return f"{job.home.rstrip('/')}/{_LOGS}"


def _options(job: SearchJob) -> Iterator[str]:
    cluster, slurm = job.settings.cluster, job.settings.cluster.slurm
    yield f"--job-name=hico-{job.name}"
    for name, value in (("partition", slurm.partition), ("account", slurm.account), ("qos", slurm.qos)):
        if value is not None:
            yield f"--{name}={value}"
    yield f"--nodes={cluster.nodes}"
    yield "--ntasks-per-node=1"
    yield f"--cpus-per-task={cluster.cpus}"
    if cluster.gpus:
        yield f"--gpus-per-node={slurm.gpu_type + ':' if slurm.gpu_type else ''}{cluster.gpus}"
    if cluster.memory_gib is not None:
        yield f"--mem={math.ceil(cluster.memory_gib * 1024)}M"
    if cluster.hours is not None:
        yield f"--time={_time(cluster.hours)}"
    if cluster.nodes > 1:
        yield "--no-kill"
    yield "--requeue"
    yield f"--signal=B:USR1@{slurm.warn_s}"
    yield "--open-mode=append"
    yield "--export=NONE"
    yield f'--chdir="{job.home}"'
    yield f'--output="{slurm_log(job, "%j")}"'
    yield from slurm.options


def _time(hours: float) -> str:
    minutes = max(1, round(hours * 60))
    return f"{minutes // 1440}-{minutes // 60 % 24:02}:{minutes % 60:02}:00"


def _values(job: SearchJob) -> Iterator[str]:
    cluster, slurm = job.settings.cluster, job.settings.cluster.slurm
    values: dict[str, object] = {
        "home": job.home,
        "name": job.name,
        "metrics": slurm.metrics or f"{job.home.rstrip('/')}/metrics",
        "secrets": slurm.secrets_file or "",
        "cpus": cluster.cpus,
        "gpus": cluster.gpus,
        "requeues": slurm.requeues,
    }
    if cluster.nodes > 1:
        values |= {"tls": "yes" if slurm.tls else "", "days": _days(cluster)}
    for name, value in values.items():
        yield f"{name}={shlex.quote(str(value))}"
    for name, address in (("HICO_STORAGE", cluster.storage), ("MLFLOW_TRACKING_URI", cluster.tracking)):
        if address is not None:
            yield f"{name.lower()}={shlex.quote(address)}"


def _days(cluster: ClusterConfig) -> int:
    """For which a certificate is valid: longer than the job."""
    return _MOST_DAYS if cluster.hours is None else min(_MOST_DAYS, math.ceil(cluster.hours / 24) + 2)


def _search(job: SearchJob) -> str:
    """The command of the driver, a line of it for each option, after the addresses that it alone gets."""
    cluster = job.settings.cluster
    given = {"HICO_STORAGE": cluster.storage, "MLFLOW_TRACKING_URI": cluster.tracking}
    exports = "".join(f'  export {name}="${name.lower()}"\n' for name, address in given.items() if address is not None)
    command = " ".join(shlex.quote(word) for word in job.words)
    where = '--address "$address:$port"' if cluster.nodes > 1 else '--cpus "$cpus"'
    rest = f'--space "$work/space.yaml" --metrics-file "$metrics/$name.prom" {where}'
    return f"{exports}  exec {command} \\\n    {rest}"


def _written(file: str, text: str) -> str:
    """Shell that writes a text as it is: the mark at its end is no line of it."""
    mark, lines = "END", set(text.splitlines())
    while mark in lines:
        mark += "_"
    return f"cat > \"{file}\" <<'{mark}'\n{text.rstrip()}\n{mark}"
