"""How often a trial is taken up again, without a cluster: what Tune calls, in its order."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ray_executor import executor
from hico_platform.search.ray_executor.executor import _Answering, _Bridge
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.steering import Steering
from tests.toy import FACTS, toy_space
from tests.unit.search.ray_executor.test_lost_worker import DIED, UNPLUGGED

KILLED = DIED + "The worker process has died."


class TuneTrial:
    """The part of Tune's trial that is used."""

    def __init__(self, task: object, file: Path) -> None:
        self.config = {"task": task}
        self.error_file = str(file)
        self.errors = 0

    def lose(self, text: str) -> None:
        self.errors += 1
        with open(self.error_file, "a") as file:
            file.write(f"Failure # {self.errors} (occurred at 2026-01-01_00-00-00)\n{text}\n")


class Controller:
    """The part of Tune's controller that is used."""

    def __init__(self) -> None:
        self.stopped: list[TuneTrial] = []

    def stop_trial(self, trial: TuneTrial) -> None:
        self.stopped.append(trial)

    def get_live_trials(self) -> list[TuneTrial]:
        return []

    def get_trials(self) -> list[TuneTrial]:
        return []


@pytest.fixture
def steering(tmp_path: Path) -> Steering:
    space = toy_space(trials=1)
    return Steering(
        ledger=MemoryLedger(name="toy", space=space, facts=FACTS, limit=1, at_s=0.0),
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=9),
        directory=tmp_path,
        observe=lambda event: None,
    )


@pytest.fixture
def trial(steering: Steering, tmp_path: Path) -> TuneTrial:
    return TuneTrial(steering.next_task(), tmp_path / "error.txt")


def answering(steering: Steering, monkeypatch: pytest.MonkeyPatch, *, retries: int) -> _Answering:
    monkeypatch.setattr(executor, "lost_process", lambda: None)
    bridge = _Bridge(steering=steering, mailbox=None, interrupted=threading.Event())
    return _Answering(bridge, retries=retries)


def test_after_its_last_retry_a_trial_has_failed(
    steering: Steering, trial: TuneTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, controller = answering(steering, monkeypatch, retries=1), Controller()
    for stopped in ([], [trial]):
        trial.lose(KILLED)
        scheduler.on_trial_error(controller, trial)
        scheduler.choose_trial_to_run(controller)
        assert controller.stopped == stopped
    ended = steering._ledger.trials()[0]
    assert ended.state is TrialState.FAILED
    assert ended.ending is not None
    assert ended.ending.reason == "its process died: The worker process has died. (2 times)"


def test_machines_that_go_away_do_not_count(
    steering: Steering, trial: TuneTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, controller = answering(steering, monkeypatch, retries=0), Controller()
    for _ in range(5):
        trial.lose(UNPLUGGED)
        scheduler.on_trial_error(controller, trial)
    scheduler.choose_trial_to_run(controller)
    assert controller.stopped == []
    assert steering.at_work == 1
    trial.lose(KILLED)
    scheduler.on_trial_error(controller, trial)
    scheduler.choose_trial_to_run(controller)
    assert controller.stopped == [trial]
