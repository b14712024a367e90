"""Names of metrics in the tracking store: in groups, since MLflow's pages have a section of charts for each prefix.

The ledger and the results of a retraining have the plain names. Runs of earlier versions have them in the tracking
store too; such runs lack ``NAMES_TAG`` and keep their names when they are taken up again: no curve is torn in two.
"""

from __future__ import annotations

from collections.abc import Mapping

from hico_platform.tracking.base import Run

NAMES_TAG, GROUPED = "hico.metric_names", "grouped"
"""A run's tag that says that its metrics have the names of this module."""

TRAIN, VALIDATION, TRANSFER, MODEL, TEST = "train", "val", "transfer", "model", "test"
SYSTEM = "system"
"""The prefix that MLflow shows on its page of system metrics."""

_OF_TRAINING = ("loss", "sequences_per_s")
_OF_MODEL = ("parameters",)


def grouped(name: str) -> str:
    """The name of a trial's metric: ``val/knn_top1``, ``train/loss``, ``transfer/top1``, ``model/parameters``.

    What has a group already, such as ``system/cpu_utilization_percentage``, keeps its name.
    """
    if "/" in name:
        return name
    if name.startswith(_OF_TRAINING):
        return f"{TRAIN}/{name}"
    if name in _OF_MODEL:
        return f"{MODEL}/{name}"
    if name.startswith(f"{TRANSFER}_"):
        return f"{TRANSFER}/{name.removeprefix(f'{TRANSFER}_')}"
    return f"{VALIDATION}/{name}"


def plain(name: str) -> str:
    """The name in the ledger of a trial's metric, whichever version named it in the tracking store."""
    group, _, rest = name.rpartition("/")
    if group == TRANSFER:
        return f"{TRANSFER}_{rest}"
    return rest if group in (TRAIN, VALIDATION, MODEL) else name


class MetricNames:
    """The names of one search's or retraining's metrics: grouped, or plain where an earlier version began its runs."""

    def __init__(self, *, are_grouped: bool = True) -> None:
        self.are_grouped = are_grouped

    @classmethod
    def of_runs(cls, known: Mapping[str, Run], *, key: str) -> MetricNames:
        """The names that the runs of a key have, and those under it; grouped where there is none yet."""
        own = [run for name, run in known.items() if name == key or name.startswith(f"{key}/")]
        return cls(are_grouped=all(NAMES_TAG in run.tags for run in own))

    @property
    def tags(self) -> Mapping[str, str]:
        """What each run is tagged with."""
        return {NAMES_TAG: GROUPED} if self.are_grouped else {}

    def of_trial(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The metrics of a trial, or of an epoch of any run."""
        return {grouped(name): value for name, value in metrics.items()} if self.are_grouped else dict(metrics)

    def best(self, metric: str) -> str:
        """The best of a search's scores so far."""
        return f"{VALIDATION}/best_{metric}" if self.are_grouped else f"best_{metric}"

    def of_part(self, part: str, name: str) -> str:
        """A score of a retraining on ``val`` or ``test``."""
        return f"{part}/{name}" if self.are_grouped else f"{part}_{name}"

    def of_entry(self, entry: str, name: str) -> str:
        """A number of the comparison: of an entry, or of the difference between two."""
        return f"{entry}/{name}" if self.are_grouped else f"{entry}_{name}"
