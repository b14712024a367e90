"""What is written of a search and its trials: the names and values by which people find and compare runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hico_platform.config.schema import flatten
from hico_platform.enums import Decision
from hico_platform.search.drivers import this_driver
from hico_platform.search.ledger.base import Ending, ReportRecord, TrialRecord, TrialState
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.tracking.base import PARENT_TAG, USER_TAG, Run, RunStatus, TrackingRefused
from hico_platform.tracking.best_score import BEST_STEP_TAG
from hico_platform.tracking.memory import Kept, MemoryTracker
from hico_platform.tracking.search_runs import METRICS_TAG, STATE_TAG, SearchRuns, is_complete, key_of
from hico_platform.tracking.uploads import KEPT, TAG_CHARACTERS
from tests.toy import FACTS, toy_space

SPACE = toy_space(trials=5)


class World:
    """A ledger of a search and the store that its runs are in."""

    def __init__(self) -> None:
        facts = dataclasses.replace(FACTS, more={"data": "s3://key:s3cr3t@bucket/ntu", "transfer_digest": None})
        self.ledger = MemoryLedger(name="toy", space=SPACE, facts=facts, limit=5, at_s=1.25)
        ann = this_driver(command="search", at_s=1.0)
        self.ledger.record_driver(dataclasses.replace(ann, user="ann"))
        self.ledger.record_driver(dataclasses.replace(ann, user="bob", began_at_s=100.0, resumed=True))
        self.tracker = MemoryTracker()
        self.runs = SearchRuns(ledger=self.ledger, space=SPACE, tracker=self.tracker)

    def begin(self, *, at_s: float = 2.0) -> TrialRecord:
        trial = self.ledger.begin(SPACE, at_s=at_s)
        self.runs.begin(trial, fresh=True)
        return trial

    def kept(self, number: int = 0) -> Kept:
        return self.tracker.kept[self.runs.ids[number]]

    def tags(self, number: int = 0) -> dict[str, str]:
        return dict(self.kept(number).run.tags)


@pytest.fixture
def world() -> World:
    return World()


def report(epoch: int, *, history: tuple[int, ...] = (), **metrics: float) -> ReportRecord:
    return ReportRecord(
        epoch=epoch,
        value=0.5,
        metrics={"knn_top1": 0.5, **metrics},
        history=tuple((number, {"loss": 1.0 / number}) for number in history),
        decision=Decision.CONTINUE,
        checkpoint=Path("a"),
        at_s=10.0 + epoch,
    )


def ending(state: TrialState = TrialState.COMPLETE, **more: object) -> Ending:
    return Ending(**{"state": state, "epoch": 3, "at_s": 20.0, **more})


def test_the_search_has_its_facts_and_whoever_began_it(world: World) -> None:
    world.runs.open_search(fresh=True, by_number=False)
    kept = world.tracker.kept[world.runs.parent]
    assert (kept.experiment, kept.name, kept.run.key) == ("toy", "toy", "toy@1.250000")
    assert kept.params == flatten(SPACE.base)
    assert world.ledger.note("run") == world.runs.parent
    assert kept.run.tags == {
        "hico.key": "toy@1.250000",
        "hico.kind": "search",
        "hico.search": "toy",
        "hico.data_digest": FACTS.data_digest,
        "hico.protocol": "xsub",
        "hico.split": "validation subjects of the training split",
        "hico.code_version": "test",
        "hico.seed": str(SPACE.base.budget.seed),
        "hico.budget_epochs": "9",
        "hico.trials": "5",
        "hico.sampler": "tpe",
        "hico.scheduler": "asha",
        "hico.signal": "knn_top1",
        "hico.data": kept.run.tags["hico.data"],
        "hico.transfer_digest": "None",
        "hico.metric_names": "grouped",
        "hico.command": "search",
        "mlflow.source.name": "hico-platform search",
        "mlflow.source.type": "LOCAL",
        BEST_STEP_TAG: "trials that have ended",
        USER_TAG: "ann",
    }
    assert "s3cr3t" not in kept.run.tags["hico.data"]


def test_the_best_score_of_an_earlier_version_keeps_its_steps(world: World) -> None:
    world.runs.open_search(fresh=True, by_number=True)
    assert BEST_STEP_TAG not in world.tracker.kept[world.runs.parent].run.tags


def test_a_trial_has_its_configuration_and_whoever_drove_the_search_when_it_began(world: World) -> None:
    world.runs.open_search(fresh=True, by_number=False)
    first, second = world.begin(at_s=2.0), world.begin(at_s=200.0)
    kept = world.kept(0)
    assert (kept.experiment, kept.name, kept.run.key) == ("toy", "toy-0000", "toy@1.250000/0")
    assert kept.params == flatten(SPACE.config(first.values))
    assert kept.parent == world.runs.parent
    tags = world.tags(0)
    assert (tags["hico.kind"], tags["hico.trial"], tags["hico.origin"]) == ("trial", "0", "sampler")
    assert (tags[STATE_TAG], tags[USER_TAG], world.tags(1)[USER_TAG]) == ("running", "ann", "bob")
    assert [trial.run_id for trial in world.ledger.trials()] == [world.runs.ids[0], world.runs.ids[1]]
    assert world.runs.id_of(second.number) == world.runs.ids[1]


def test_a_trial_taken_up_again_keeps_its_run(world: World) -> None:
    trial = world.begin()
    run_id = world.runs.ids[0]
    world.runs.begin(trial, fresh=True)
    assert world.runs.ids[0] == run_id
    assert len(world.tracker.kept) == 1


def test_without_a_run_of_the_search_a_trial_has_no_parent(world: World) -> None:
    world.begin()
    assert PARENT_TAG not in world.tags()


def test_values_that_break_a_rule_between_fields_are_parameters_all_the_same(world: World) -> None:
    trial = dataclasses.replace(world.ledger.begin(SPACE, at_s=2.0), config={"model": {"hidden_width": -1}})
    world.runs.begin(trial, fresh=True)
    assert world.kept().params == trial.values


def test_a_report_comes_with_the_losses_before_it(world: World) -> None:
    world.begin()
    world.runs.report(0, report(3, history=(1, 2, 3)))
    assert world.kept().metrics == {
        "train/loss": [(1, 1.0, 13.0), (2, 0.5, 13.0), (3, 1 / 3, 13.0)],
        "val/knn_top1": [(3, 0.5, 13.0)],
    }


def test_a_score_comes_with_its_standard_error(world: World) -> None:
    world.begin()
    noisy = dataclasses.replace(report(1), standard_errors={"knn_top1": 0.03})
    world.runs.report(0, noisy)
    assert world.kept().metrics == {"val/knn_top1": [(1, 0.5, 11.0)], "val/knn_top1_standard_error": [(1, 0.03, 11.0)]}


def test_the_end_adds_what_the_last_report_has_not_said(world: World) -> None:
    world.begin()
    world.runs.report(0, report(3))
    world.runs.end(0, ending(metrics={"knn_top1": 0.75, "retrieval_map": 0.25}), tags={"more": "1"})
    assert world.kept().metrics == {"val/knn_top1": [(3, 0.5, 13.0)], "val/retrieval_map": [(3, 0.25, 20.0)]}
    assert (world.tags()[STATE_TAG], world.tags()["more"]) == ("complete", "1")
    assert not {"hico.reason", METRICS_TAG} & world.tags().keys()


def test_metrics_of_another_epoch_than_the_last_report_are_all_written(world: World) -> None:
    world.begin()
    world.runs.report(0, report(1))
    world.runs.end(0, ending(metrics={"knn_top1": 0.75}), tags={})
    assert world.kept().metrics["val/knn_top1"] == [(1, 0.5, 11.0), (3, 0.75, 20.0)]


def test_metrics_of_the_system_and_of_transfer_have_groups_of_their_own(world: World) -> None:
    world.begin()
    used = dataclasses.replace(report(1), history=((1, {"system/cpu_utilization_percentage": 50.0}),))
    world.runs.report(0, used)
    world.runs.end(0, ending(metrics={"transfer_top1": 0.25}), tags={})
    assert {"system/cpu_utilization_percentage", "transfer/top1"} < world.kept().metrics.keys()


def test_each_run_has_its_datasets_with_split_and_digest(world: World) -> None:
    facts = {
        "dataset": "embedded", "data": "home:data/embedded", "train_sequences": 12, "validation_sequences": 4,
        "transfer": "home:data/other", "transfer_digest": "e" * 64,
    }  # fmt: skip
    world.ledger = MemoryLedger(
        name="toy", space=SPACE, facts=dataclasses.replace(FACTS, more=facts), limit=5, at_s=1.25
    )
    world.runs = SearchRuns(ledger=world.ledger, space=SPACE, tracker=world.tracker)
    world.runs.open_search(fresh=True, by_number=False)
    world.begin()
    shown = [(one.name, one.split, one.digest[:2], dict(one.facts)) for one in world.kept().datasets]
    assert shown == [
        ("embedded (xsub, train)", "train", "dd", {"sequences": 12}),
        ("embedded (xsub, validation)", "validation", "dd", {"sequences": 4}),
        ("other (xsub, transfer)", "transfer", "ee", {}),
    ]
    assert world.tracker.kept[world.runs.parent].datasets == world.kept().datasets


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (TrialState.COMPLETE, RunStatus.FINISHED),
        (TrialState.PRUNED, RunStatus.FINISHED),
        (TrialState.FAILED, RunStatus.FAILED),
    ],
)
def test_each_ending_has_its_status_and_reason(world: World, state: TrialState, status: RunStatus) -> None:
    world.begin()
    end = ending(state, reason="x" * 9000)
    world.runs.end(0, end, tags={})
    assert (world.kept().run.status, world.tags()[STATE_TAG]) == (status, str(state))
    assert len(world.tags()["hico.reason"]) == TAG_CHARACTERS
    assert is_complete(world.kept().run, end)


def test_refused_metrics_are_noted_at_the_end_until_they_are_written_again(world: World) -> None:
    world.begin()
    world.tracker.refuses = {"log_points"}
    with pytest.raises(TrackingRefused):
        world.runs.report(0, report(3))
    world.runs.end(0, ending(), tags={})
    assert world.tags()[METRICS_TAG] == "refused: log_points is not allowed"
    assert not is_complete(world.kept().run, ending())
    world.runs.write_metrics_again(0)
    world.runs.end(0, ending(), tags={})
    assert world.tags()[METRICS_TAG] == KEPT
    assert is_complete(world.kept().run, ending())


def test_a_run_that_could_not_be_opened_takes_nothing(world: World) -> None:
    for step in (lambda: world.runs.report(7, report(1)), lambda: world.runs.end(7, ending(), tags={})):
        with pytest.raises(TrackingRefused, match="the run of trial 7 could not be opened"):
            step()
    world.runs.interrupt(7, at_s=30.0)
    assert world.tracker.kept == {}


def test_an_interrupted_trial_is_killed_and_not_complete(world: World) -> None:
    world.begin()
    world.runs.interrupt(0, at_s=30.0)
    assert (world.kept().run.status, world.tags()[STATE_TAG]) == (RunStatus.KILLED, "interrupted")
    assert not is_complete(world.kept().run, ending())


def test_a_run_is_complete_once_it_has_ended_as_its_trial_has() -> None:
    run = Run(run_id="r", key="k", status=RunStatus.FINISHED, tags={STATE_TAG: "complete"})
    assert is_complete(run, ending())
    assert not is_complete(dataclasses.replace(run, status=RunStatus.RUNNING), ending())
    assert not is_complete(run, ending(TrialState.PRUNED))


def test_a_search_ends_no_earlier_than_it_began(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.runs.open_search(fresh=True, by_number=False)
    ends = []
    close = world.tracker.close_run

    def note(run_id: str, **more: object) -> None:
        ends.append((run_id, more["at_s"]))
        close(run_id, **more)

    monkeypatch.setattr(world.tracker, "close_run", note)
    world.runs.end_search(RunStatus.FINISHED, tags={"a": "b"}, at_s=0.5)
    world.runs.end_search(RunStatus.FINISHED, tags={}, at_s=9.0)
    assert ends == [(world.runs.parent, 1.25), (world.runs.parent, 9.0)]
    assert world.tracker.kept[world.runs.parent].run.tags["a"] == "b"


def test_a_new_search_of_an_old_name_has_other_keys(world: World) -> None:
    later = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=5, at_s=1.250001).search
    assert key_of(later) != key_of(world.ledger.search)
    assert key_of(later, 3) == f"{key_of(later)}/3"
