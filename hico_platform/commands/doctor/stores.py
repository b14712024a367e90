"""The study database and the tracking store: reachable, and of this version's schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hico_platform.commands.doctor.finding import Finding, Surroundings, good, wrong
from hico_platform.errors import HicoError, first_line
from hico_platform.home import HomePaths
from hico_platform.masking import masked
from hico_platform.sqlite_files import sqlite_file

Ask = Callable[[HomePaths], str]
"""Opens a store and says what is in it."""


def studies(paths: HomePaths) -> str:
    """What the study database holds; raises UsageError where it cannot be used."""
    from hico_platform.search.ledger.names import search_names
    from hico_platform.search.ledger.optuna_ledger import open_storage

    count = len(search_names(open_storage(paths.storage_url, create=False)))
    return f"{count} search{'' if count == 1 else 'es'}"


def runs(paths: HomePaths) -> str:
    """What the tracking store holds."""
    from hico_platform.tracking.mlflow_tracker import MlflowTracker

    count = len(MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts).experiments())
    return f"{count} experiment{'' if count == 1 else 's'}"


def check(around: Surroundings, *, ask_studies: Ask = studies, ask_runs: Ask = runs) -> Iterator[Finding]:
    """Opens both without changing them."""
    paths = around.paths
    yield _asked("study database", paths.storage_url, ask_studies, paths, option="--storage")
    yield _asked("tracking store", paths.tracking_uri, ask_runs, paths, option="--tracking")


def _asked(about: str, url: str, ask: Ask, paths: HomePaths, *, option: str) -> Finding:
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return good(about, f"{file}, which the first search makes")
    try:
        return good(about, f"{masked(url)}: {ask(paths)}")
    except HicoError as error:
        problem = error.problems[0]
        found = masked(url) if problem.value is None else f"{masked(url)}: {masked(str(problem.value))}"
        return wrong(about, found, masked(problem.remedy or "see hico-platform status"))
    except Exception as error:  # whatever a database or a server raises
        found = f"{masked(url)} does not answer: {masked(first_line(error))[:300]}"
        return wrong(
            about, found, f"check {option}, the password, and that the server runs and is as new as this package"
        )
