"""A Ray cluster for a search: one of its own on this machine, or an existing one."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
}
OBJECT_STORE_BYTES = 128 * 2**20
_FOLDER = "hico-ray-"
os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})

import ray  # noqa: E402  (after the environment it reads)
from ray._private import ray_constants  # noqa: E402


@contextmanager
def ray_cluster(*, address: str | None, cpus: int | None, gpus: int | None) -> Iterator[Path]:
    """Starts a cluster that lives as long as the block, or joins the one at ``address``; gives a scratch folder.

    A cluster of its own listens on the loopback address alone, wants a token that only its processes know,
    and leaves nothing behind.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    try:
        if address is not None:
            ray.init(address=address, **quiet)
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
