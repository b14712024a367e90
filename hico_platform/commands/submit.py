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
from hico_platform.jobs import sbatch
from hico_platform.jobs.job import SearchJob
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
