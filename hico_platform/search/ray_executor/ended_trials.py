"""Keeps Tune from remembering trials that have ended: each with its task, until Tune itself ends."""

from __future__ import annotations

from typing import Any

from hico_platform.search.ray_executor import cluster  # noqa: F401  (it sets what Ray reads at import)

from ray.tune.progress_reporter import TrialProgressCallback  # isort: skip


class NoProgress(TrialProgressCallback):  # type: ignore[misc]
    """Takes the place of Tune's own, which prints nothing here either, and keeps every trial that it was told of."""

    def on_trial_result(self, *_: object, **more: object) -> None:
        """Does nothing."""

    def on_trial_error(self, *_: object, **more: object) -> None:
        """Does nothing."""

    def on_trial_complete(self, *_: object, **more: object) -> None:
        """Does nothing."""


def drop_ended_trials(tune_controller: Any) -> None:
    """Takes trials that have ended, and whose workers are given back, off Tune's lists; the ledger has them.

    Tune looks through these lists in each of its rounds, too. The last trial stays: without any Tune looks for them
    among its files. There is no public function for this.
    """
    known = tune_controller._trials
    ended = {trial for trial in known[:-1] if trial.is_finished() and trial not in tune_controller._trial_to_actor}
    if not ended:
        return
    known[:] = [trial for trial in known if trial not in ended]
    for collected in (
        tune_controller._stopped_trials,
        tune_controller._failed_trials,
        tune_controller._trials_to_cache,
    ):
        collected.difference_update(ended)
