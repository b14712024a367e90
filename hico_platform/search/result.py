"""The result of a search at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hico_platform.config.trial import TrialConfig
from hico_platform.errors import command
from hico_platform.search.ledger.base import SearchRecord, TrialRecord, TrialState
from hico_platform.search.state import SearchProgress


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The trials of a search and the best of them.

    Args:
        search: the search as the ledger has it.
        progress: its state and counts.
        trials: all its trials.
        best: the trial with the best validation kNN.
        best_config: that trial's configuration.
        front: the trials that no other beats in all objectives.
        ended_by: the rule that ended it before its limit, if one did.
        elapsed_s: seconds that this driver took.
        untracked: writes that were given up because the tracking store was away.
        refused: writes that the tracking store refused.
        refusal: why it refused the first of them.
    """

    search: SearchRecord
    progress: SearchProgress
    trials: tuple[TrialRecord, ...]
    best: TrialRecord | None
    best_config: TrialConfig | None
    front: tuple[TrialRecord, ...]
    ended_by: str | None
    elapsed_s: float
    untracked: int
    refused: int = 0
    refusal: str | None = None

    @property
    def without_score(self) -> bool:
        """Whether trials failed and none was scored: the search brought nothing."""
        return self.best is None and any(trial.state is TrialState.FAILED for trial in self.trials)

    @property
    def next_command(self) -> str:
        """What to do with the result: retrain it, or see why there is nothing to retrain."""
        return command("show" if self.best is None else "retrain", self.search.name)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        best = self.best
        return {
            "name": self.search.name,
            "state": str(self.progress.state),
            "trials": len(self.trials),
            "states": {str(status): count for status, count in self.progress.counts.items()},
            "best": None
            if best is None
            else {
                "number": best.number,
                "values": dict(best.values),
                "epoch": best.epoch,
                "value": best.value,
                "standard_error": best.standard_error,
                "metrics": {} if best.ending is None else dict(best.ending.metrics),
                "run_id": best.run_id,
            },
            "front": [trial.number for trial in self.front],
            "ended_by": self.ended_by,
            "elapsed_s": self.elapsed_s,
            "untracked": self.untracked,
            "refused": self.refused,
            "refusal": self.refusal,
            "next": self.next_command,
        }
