"""A space file as a job of a cluster: what would be submitted, and its submission."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hico_platform import __version__
from hico_platform.config.cluster import PATH, PATH_REMEDY, PATH_RULE
from hico_platform.config.protocol_file import SUFFIXES
from hico_platform.config.space import CheckedSpace
from hico_platform.config.yaml_writer import yaml_text
from hico_platform.errors import Problem, UsageError, command
from hico_platform.jobs import kubectl, sbatch
from hico_platform.jobs.job import SearchJob
from hico_platform.jobs.kuberay import kuberay_manifest, kuberay_name
from hico_platform.jobs.slurm_script import slurm_folder, slurm_log, slurm_script
from hico_platform.notify.address import ENVIRONMENT, FILE, addresses


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """A job that a cluster took.

    Attributes:
        job: what the cluster calls it.
        log: where it writes.
        watch: commands that show how it goes, from the first minute on.
        stop: the command that ends it, with what is running saved.
    """

    job: str
    log: str
    watch: tuple[str, ...]
    stop: str

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for ``--json``."""
        return {"job": self.job, "log": self.log, "watch": list(self.watch), "stop": self.stop}


POD_HOME = "/hico"
"""Where pods mount the home, unless the space says otherwise."""


def search_job(space: CheckedSpace, *, name: str, home: Path | str, data: str | None) -> SearchJob:
    """The search as a job that depends on no file of this folder.

    Args:
        space: the checked space.
        name: of the search.
        home: as the cluster's machines see it.
        data: a prepared folder or address; a relative one is this folder's.

    Raises:
        UsageError: a path or an address cannot be written into a job.
    """
    own = [told for told in space.settings.notify if not told.startswith((ENVIRONMENT, FILE))]
    addresses(own, field="notify", commands=False)  # none that carries a secret gets into a script
    return SearchJob(
        name=name,
        settings=space.settings,
        space_text=yaml_text({**_whole(space.source), "name": name}),
        home=_checked_path(str(home), field="--home"),
        data=None if data is None else _absolute(data),
        version=__version__,
        ray_version=version("ray"),
    )


def submit_to_slurm(job: SearchJob) -> Submitted:
    """Queues the search; its home has to be there.

    Raises:
        UsageError: there is no Slurm here, or it refuses the job.
    """
    Path(slurm_folder(job)).mkdir(mode=0o700, exist_ok=True)
    number = sbatch.queue(slurm_script(job))
    return Submitted(
        job=str(number),
        log=slurm_log(job, number),
        watch=(f"squeue --job {number}", command("status", job.name, "--watch", "--home", job.home)),
        stop=f"scancel --batch --signal=TERM {number}",
    )


def search_on_kubernetes(space: CheckedSpace, *, name: str, home: str, data: str | None, file: str) -> SearchJob:
    """The same for pods, which see the home and addresses alone.

    Args:
        space: the checked space.
        name: of the search.
        home: as pods see it.
        data: a folder in the home, or an address.
        file: the space's, for messages.

    Raises:
        UsageError: something that a pod needs is not said, or is only on this machine.
    """
    settings, problems = space.settings, []
    if settings.cluster.kuberay.image is None:
        rule, remedy = "an image with this package, for Ray's pods", "give --set cluster.kuberay.image=IMAGE:TAG"
        problems.append(Problem(file=file, field="cluster.kuberay.image", rule=rule, remedy=remedy))
    for field, path in (("--data", data), ("transfer", settings.transfer), ("protocol", _file_of(settings.protocol))):
        if path is not None and "://" not in path and not path.startswith(f"{home.rstrip('/')}/"):
            problems.append(
                Problem(
                    field=field,
                    rule=f"an address, or a path in the home {home}, since pods see no other",
                    value=path,
                    remedy="put it onto the volume, or into a bucket",
                )
            )
    if problems:
        raise UsageError(problems)
    return search_job(space, name=name, home=home, data=data)


def submit_to_kuberay(job: SearchJob, *, unique: str) -> Submitted:
    """Creates the search's objects in the cluster that kubectl knows.

    Raises:
        UsageError: there is no kubectl here, or the cluster refuses an object.
    """
    kubectl.create(kuberay_manifest(job, unique=unique))
    name, space = kuberay_name(job, unique), job.settings.cluster.kuberay.namespace
    where = "" if space is None else f" --namespace {space}"
    return Submitted(
        job=f"rayjob/{name}",
        log=f"kubectl logs --follow job/{name}{where}",
        watch=(f"kubectl get rayjob {name} --watch{where}",),
        stop=f"kubectl delete rayjob,configmap,networkpolicy --selector hico-platform/job={name}{where}",
    )


def _file_of(protocol: str) -> str | None:
    return protocol if protocol.endswith(SUFFIXES) else None


def _whole(source: Any) -> dict[str, Any]:
    """The space with the file that it extends laid under, and with whole paths."""
    whole = {key: value for key, value in source.items() if key != "extends"}
    if isinstance(transfer := whole.get("transfer"), str):
        whole["transfer"] = _absolute(transfer)
    if isinstance(protocol := whole.get("protocol"), str) and protocol.endswith(SUFFIXES):
        whole["protocol"] = _absolute(protocol)
    return whole


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).expanduser().absolute())


def _checked_path(path: str, *, field: str) -> str:
    if re.fullmatch(PATH, path) is None:
        raise UsageError(Problem(field=field, rule=PATH_RULE, value=path, remedy=PATH_REMEDY))
    return path


def not_here(job: SearchJob) -> Sequence[str]:
    """What the job will look for and is not on this machine, each in words."""
    named = {"data": job.data, "slurm.secrets_file": job.settings.cluster.slurm.secrets_file}
    return [
        f"{field}: {path} is not on this machine; it has to be on those of the cluster"
        for field, path in named.items()
        if path is not None and "://" not in path and not Path(path).exists()
    ]
