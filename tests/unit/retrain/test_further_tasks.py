from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hico_platform.enums import Clusters
from hico_platform.errors import UsageError
from hico_platform.evaluate.scores import Score, TaskResult
from hico_platform.evaluate.tasks import registry
from hico_platform.retrain.further_tasks import (
    DEFAULT_TASKS,
    TaskScores,
    further_names,
    kept_tasks,
    pending,
    read_task_scores,
    record_failure,
    score_tasks,
    write_task_scores,
)

SCORED = TaskScores(
    task="semi",
    protocol="five draws",
    values={"semi_per_class_5_linear_top1": 0.5, "semi_error": 0.25},
    parts={"semi_per_class_5_linear_top1": np.array([1.0, 0.0], np.float32)},
    persons=np.array([4, 5]),
    clusters=Clusters.VIDEOS,
)


class Task:
    """A task that answers, fails or asks for something."""

    quick = False

    def __init__(self, name: str, *, needs: str | None = None, fails: str | None = None) -> None:
        self.name, self._needs, self._fails = name, needs, fails
        self.runs = 0

    def missing(self, evaluated: Any) -> str | None:
        return self._needs

    def run(self, evaluated: Any) -> TaskResult:
        self.runs += 1
        if self._fails is not None:
            raise ValueError(self._fails)
        scores = {f"{self.name}_top1": Score.mean_of(torch.tensor([1.0, 0.0])), f"{self.name}_error": Score(value=0.1)}
        return TaskResult(task=self.name, protocol="as made", scores=scores)


@dataclasses.dataclass
class Data:
    """Two sequences of two persons."""

    eval_subjects: torch.Tensor | None = dataclasses.field(default_factory=lambda: torch.tensor([4, 5]))
    eval: torch.Tensor = dataclasses.field(default_factory=lambda: torch.tensor([8, 9]))
    clusters: Clusters = Clusters.PERSONS


@dataclasses.dataclass
class Given:
    """What a task is given."""

    data: Data = dataclasses.field(default_factory=Data)
    target: Any = None


def test_what_is_written_is_read_again_and_damage_is_nothing(tmp_path: Path) -> None:
    assert read_task_scores(tmp_path, "semi") is None
    write_task_scores(tmp_path, SCORED)
    found = read_task_scores(tmp_path, "semi")
    assert found is not None
    assert dataclasses.replace(found, parts={}, persons=SCORED.persons) == dataclasses.replace(SCORED, parts={})
    assert [values.tolist() for values in found.parts.values()] == [[1, 0]]
    assert found.persons is not None
    assert found.persons.tolist() == [4, 5]
    (file,) = (tmp_path / "tasks").iterdir()
    file.write_bytes(file.read_bytes()[:50])
    assert read_task_scores(tmp_path, "semi") is None


def test_a_task_is_pending_until_it_is_scored_or_can_never_be(tmp_path: Path) -> None:
    names = ("semi", "occlusion", "finetune")
    assert pending(tmp_path, names) == names
    write_task_scores(tmp_path, SCORED)
    write_task_scores(tmp_path, TaskScores(task="occlusion", skipped="an encoder"))
    write_task_scores(tmp_path, TaskScores(task="finetune", failed="a finite loss, got nan"))
    assert pending(tmp_path, names) == ("finetune",), "what failed is tried again"


def test_neither_a_lack_nor_a_failure_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    made = (Task("first"), Task("lacking", needs="a target dataset"), Task("failing", fails="no\nmore"), Task("last"))
    monkeypatch.setattr(registry, "OWN", made)
    given: Any = Given()
    first, lacking, failing, last = score_tasks(lambda: given, [task.name for task in made])
    assert (first.task, first.skipped, first.failed, first.protocol) == ("first", None, None, "as made")
    assert (lacking.skipped, lacking.failed, lacking.values) == ("a target dataset", None, {})
    assert (failing.skipped, failing.failed) == (None, "no")
    assert last.values == {"last_top1": 0.5, "last_error": pytest.approx(0.1)}
    assert [task.runs for task in made] == [1, 0, 1, 1]
    assert list(last.parts) == ["last_top1"]


def test_an_encoder_is_not_read_where_there_is_no_task() -> None:
    assert score_tasks(lambda: pytest.fail("read"), ()) == ()


def test_without_known_persons_each_sequence_is_one_of_its_own_and_a_target_has_its_own_persons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class OnTarget(Task):
        def run(self, evaluated: Any) -> TaskResult:
            return dataclasses.replace(super().run(evaluated), on_target=True)

    monkeypatch.setattr(registry, "OWN", (Task("here"), OnTarget("there")))
    target = Given(data=Data(eval_subjects=torch.tensor([7, 7]), clusters=Clusters.VIDEOS))
    given: Any = Given(data=Data(eval_subjects=None), target=target)
    here, there = score_tasks(lambda: given, ("here", "there"))
    assert here.persons is not None
    assert there.persons is not None
    assert (here.persons.tolist(), here.clusters) == ([0, 1], Clusters.PERSONS)
    assert (there.persons.tolist(), there.clusters) == ([7, 7], Clusters.VIDEOS)


def test_what_nothing_can_be_read_of_is_said_of_every_task() -> None:
    def gone() -> Any:
        raise OSError("the checkpoint is gone")

    found = score_tasks(gone, ("semi", "occlusion"))
    assert [one.failed for one in found] == ["the checkpoint is gone"] * 2


def test_a_failure_is_kept_until_it_is_tried_again(tmp_path: Path) -> None:
    record_failure(tmp_path, ("semi", "occlusion"), reason="its worker died")
    assert pending(tmp_path, ("semi", "occlusion")) == ("semi", "occlusion")
    assert [one.failed for one in kept_tasks(tmp_path)] == ["its worker died"] * 2


def test_the_quick_tasks_always_run_so_their_names_ask_for_nothing_more() -> None:
    assert further_names(DEFAULT_TASKS) == DEFAULT_TASKS == ("semi", "occlusion")
    assert further_names(("quick",)) == further_names(("knn", "linear")) == ()
    assert further_names(("occlusion", "quick", "semi")) == ("semi", "occlusion"), "in the order of the tables"
    assert {"semi", "semi-finetune", "finetune", "occlusion"} < set(further_names(("all",)))
    assert not {"knn", "fusion", "calibration"} & set(further_names(("all",)))
    with pytest.raises(UsageError, match="got 'knnn'"):
        further_names(("knnn",))


def test_what_no_retraining_can_run_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"fusion.*evaluate"):
        further_names(("fusion",))


def test_a_quick_task_of_another_package_is_one_of_the_further_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = Task("speed")
    theirs.quick = True
    monkeypatch.setattr(registry, "plug_ins", lambda group: ["speed"])
    monkeypatch.setattr(registry, "made", lambda group, name: theirs)
    assert "speed" in further_names(("speed",))
    assert "speed" in further_names(("quick",))
