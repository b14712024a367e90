from __future__ import annotations

from types import SimpleNamespace

from hico_platform.search.ray_executor.ended_trials import NoProgress, drop_ended_trials

from ray.tune.utils.callback import _create_default_callbacks  # isort: skip  (the cluster sets what Ray reads)


class Trial:
    def __init__(self, *, ended: bool) -> None:
        self._ended = ended

    def is_finished(self) -> bool:
        return self._ended


def tune(*trials: Trial, with_worker: tuple[Trial, ...] = ()) -> SimpleNamespace:
    return SimpleNamespace(
        _trials=list(trials),
        _trial_to_actor=dict.fromkeys(with_worker, "worker"),
        _stopped_trials=set(trials),
        _failed_trials=set(trials),
        _trials_to_cache=set(trials),
    )


def test_what_has_ended_and_holds_no_worker_is_dropped() -> None:
    ended, stopping, running, last = (Trial(ended=one) for one in (True, True, False, True))
    controller = tune(ended, stopping, running, last, with_worker=(stopping, running))
    trials = controller._trials
    drop_ended_trials(controller)
    assert controller._trials == [stopping, running, last]
    assert controller._trials is trials, "Tune hands the list to others"
    for collected in (controller._stopped_trials, controller._failed_trials, controller._trials_to_cache):
        assert collected == {stopping, running, last}


def test_one_trial_stays() -> None:
    controller = tune(only := Trial(ended=True))
    drop_ended_trials(controller)
    assert controller._trials == [only]
    drop_ended_trials(empty := tune())
    assert empty._trials == []


def test_tune_prints_and_remembers_no_progress() -> None:
    own = NoProgress()
    (callback,) = _create_default_callbacks([own], air_verbosity=None)
    assert callback is own
    for told in (own.on_trial_result, own.on_trial_error, own.on_trial_complete):
        told(iteration=1, trials=[], trial=Trial(ended=True), result={})
    assert not own._completed_trials
    assert not own._last_print
