"""A Ray cluster for a search: one of its own on this machine, or an existing one."""

from __future__ import annotations

import atexit
import ctypes
import functools
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from hico_platform.cpus import available_cpus
from hico_platform.errors import HicoError, Problem, UsageError, first_line
from hico_platform.interruptions import reinstall_handlers, time_left_s
from hico_platform.search.ray_executor.busy_gpus import busy_gpus_left_alone
from hico_platform.search.ray_executor.processes import cluster_processes, end_processes
from hico_platform.search.ray_executor.session_folder import for_ray, session_folder
from hico_platform.search.ray_executor.worker_environment import private_runtime_env

# Read by Ray when it is imported or started: a token for every connection, no usage statistics, no loggers or
# files of Tune's own, and no snapshots of Tune's state, which the ledger makes needless. Ray's failure handler treats
# SIGTERM as a failure and aborts 3 s later. Ray's hook for `uv run` starts each worker by another `uv run` in a copy of
# the working directory, which creates an environment each time and may never finish.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "64",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_RESULT_BUFFER_MIN_TIME_S": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",  # for Tune the trial ends; the controller hands it out again
}
_OF_OTHER_CLUSTERS = ("RAY_RUNTIME_ENV_HOOK",)
REACH_S = 10.0
START_S = 120.0
SHUTDOWN_S = 5.0
END_S = 2.0
OBJECT_STORE_BYTES = 128 * 2**20
# Users cannot change how this driver uses Tune: if Tune buffered results, a worker would wait for an answer for ever,
# and Tune for more results.
_NOT_CONFIGURABLE = ("TUNE_", "RAY_AIR_NEW_OUTPUT")
os.environ.update(
    {name: value for name, value in ENVIRONMENT.items() if name.startswith(_NOT_CONFIGURABLE) or name not in os.environ}
)

import ray  # noqa: E402  (after the environment it reads)
from ray._private import ray_constants  # noqa: E402


@contextmanager
def ray_cluster(
    *,
    address: str | None,
    cpus: int | None,
    gpus: int | None,
    runtime_env: Mapping[str, Any] | None = None,
    free_gpus: bool = False,
) -> Iterator[Path]:
    """Starts a cluster that lives as long as the block, or joins the one at ``address``; gives a scratch folder.

    A cluster of its own listens on the loopback address alone, wants a token that only its processes know,
    and leaves nothing behind; what the environment says of Ray's clusters (RAY_ADDRESS, RAY_AUTH_MODE) is for
    ``address`` alone. ``runtime_env`` is what Ray prepares on each machine before a worker starts there:
    ``working_dir``, ``py_modules``, ``pip``, ``env_vars`` and so on; values of ``env_vars`` are in no log of Ray's.
    With ``free_gpus`` a cluster of its own has only those GPUs that nobody else uses.

    Raises:
        UsageError: there is no cluster at ``address``, it does not let this driver in, ``runtime_env`` is not one, or
            Ray would write a secret that is in it to its logs, or others use all GPUs.
        HicoError: a cluster of its own does not start.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # trials that ended for Tune, not for the course
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    if runtime_env is not None:
        quiet["runtime_env"] = _checked(runtime_env)
    with session_folder() as folder:
        if address is not None:
            try:
                _join(address, quiet)
                yield folder
            finally:
                _shut_down(None)
            return
        with busy_gpus_left_alone() if free_gpus else nullcontext(), _private_cluster_environment():
            try:
                _start(folder, cpus=available_cpus() if cpus is None else cpus, gpus=gpus, options=quiet)
                yield folder
            finally:
                _shut_down(folder)


@functools.cache
def _own_token() -> str:
    """The token of this process's clusters: Ray reads it once, and would not get into a later one with another."""
    return secrets.token_hex(32)


@contextmanager
def _private_cluster_environment() -> Iterator[None]:
    """Sets what a cluster of its own needs, whatever the environment says."""
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _own_token()}
    before = {name: os.environ.get(name) for name in (*own, *_OF_OTHER_CLUSTERS)}
    os.environ.update(own)
    for name in _OF_OTHER_CLUSTERS:
        os.environ.pop(name, None)
    ray._raylet.Config.initialize("")  # this process reads its environment again
    # Ray takes the loopback address where it holds clusters of several machines impossible.
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = True
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        ray._raylet.Config.initialize("")


def _start(folder: Path, *, cpus: int, gpus: int | None, options: dict[str, Any]) -> None:
    def failed(rule: str, value: str, remedy: str) -> HicoError:
        return HicoError(Problem(field="Ray", rule=rule, value=value, remedy=remedy))

    with socket.socket() as probe:
        try:  # Ray itself would try for many minutes
            probe.bind(("127.0.0.1", 0))
            probe.listen()
            socket.create_connection(probe.getsockname(), timeout=REACH_S).close()
        except OSError as error:
            raise failed(
                "a connection of this machine to itself, at 127.0.0.1",
                str(error),
                "bring the loopback interface up (ip link set lo up), and let firewalls pass it",
            ) from error
    try:
        with _time_limit(START_S), _without_rays_sigterm_handler(), _shielded_children():
            ray.init(
                address="local",  # not the one that RAY_ADDRESS names
                num_cpus=cpus,
                num_gpus=gpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(for_ray(folder)),
                **options,
            )
    except _TimeLimitError as error:
        raise failed(
            f"a Ray cluster that starts on this machine within {START_S:.0f} s",
            "one that does not",
            "check what slows or blocks its processes: memory, limits (ulimit -a), a firewall on 127.0.0.1",
        ) from error
    except Exception as error:
        raise failed(
            "a Ray cluster that starts on this machine",
            first_line(error),
            f"check the free memory, the space in {folder.parent} and /dev/shm, and the limits (ulimit -a)",
        ) from error


def _shut_down(folder: Path | None) -> None:
    """Ends the cluster, or disconnects from it, in limited time even if it no longer answers."""
    processes = frozenset() if folder is None else cluster_processes(folder)
    node = ray._private.worker._global_node
    if node is not None and folder is not None:
        kill = node.kill_all_processes
        node.kill_all_processes = lambda **options: kill(**{**options, "allow_graceful": False})
    thread = threading.Thread(target=ray.shutdown, name="shutdown of Ray", daemon=True)
    thread.start()
    thread.join(time_left_s(SHUTDOWN_S))
    if thread.is_alive():
        atexit.unregister(ray.shutdown)  # it would wait once more
    end_processes(processes, within_s=time_left_s(END_S))


class _TimeLimitError(Exception):
    """A block took longer than its time limit."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raises in the block after so many ``seconds``, as soon as it executes Python again."""
    thread_id, over = threading.get_ident(), threading.Event()

    def cut_off() -> None:
        if not over.wait(seconds):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(_TimeLimitError))

    threading.Thread(target=cut_off, name="start of Ray", daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def _without_rays_sigterm_handler() -> Iterator[None]:
    """Keeps Ray from installing its handler of SIGTERM, which ends the process by an unexpected exception."""
    module, name = ray._private.utils, "set_sigterm_handler"
    before = getattr(module, name)
    setattr(module, name, lambda handler: None)
    try:
        yield
    finally:
        setattr(module, name, before)
        reinstall_handlers()


@contextmanager
def _shielded_children() -> Iterator[None]:
    """Processes that Ray starts in the block ignore SIGTERM and SIGHUP, and so do their children.

    Slurm and systemd send SIGTERM to all of a job's processes at once, a closed terminal sends SIGHUP: were Ray's
    processes ended before the driver has asked workers to save, their last epochs would be lost. Ray does the same for
    SIGINT. The driver ends them by SIGKILL, and so does Linux if the driver is killed; elsewhere Ray needs SIGTERM.
    """
    blocked = {signal.SIGTERM, signal.SIGHUP} if sys.platform == "linux" else {signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _join(address: str, options: dict[str, Any]) -> None:
    def refused(rule: str, value: str, remedy: str) -> UsageError:
        return UsageError(Problem(field="--address", rule=rule, value=value, remedy=remedy))

    if address == "auto":  # as Ray does, but what it names is checked too
        address = os.environ.get("RAY_ADDRESS") or address
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
                "check it with ray status, start it with ray start --head, or leave --address out",
            ) from error
    try:
        with _time_limit(START_S), _without_rays_sigterm_handler():
            ray.init(address=address, **options)
    except ray.exceptions.AuthenticationError as error:
        raise refused(
            "a cluster that accepts this driver's token",
            str(error).strip().splitlines()[0],
            "set RAY_AUTH_MODE=token and the cluster's RAY_AUTH_TOKEN, or RAY_AUTH_MODE=disabled where it has none",
        ) from error
    except Exception as error:
        reason = f"no answer in {START_S:.0f} s" if isinstance(error, _TimeLimitError) else first_line(error)
        raise refused(
            "a Ray cluster that can be reached from this machine, which belongs to it",
            f"{address} ({reason})",
            "check it with ray status, start it with ray start --head, or leave --address out",
        ) from error


def _checked(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """The runtime environment as Ray gets it, after Ray has validated it."""
    from ray.runtime_env import RuntimeEnv

    runtime_env = private_runtime_env(runtime_env)
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
    """The process or folder that the search's own cluster lost and cannot do without, if it did."""
    node = ray._private.worker._global_node
    if node is None or not node.head:
        return None
    dead = [kind for kind, _ in node.dead_processes() if kind in {"raylet", "gcs_server"}]
    if dead:
        return f"{dead[0]} died"
    folder = node.get_session_dir_path()
    return None if os.path.isdir(folder) else f"its folder {folder} is gone"
