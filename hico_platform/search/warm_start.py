"""The best points of earlier searches, which a search tries first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace
from hico_platform.errors import Problem, UsageError
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import TrialState

if TYPE_CHECKING:
    from hico_platform.search.ledger.optuna_ledger import Storage

WARM_POINTS = 3


def warm_points(storage: Storage, names: Sequence[str]) -> list[Mapping[str, Scalar]]:
    """The best points of the searches ``names``, those of complete trials first.

    A point has the fields that its search varied, without those whose conditions did not hold. The new search adds its
    own base and uses the nearest point of its space.

    Raises:
        UsageError: there is no search of one of the names.
    """
    from hico_platform.search.ledger.names import search_names
    from hico_platform.search.ledger.optuna_ledger import StudyLedger

    points: list[Mapping[str, Scalar]] = []
    for name in names:
        if not StudyLedger.exists(storage, name=name):
            known = ", ".join(search_names(storage)) or "none yet"
            raise UsageError(
                Problem(
                    field="warm_start",
                    rule="names of searches",
                    value=name,
                    remedy=f"choose among the searches here: {known}",
                )
            )
        trials = StudyLedger.open(storage, name=name, settle=False).trials()
        scored = [trial for trial in trials if trial.value is not None and trial.state is not TrialState.FAILED]
        scored.sort(key=lambda trial: (trial.epoch, trial.value or 0.0), reverse=True)
        points += [trial.values for trial in scored[:WARM_POINTS]]
    return points


def warm_points_at(paths: HomePaths, space: CheckedSpace) -> list[Mapping[str, Scalar]]:
    """The warm points of a space, from the searches of a home; nothing is created there.

    Raises:
        UsageError: there is no search of one of the names, or no database.
    """
    from hico_platform.search.ledger.optuna_ledger import open_storage

    names = space.settings.warm_start
    if names and paths.storage is None and not (paths.home / "study.db").exists():
        remedy = f"give another home by --home, or leave it out: there are none yet at {paths.home}"
        raise UsageError(Problem(field="warm_start", rule="names of searches", value=", ".join(names), remedy=remedy))
    return warm_points(open_storage(paths.storage_url, create=False), names) if names else []
