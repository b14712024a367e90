"""Submit a search to a cluster, from its space file with a section cluster:, as a job of Slurm or a RayJob of KubeRay.

The job goes on by itself after interruptions, until the search is done. Submitted again it goes on too.

examples:
  hico-platform submit mine.yaml --slurm --print
  hico-platform submit mine.yaml --slurm --data /shared/ntu60 --home /shared/hico
  hico-platform submit mine.yaml --slurm --dry-run
  hico-platform submit mine.yaml --slurm --out mine.sbatch --set cluster.nodes=4 --set cluster.slurm.partition=gpu
  hico-platform submit mine.yaml --kuberay --set cluster.kuberay.image=registry.example.org/hico:1
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.atomic_io import write_whole
from hico_platform.cli.main import home_of
from hico_platform.cli.overlap_option import add_allow_overlap
from hico_platform.cli.shared_option import add_shared, make_home
from hico_platform.cli.terminal import plain_line
from hico_platform.config.package_files import find_space
from hico_platform.config.space import CheckedSpace, load_space
from hico_platform.data.address import data_address
from hico_platform.errors import Problem, UsageError
from hico_platform.names import check_name
from hico_platform.writable import check_free, check_writable

if TYPE_CHECKING:
    from hico_platform.commands.submit import Submitted

_STORES = {"HICO_STORAGE": "cluster.storage", "MLFLOW_TRACKING_URI": "cluster.tracking"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "space", metavar="FILE|NAME", help="what to search: a space file, or the name of one that ships"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--slurm", action="store_true", help="as a job of Slurm, by sbatch")
    where.add_argument("--kuberay", action="store_true", help="as a RayJob of KubeRay on Kubernetes, by kubectl")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--print", action="store_true", help="print what would be submitted, submit nothing")
    how.add_argument("--out", metavar="FILE", type=Path, help="write it to FILE, submit nothing")
    how.add_argument("--dry-run", action="store_true", help="ask the cluster whether it would take it, submit nothing")
    parser.add_argument("--force", action="store_true", help="replace FILE")
    parser.add_argument(
        "--data", metavar="DIR", type=data_address,
        help="a prepared folder that the cluster's machines see, or an address (default: the embedded dataset)",
    )  # fmt: skip
    parser.add_argument("--protocol", metavar="P", help="how train and test are chosen (default: the space's)")
    parser.add_argument("--name", metavar="NAME", help="name of the search (default: the space's)")
    parser.add_argument("--trials", type=int, metavar="N", help="trials in all (default: the space's)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments",
        help="overrides the space file: cluster.nodes=4, budget.epochs=27 (may be repeated)",
    )  # fmt: skip
    add_allow_overlap(parser)
    add_shared(parser)
    parser.add_argument("--json", action="store_true", help="print the job as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Checks the space, and prints, writes, tries or submits the job."""
    space = _space(arguments)
    name = arguments.name if arguments.name is not None else space.name
    check_name(name, field="--name" if arguments.name is not None else "name")
    return _slurm(arguments, space, name) if arguments.slurm else _kuberay(arguments, space, name)


def _slurm(arguments: argparse.Namespace, space: CheckedSpace, name: str) -> int:
    from hico_platform.commands.submit import not_here, search_job, submit_to_slurm
    from hico_platform.jobs.sbatch import would_queue
    from hico_platform.jobs.slurm_script import slurm_script

    cluster = space.settings.cluster
    home = Path(cluster.home) if cluster.home is not None else home_of(arguments)
    job = search_job(space, name=name, home=home, data=arguments.data)
    for notice in [*not_here(job), *_left_out(space)]:
        print(plain_line(f"warning: {notice}"), file=sys.stderr)
    script = slurm_script(job)
    if arguments.print or arguments.out is not None:
        return _give(script, arguments)
    if arguments.dry_run:
        print(plain_line(would_queue(script)))
        return 0
    check_writable(home, rule="a home in a folder that this user may write", remedy="give one of your own by --home")
    make_home(home, arguments)
    submitted = submit_to_slurm(job)
    machines = f"{cluster.nodes} node{'' if cluster.nodes == 1 else 's'}"
    return _tell(submitted, f"job {submitted.job}: search {name} on {machines}", arguments)


def _kuberay(arguments: argparse.Namespace, space: CheckedSpace, name: str) -> int:
    from hico_platform.commands.submit import POD_HOME, search_on_kubernetes, submit_to_kuberay
    from hico_platform.jobs.kubectl import would_create
    from hico_platform.jobs.kuberay import kuberay_manifest

    cluster = space.settings.cluster
    job = search_on_kubernetes(
        space, name=name, home=cluster.home or POD_HOME, data=arguments.data, file=str(find_space(arguments.space))
    )
    for notice in _left_out(space):
        print(plain_line(f"warning: {notice}"), file=sys.stderr)
    unique = secrets.token_hex(3)
    if arguments.print or arguments.out is not None:
        return _give(kuberay_manifest(job, unique=unique), arguments)
    if arguments.dry_run:
        print(would_create(kuberay_manifest(job, unique=unique)), end="")
        return 0
    submitted = submit_to_kuberay(job, unique=unique)
    return _tell(submitted, f"{submitted.job}: search {name} on at most {cluster.nodes} workers", arguments)


def _tell(submitted: Submitted, head: str, arguments: argparse.Namespace) -> int:
    """Prints what was submitted, how to watch it and how to stop it."""
    if arguments.json:
        print(json.dumps(submitted.as_dict()))
        return 0
    print(f"{head}; it goes on by itself until the search is done")
    for what, line in [*(("watch", one) for one in submitted.watch), ("log", submitted.log), ("stop", submitted.stop)]:
        print(f"{what + ':':<7}{line}")
    return 0


def _space(arguments: argparse.Namespace) -> CheckedSpace:
    if arguments.trials is not None and arguments.trials < 1:
        raise UsageError(Problem(field="--trials", rule="at least 1", value=arguments.trials, remedy="give a count"))
    assignments = list(arguments.assignments)
    if arguments.protocol:
        assignments.append(f"protocol={arguments.protocol}")
    if arguments.trials is not None:
        assignments.append(f"trials={arguments.trials}")
    if arguments.allow_overlap:
        assignments.append("allow_overlap=true")
    file = find_space(arguments.space)
    space = load_space(file, assignments=assignments)
    if "cluster" in space.source:
        return space
    nodes = space.settings.cluster.nodes  # said, so that a trial is held to the machines that are asked for
    return load_space(file, assignments=[*assignments, f"cluster.nodes={nodes}"])


def _give(text: str, arguments: argparse.Namespace) -> int:
    """Prints or writes what would be submitted."""
    if arguments.print:
        print(text, end="")
        return 0
    if not arguments.force:
        check_free(arguments.out, field="--out")
    check_writable(
        arguments.out.absolute().parent, rule="a folder that this user may write", remedy="give a file of your own"
    )
    write_whole(arguments.out.absolute(), text.encode())
    print(plain_line(f"written: {arguments.out}"))
    return 0


def _left_out(space: CheckedSpace) -> list[str]:
    """What this shell says of stores that the job, which gets nothing of this shell, will not know."""
    given = {"HICO_STORAGE": space.settings.cluster.storage, "MLFLOW_TRACKING_URI": space.settings.cluster.tracking}
    return [
        f"{name} of this shell is not given to the job; set {field}, without a password"
        for name, field in _STORES.items()
        if os.environ.get(name) and given[name] is None
    ]
