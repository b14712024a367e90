from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hico_platform.errors import HicoError, Problem
from hico_platform.search.controller import SearchController
from hico_platform.search.drivers import this_driver
from hico_platform.search.kept_checkpoints import RECORD
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.messages import TrialFailure
from hico_platform.search.notes import PERSONS_NOTE
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.task import TrialTask
from hico_platform.tracking.base import PARENT_TAG, RunStatus, Tracker, TrackingError
from hico_platform.tracking.memory import Kept, MemoryTracker
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger
from hico_platform.tracking.uploads import CHECKPOINT_TAG, MOST_ANSWERS
from tests.toy import FACTS, run_toy_task, toy_space

SPACE = toy_space(trials=5)


class World:
    """A search in this process with its logger; it can be cut off and begun again."""

    def __init__(self, folder: Path, *, away: bool = False, most_waiting: int = 2000) -> None:
        self.folder = folder
        self.most_waiting = most_waiting
        self.folders: tuple[Path, ...] = ()
        self.ledger = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=5, at_s=1.0)
        self.tracker = MemoryTracker()
        self.tracker.away = away
        self.start()

    def start(self) -> None:
        self.outbox = Outbox(first_wait_s=0.001, most_waiting=self.most_waiting)
        self.logger = SearchLogger(
            ledger=self.ledger,
            space=SPACE,
            tracker=self.tracker,
            outbox=self.outbox,
            uploads=Outbox(first_wait_s=0.001, most_answers=MOST_ANSWERS),
            checkpoint=lambda recorded: self.folder / recorded,
            folders=self.folders,
        )
        self.controller = SearchController(
            ledger=self.ledger,
            space=SPACE,
            scheduler=make_scheduler(SPACE.settings.scheduler, epochs=9),
            directory=self.folder,
            observe=self.logger,
        )

    def work(self, task: TrialTask, before_report: Callable[[int], None] = lambda epoch: None) -> None:
        run_toy_task(self.controller, task, before_report=before_report)

    def work_off(self) -> None:
        while task := self.controller.next_task():
            self.work(task)

    def children(self) -> dict[str, Kept]:
        (parent,) = (kept for kept in self.tracker.kept.values() if kept.parent is None)
        return {
            kept.run.tags["hico.trial"]: kept for kept in self.tracker.kept.values() if kept.parent == parent.run.run_id
        }

    def check_whole(self) -> None:
        """One run a trial in a final state, every metric once and in order, and the ledger knows the runs."""
        trials = self.ledger.trials()
        assert len(self.tracker.kept) == 1 + len(trials)
        for trial in trials:
            kept = self.children()[str(trial.number)]
            assert kept.run.run_id == trial.run_id
            assert kept.run.tags["hico.state"] == str(trial.state)
            assert kept.run.status is (RunStatus.FAILED if trial.state is TrialState.FAILED else RunStatus.FINISHED)
            if trial.state is not TrialState.FAILED:
                assert [epoch for epoch, _, _ in kept.metrics["train/loss"]] == list(range(1, trial.epoch + 1))
                reported = [epoch for epoch, _, _ in kept.metrics["val/knn_top1"]]
                assert reported == list(trial.curve)
                assert "val/recognition_top1" in kept.metrics


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_whole_search(world: World) -> None:
    world.work_off()
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    world.check_whole()
    child = world.children()["0"]
    assert child.name == "toy-0000"
    assert child.params["contrast.temperature"] == 0.2
    assert child.params["model.hidden_width"] == 16
    assert "checkpoint" in child.artifacts
    for tag in ("data_digest", "protocol", "split", "code_version", "seed", "budget_epochs", "search", "origin"):
        assert child.run.tags[f"hico.{tag}"]
    parent = world.tracker.kept[world.ledger.note("run")]
    assert parent.run.status is RunStatus.FINISHED
    assert parent.run.tags["hico.best_trial"].isdigit()
    assert "val/best_knn_top1" in parent.metrics


def test_the_best_trial_has_a_model_with_its_scores_once_the_search_is_finished(world: World) -> None:
    world.work_off()
    world.logger.close(status=RunStatus.KILLED, patience_s=5)
    assert [child.model for child in world.children().values()] == [None] * 5
    before = {number: dict(child.metrics) for number, child in world.children().items()}
    world.start()
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    best = world.tracker.kept[world.ledger.note("run")].run.tags["hico.best_trial"]
    with_model = {number: child.model for number, child in world.children().items() if child.model}
    assert list(with_model) == [best]
    model = with_model[best]
    assert model.name == f"toy-{int(best):04d}"
    assert model.params["model.hidden_width"] == 16
    assert {"val/knn_top1", "val/recognition_top1"} <= {name for point in model.points for name in point.metrics}
    assert model.scored_on is not None
    assert model.scored_on.split == "validation"
    assert f"hico-platform show toy {best}" in model.note
    assert {number: dict(child.metrics) for number, child in world.children().items()} == before, "no point twice"


def test_folders_lie_with_the_searchs_own_run_also_once_the_store_is_back(tmp_path: Path) -> None:
    world = World(tmp_path / "trials", away=True)
    world.work_off()
    world.logger.close(status=RunStatus.FINISHED, patience_s=0)
    world.tracker.away = False
    world.folders = (tmp_path / "environment", tmp_path / "environment-2")
    for folder in world.folders:
        folder.mkdir()
    world.start()
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    world.check_whole()
    parent = world.tracker.kept[world.ledger.note("run")]
    assert parent.artifacts == {folder.name: str(folder) for folder in world.folders}


def test_a_report_is_one_request(world: World) -> None:
    task = world.controller.next_task()
    assert task is not None
    world.work(task)
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    # Search: list, open, view, look at its note, close. Trial: open, look at its note, end, best on the parent, its
    # note twice; the checkpoint and its tag; a look at its first note where its run was opened before it ended;
    # three reports. The best trial's model.
    assert world.tracker.requests <= 5 + 9 + 3 + 1


def test_a_failed_trial_has_reason_and_traceback(world: World) -> None:
    assert world.controller.next_task() is not None
    world.controller.failed(0, TrialFailure(reason="ValueError: no", traceback="Traceback (most recent call last)"))
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    child = world.children()["0"]
    assert child.run.status is RunStatus.FAILED
    assert child.run.tags["hico.reason"] == "ValueError: no"
    assert child.artifacts["traceback.txt"].startswith("Traceback")


def test_an_interrupted_search_leaves_no_run_running_and_goes_on_in_the_same_runs(world: World) -> None:
    tasks = [world.controller.next_task() for _ in range(2)]
    assert tasks[0] is not None
    world.work(tasks[0])
    world.logger.close(status=RunStatus.KILLED, patience_s=5)
    assert world.children()["1"].run.status is RunStatus.KILLED
    assert world.children()["1"].run.tags["hico.state"] == "interrupted"
    assert RunStatus.RUNNING not in {kept.run.status for kept in world.tracker.kept.values()}
    world.start()
    world.work_off()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    world.check_whole()


def test_a_store_that_was_away_for_a_whole_search_is_made_up_for(tmp_path: Path) -> None:
    world = World(tmp_path, away=True)
    world.work_off()
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=0.05) > 0
    assert world.tracker.kept == {}
    world.tracker.away = False
    world.start()
    world.work_off()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    world.check_whole()


def test_a_store_that_goes_away_in_the_middle(world: World) -> None:
    def flicker(epoch: int) -> None:
        world.tracker.away = epoch == 3

    while task := world.controller.next_task():
        world.work(task, before_report=flicker)
    world.tracker.away = False
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    world.check_whole()


def test_a_driver_killed_between_ledger_and_store(world: World) -> None:
    world.tracker.away = True
    task = world.controller.next_task()
    assert task is not None
    world.work(task)
    world.controller.next_task()
    world.logger.close(status=RunStatus.KILLED, patience_s=0.01)
    world.tracker.away = False
    world.start()
    world.work_off()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    world.check_whole()


def test_an_hour_away_keeps_no_more_than_the_line_holds(tmp_path: Path) -> None:
    world = World(tmp_path, away=True, most_waiting=4)
    longest = 0
    tasks = [world.controller.next_task(), world.controller.next_task()]
    for task in tasks:
        assert task is not None
        world.work(task)
        longest = max(longest, world.outbox.waiting)
    world.controller.next_task()  # at work when the store comes back
    longest = max(longest, world.outbox.waiting)
    assert longest <= 4 + 2
    world.tracker.away = False
    while world.outbox.waiting:
        time.sleep(0.001)
    assert world.children()["2"].run.status is RunStatus.RUNNING
    world.controller.failed(2, TrialFailure(reason="ValueError: no"))
    world.work_off()
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=5) == 0
    world.check_whole()


def test_the_best_so_far_never_falls_and_is_told_once_a_trial(world: World) -> None:
    for _ in range(2):
        task = world.controller.next_task()
        assert task is not None
        world.work(task)
    world.logger.close(status=RunStatus.KILLED, patience_s=5)
    world.start()
    world.work_off()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    history = world.tracker.kept[world.ledger.note("run")].metrics["val/best_knn_top1"]
    assert [value for _, value, _ in history] == sorted(value for _, value, _ in history)
    assert len({number for number, _, _ in history}) == len(history)
    assert history[-1][1] == max(trial.value for trial in world.ledger.trials() if trial.state is TrialState.COMPLETE)


def test_a_search_run_that_was_deleted_is_made_anew_with_its_trials_and_its_curve(world: World) -> None:
    world.work_off()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    before = world.ledger.note("run")
    curve = world.tracker.kept.pop(before).metrics["val/best_knn_top1"]
    world.start()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    parent = world.ledger.note("run")
    assert parent != before
    assert world.tracker.kept[parent].metrics["val/best_knn_top1"] == curve
    trials = [kept.run for kept in world.tracker.kept.values() if "hico.trial" in kept.run.tags]
    assert [run.tags[PARENT_TAG] for run in trials] == [parent] * 5


def test_a_study_that_was_deleted_leaves_no_run_running(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.controller.next_task()
    assert first is not None
    world.work(first)
    assert world.controller.next_task() is not None  # at work when the study goes
    while world.outbox.waiting:
        time.sleep(0.001)

    def gone(*_: object, **__: object) -> None:
        raise HicoError(Problem(rule="a study that exists", remedy=None))

    for method in ("trials", "note", "set_note", "record_run"):
        monkeypatch.setattr(world.ledger, method, gone)
    world.logger.close(status=RunStatus.FAILED, patience_s=5)
    found = sorted(str(kept.run.status) for kept in world.tracker.kept.values())
    assert found == ["FAILED", "FINISHED", "KILLED"]


def test_a_search_interrupted_before_its_first_trial_keeps_its_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ledger.record_driver(this_driver(command="search", at_s=1.0))
    world.logger.close(status=RunStatus.KILLED, patience_s=5.0)
    world.ledger.record_driver(this_driver(command="search --resume", at_s=2.0))
    world.start()
    world.logger.close(status=RunStatus.KILLED, patience_s=5.0)
    assert len(world.tracker.kept) == 1


def note_of(kept: Kept) -> str:
    return kept.run.tags["mlflow.note.content"]


def test_notes_say_what_is_best_and_what_to_do_next(world: World) -> None:
    world.work_off()
    (parent,) = (kept for kept in world.tracker.kept.values() if kept.parent is None)
    world.ledger.set_note(PERSONS_NOTE, {"text": "of ann", "by": "ann", "at_s": 1.0})
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    assert "**Note**: of ann" in note_of(parent)
    best = parent.run.tags["hico.best_trial"]
    text = note_of(parent)
    assert "**Finished**: 5 of 5 trials ended" in text
    assert f"**Best**: [trial {best}](#/{parent.run.tags['hico.best_run']}) with `val/knn_top1`" in text
    assert "| `contrast.temperature` |" in text
    assert "`hico-platform retrain toy`" in text
    assert f"Trial 0 of the search [toy](#/{parent.run.run_id})" in note_of(world.children()["0"])
    assert "after 9 epochs, `val/knn_top1`" in note_of(world.children()[best])
    assert world.tracker.experiment_tags["toy"]["mlflow.sharedViewState.hico"].startswith('{"name": ')


def test_the_note_of_an_interrupted_search_says_how_to_go_on(world: World) -> None:
    world.controller.next_task()
    world.logger.close(status=RunStatus.KILLED, patience_s=5)
    (parent,) = (kept for kept in world.tracker.kept.values() if kept.parent is None)
    assert "**Interrupted**: 0 of 5 trials ended (1 running)" in note_of(parent)
    assert "`hico-platform search --resume --name toy`" in note_of(parent)


def test_a_note_that_a_person_wrote_stays(world: World) -> None:
    first = world.controller.next_task()
    assert first is not None
    while len(world.tracker.kept) < 2:
        time.sleep(0.001)
    for kept in world.tracker.kept.values():
        world.tracker.set_tags(kept.run.run_id, {"mlflow.note.content": "mine"})
    world.work(first)
    world.work_off()
    world.logger.close(status=RunStatus.KILLED, patience_s=5)
    world.start()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    (parent,) = (kept for kept in world.tracker.kept.values() if kept.parent is None)
    assert note_of(parent) == note_of(world.children()["0"]) == "mine"
    assert note_of(world.children()["1"]) != "mine"


def test_a_search_that_an_earlier_version_began_keeps_its_names(world: World) -> None:
    first = world.controller.next_task()
    assert first is not None
    world.logger.close(status=RunStatus.KILLED, patience_s=5)
    for kept in world.tracker.kept.values():
        kept.run.tags.pop("hico.metric_names")  # type: ignore[attr-defined]
    world.start()
    world.work_off()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5)
    names = {name for kept in world.tracker.kept.values() for name in kept.metrics}
    assert {"loss", "knn_top1", "recognition_top1", "best_knn_top1"} <= names
    assert not [name for name in names if "/" in name]


def test_with_a_rule_for_checkpoints_a_run_gets_what_is_kept_and_the_next_driver_makes_up_for_it(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.logger._kept_first = True
    world.work_off()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5.0)
    assert all(kept.artifacts == {} for kept in world.tracker.kept.values())
    world.start()  # as after a kill before anything was uploaded
    world.logger.close(status=RunStatus.FINISHED, patience_s=5.0)
    assert all("checkpoint" in kept.artifacts for kept in world.children().values())
    record = {"kept": "removed", "why": "not one of the best 1", "at_s": 0.0}
    last = Path(world.ledger.trials()[2].ending.checkpoint)
    (tmp_path / last).unlink()
    (tmp_path / last).with_name(RECORD).write_text(json.dumps(record))
    world.start()
    world.logger.close(status=RunStatus.FINISHED, patience_s=5.0)
    gone = world.children()["2"]
    assert gone.artifacts == {}
    assert gone.run.tags[CHECKPOINT_TAG].startswith("removed on 1970-01-01")
    world.start()
    requests = world.tracker.requests
    world.logger.keep(2, world.ledger.trials()[2].ending)
    world.logger.close(status=RunStatus.FINISHED, patience_s=5.0)
    assert world.tracker.requests > requests
    world.check_whole()


class Flaky(MemoryTracker):
    """Answers are lost at random, of calls that were carried out and of calls that were not."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        self.asked: set[object] = set()

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name not in Tracker.__abstractmethods__ - {"address", "page"}:
            return found

        def call(*args: object, **more: object) -> object:
            if name == "open_run":  # as MLflow's does it, which looks for a run whose making was not answered
                more["fresh"] = more["fresh"] and more["key"] not in self.asked
                self.asked.add(more["key"])
            lost = self.draw.choice(["no"] * 8 + ["before", "after"])
            answer = None if lost == "before" else found(*args, **more)  # type: ignore[operator]
            if lost != "no":
                raise TrackingError(f"the answer of {name} was lost")
            return answer

        return call


@pytest.mark.parametrize("seed", range(8))
def test_whichever_answer_is_lost_everything_is_written_once(world: World, seed: int) -> None:
    world.logger.close(status=RunStatus.KILLED, patience_s=5)
    world.tracker = Flaky(seed)
    world.start()
    world.work_off()
    assert world.logger.close(status=RunStatus.FINISHED, patience_s=30) == 0
    world.check_whole()
    for child in world.tracker.kept.values():
        for name, points in child.metrics.items():
            epochs = [epoch for epoch, _, _ in points]
            assert epochs == sorted(set(epochs)), name
