"""How often a trial is taken up again, without a cluster: what Tune calls, in its order."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ray.tune.search import Searcher

from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.ray_executor.executor import _Answering, _Asking, _Bridge
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


def test_what_workers_warn_of_is_passed_on_once(
    steering: Steering, trial: TuneTrial, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = _Bridge(steering=steering, mailbox=None, interrupted=threading.Event(), retries=0)
    bridge.warn(trial.config["task"], ["slow", "late"])
    bridge.warn(trial.config["task"], ["slow"])
    assert [record.getMessage() for record in caplog.records] == ["trial 0: slow", "trial 0: late"]


def answering(steering: Steering, *, retries: int) -> _Answering:
    return _Answering(_Bridge(steering=steering, mailbox=None, interrupted=threading.Event(), retries=retries))


def lose(scheduler: _Answering, steering: Steering, trial: TuneTrial, text: str) -> object:
    """The task that is handed out after its worker was lost."""
    trial.lose(text)
    scheduler.on_trial_error(None, trial)
    return steering.next_task()


def test_after_its_last_retry_a_trial_has_failed(steering: Steering, trial: TuneTrial) -> None:
    scheduler = answering(steering, retries=1)
    assert lose(scheduler, steering, trial, KILLED) == trial.config["task"]
    assert lose(scheduler, steering, trial, KILLED) is None
    ended = steering._ledger.trials()[0]
    assert ended.state is TrialState.FAILED
    assert ended.ending is not None
    assert ended.ending.reason == "its process died: The worker process has died. (2 times)"


def test_machines_that_go_away_do_not_count(steering: Steering, trial: TuneTrial) -> None:
    scheduler = answering(steering, retries=0)
    for _ in range(5):
        assert lose(scheduler, steering, trial, UNPLUGGED) == trial.config["task"]
    assert lose(scheduler, steering, trial, KILLED) is None


def test_one_that_is_over_is_not_handed_out_again(steering: Steering, trial: TuneTrial) -> None:
    steering.failed(0, reason="ValueError: no", traceback=None)
    assert lose(answering(steering, retries=3), steering, trial, KILLED) is None


def test_the_end_is_not_said_while_one_may_be_lost(steering: Steering, trial: TuneTrial) -> None:
    bridge = _Bridge(steering=steering, mailbox=None, interrupted=threading.Event(), retries=3)
    asking = _Asking(bridge, cpus=1, gpus=0, max_concurrent=2)
    assert asking.suggest("a") is None
    trial.lose(KILLED)
    _Answering(bridge).on_trial_error(None, trial)
    assert asking.suggest("b") == {"task": trial.config["task"]}
    steering.failed(0, reason="ValueError: no", traceback=None)
    assert asking.suggest("c") == Searcher.FINISHED
