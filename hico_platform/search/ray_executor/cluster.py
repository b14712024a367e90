"""A Ray cluster for a search: one of its own on this machine, or an existing one."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hico_platform.errors import Problem, UsageError

# Read by Ray when it is imported or started: a token for every connection, no usage statistics, no loggers or
# files of Tune's own, and no snapshots of Tune's state, since the ledger holds what matters.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "64",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",  # for Tune it ends; the course hands it out anew
}
REACH_S = 10.0
OBJECT_STORE_BYTES = 128 * 2**20
_FOLDER = "hico-ray-"
os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})

import ray  # noqa: E402  (after the environment it reads)
from ray._private import ray_constants  # noqa: E402


@contextmanager
def ray_cluster(
    *, address: str | None, cpus: int | None, gpus: int | None, runtime_env: Mapping[str, Any] | None = None
) -> Iterator[Path]:
    """Starts a cluster that lives as long as the block, or joins the one at ``address``; gives a scratch folder.

    A cluster of its own listens on the loopback address alone, wants a token that only its processes know,
    and leaves nothing behind. ``runtime_env`` is what Ray prepares on each machine before a worker starts there:
    ``working_dir``, ``py_modules``, ``pip``, ``env_vars`` and so on.

    Raises:
        UsageError: there is no cluster at ``address``, it does not let this driver in, or ``runtime_env`` is not one.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # trials that ended for Tune, not for the course
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    try:
        if runtime_env is not None:
            quiet["runtime_env"] = _checked(runtime_env)
        if address is not None:
            _join(address, quiet)
        else:
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
            # Ray takes the loopback address where it holds clusters of several machines impossible.
            ray_constants.ENABLE_RAY_CLUSTER = False
            ray.init(
                num_cpus=cpus,
                num_gpus=gpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(folder),
                **quiet,
            )
        yield folder
    finally:
        ray.shutdown()
        if address is None:
            os.environ.pop("RAY_AUTH_TOKEN", None)
            ray_constants.ENABLE_RAY_CLUSTER = True
        shutil.rmtree(folder, ignore_errors=True)


def _join(address: str, options: dict[str, Any]) -> None:
    def refused(rule: str, value: str, remedy: str) -> UsageError:
        return UsageError(Problem(field="--address", rule=rule, value=value, remedy=remedy))

    if address.startswith("ray://"):  # Ray's client would carry the driver's side of the search away
        raise refused(
            "the address of a cluster that this machine belongs to",
            address,
            "start the search on a machine of the cluster, with --address auto (ray job submit does)",
        )
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        try:  # Ray itself would try for many minutes
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
        except OSError as error:
            raise refused(
                "a Ray cluster that can be reached from this machine, which belongs to it",
                f"{address} ({error})",
                "look with ray status; start it with ray start --head, or leave --address out",
            ) from error
    try:
        ray.init(address=address, **options)
    except ray.exceptions.AuthenticationError as error:
        raise refused(
            "a cluster that accepts this driver's token",
            str(error).strip().splitlines()[0],
            "set RAY_AUTH_MODE=token and the cluster's RAY_AUTH_TOKEN, or RAY_AUTH_MODE=disabled where it has none",
        ) from error
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RaySystemError) as error:
        raise refused(
            "a Ray cluster that can be reached from this machine, which belongs to it",
            f"{address} ({str(error).strip().splitlines()[0]})",
            "look with ray status; start it with ray start --head, or leave --address out",
        ) from error


def _checked(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """The same, once Ray has found nothing wrong with it."""
    from ray.runtime_env import RuntimeEnv

    try:
        return dict(RuntimeEnv(**runtime_env))
    except (TypeError, ValueError) as error:
        raise UsageError(
            Problem(
                field="--runtime-env",
                rule="a runtime environment as Ray takes it",
                value=str(error).strip().splitlines()[0],
                remedy="give fields such as working_dir, py_modules, pip and env_vars",
            )
        ) from error


def lost_process() -> str | None:
    """A process of the own cluster that died (``raylet``, ``gcs_server``), if one did."""
    node = ray._private.worker._global_node
    if node is None or not node.head:
        return None
    dead = [kind for kind, _ in node.dead_processes() if kind in {"raylet", "gcs_server"}]
    return dead[0] if dead else None


def _remove_leftovers() -> None:
    """Removes the folders of drivers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        pid = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)
