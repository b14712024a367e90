"""Runs a search with the toy trial: ``python -m tests.e2e.driver HOME OPTIONS``; tests interrupt it."""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
from pathlib import Path

from rich.console import Console

from hico_platform.cli.views.output import Output
from hico_platform.cli.views.search_view import SearchView
from hico_platform.commands.search import run_search
from hico_platform.config.runtime_env import read_runtime_env
from hico_platform.errors import HicoError
from hico_platform.home import HomePaths
from hico_platform.home_access import prepare_home
from hico_platform.interruptions import interruptible
from hico_platform.search.execution import ClusterOptions
from hico_platform.search.gpu_sharing import MemoryNeed
from hico_platform.search.start import SearchRequest
from hico_platform.tracking.tracker_process import tracker_process
from tests.toy import FACTS, toy_space, toy_trial


def main(
    home: Path,
    *,
    trials: int,
    resume: bool = False,
    log: bool = False,
    space: dict | None = None,
    storage: str | None = None,
    tracking: str | None = None,
    address: str | None = None,
    runtime_env: dict | None = None,
    runtime_env_file: str | None = None,
    gpus: int | None = None,
    need: dict | None = None,
    **toy: object,
) -> int:
    """``gpus`` that Ray is told of, and what a trial is said to ``need`` of one: the toy uses none.

    Databases are given by the environment where their addresses hold passwords.
    """
    storage, tracking = storage or os.environ.get("HICO_STORAGE"), tracking or os.environ.get("MLFLOW_TRACKING_URI")
    prepare_home(home)
    paths = HomePaths(home=home, storage=storage, tracking=tracking)
    if runtime_env_file is not None:
        runtime_env = dict(read_runtime_env(Path(runtime_env_file)))
    checked = toy_space(trials=trials, **(space or {}))
    steering = logging.getLogger("hico_platform.search.steering")  # what a command's Output shows
    steering.setLevel(logging.INFO)
    steering.addHandler(logging.StreamHandler(sys.stdout))
    view = SearchView(space=checked, limit=trials, name="toy", output=Output(Console()))
    if log:
        toy["log"] = home / "log"
    try:
        with view, tracker_process(uri=paths.tracking_uri, artifacts=paths.artifacts) as tracker:
            run_search(
                SearchRequest(name="toy", space=checked, facts=FACTS, resume=resume),
                paths=paths,
                function=functools.partial(toy_trial, **toy),
                tracker=tracker,
                cluster=ClusterOptions(address=address, runtime_env=runtime_env, cpus=2, gpus=gpus),
                probe=None if need is None else functools.partial(MemoryNeed, **need, device="none"),
                observers=[view],
                on_start=view.on_start,
                watch=view.watch,
            )
    except HicoError as error:
        sys.stdout.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stdout.write("interrupted\n")
        return 130
    return 0


if __name__ == "__main__":
    with interruptible():
        code = main(Path(sys.argv[1]), **json.loads(sys.argv[2]))
    sys.exit(code)
