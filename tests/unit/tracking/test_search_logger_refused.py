"""What one write that the tracking store refuses, or one upload that does not end, holds up: nothing else."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hico_platform.tracking.base import RunStatus, TrackingRefused
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger
from hico_platform.tracking.uploads import KEPT, UPLOADS_TAG, WAITING
from tests.unit.tracking.test_search_logger import SPACE, World


class Store(MemoryTracker):
    """Uploads may hang, or fail with an answer; one run may be refused."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.refused_run = ""
        self.uploads = 0

    def open_run(self, *, name: str, **more: object) -> str:
        if name == self.refused_run:
            raise TrackingRefused(f"{name} is not allowed")
        return super().open_run(name=name, **more)  # type: ignore[arg-type]

    def log_folder(self, run_id: str, folder: Path, *, name: str) -> None:
        self.uploads += 1
        self.goes_on.wait(60)
        super().log_folder(run_id, folder, name=name)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.logger.close(status=RunStatus.KILLED, patience_s=5)
    world.tracker = Store()
    start(world)
    return world


def start(world: World) -> None:
    """The next driver."""
    world.start()


def uploads(world: World) -> set[str]:
    return {child.run.tags[UPLOADS_TAG] for child in world.children().values()}


def test_a_refused_checkpoint_holds_nothing_up_and_is_uploaded_once_it_is_allowed(world: World) -> None:
    world.tracker.refuses = {"log_folder"}
    world.work_off()
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    world.check_whole()
    assert (world.logger.refused, world.logger.refusal) == (5, "log_folder is not allowed")
    assert uploads(world) == {"refused: log_folder is not allowed"}
    world.tracker.refuses = set()
    start(world)
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    assert world.logger.refused == 0
    assert uploads(world) == {KEPT}
    assert all("checkpoint" in child.artifacts for child in world.children().values())


@pytest.mark.parametrize("hangs", [True, False])
def test_an_upload_that_hangs_or_finds_nobody_holds_up_no_metric(world: World, hangs: bool) -> None:
    if hangs:
        world.tracker.goes_on.clear()
    else:
        world.tracker.away_at = {"log_folder"}
    world.work_off()
    while world.outbox.waiting:
        pass
    world.check_whole()  # every run has its metrics and has ended
    assert world.logger.close(status=RunStatus.KILLED, patience_s=0.01, at_most_s=0.05) == 5
    assert uploads(world) == {WAITING}
    world.tracker.goes_on.set()
    world.tracker.away_at = set()
    start(world)
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    assert uploads(world) == {KEPT}


def test_what_was_uploaded_or_ended_under_an_earlier_version_is_not_uploaded_again(world: World) -> None:
    world.work_off()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    for child in list(world.children().values())[:2]:
        del child.run.tags[UPLOADS_TAG]  # type: ignore[attr-defined]
    before = world.tracker.uploads
    start(world)
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    assert world.tracker.uploads == before == 5


def test_a_full_line_of_uploads_leaves_them_to_the_next_driver(world: World) -> None:
    world.logger.close(status=RunStatus.KILLED, patience_s=5)  # two loggers would open two runs of the search
    world.tracker, world.outbox = Store(), Outbox(first_wait_s=0.001)
    world.tracker.goes_on.clear()
    world.logger = SearchLogger(
        ledger=world.ledger,
        space=SPACE,
        tracker=world.tracker,
        outbox=world.outbox,
        checkpoint=lambda recorded: world.folder / recorded,
        uploads=Outbox(most_waiting=2),
    )
    world.controller._observe = world.logger
    world.work_off()
    while world.outbox.waiting:
        pass
    world.tracker.goes_on.set()
    world.logger.close(status=RunStatus.KILLED, patience_s=5)
    assert uploads(world) == {KEPT, WAITING}
    start(world)
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    assert uploads(world) == {KEPT}


def test_a_trial_whose_run_is_refused_holds_up_no_other_and_is_made_up_for(world: World) -> None:
    world.tracker.refused_run = "toy-0001"
    world.work_off()
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    assert set(world.children()) == {"0", "2", "3", "4"}
    assert world.logger.refusal == "toy-0001 is not allowed"
    start(world)  # still refused: what comes after it in the ledger is looked at all the same
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    assert world.logger.refused == 1
    world.tracker.refused_run = ""
    start(world)
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    world.check_whole()


@pytest.mark.parametrize("method", ["runs", "open_run", "log_points", "close_run", "set_tags", "log_folder"])
def test_whatever_the_store_refuses_the_search_goes_on_and_is_made_whole_later(world: World, method: str) -> None:
    world.tracker.refuses = {method}
    for _ in range(2):
        world.work_off()
        assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
        refused = world.logger.refused
        start(world)
    assert refused > 0
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    world.tracker.refuses = set()
    start(world)
    world.work_off()
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    assert world.logger.refused == 0
    world.check_whole()
