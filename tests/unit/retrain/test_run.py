"""Retraining when all runs have been trained, with a tracking store that is away or refuses."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Signal
from hico_platform.errors import ConfigError, HicoError, UsageError
from hico_platform.retrain import logging as retrain_logging
from hico_platform.retrain.candidates import Candidate, CandidateRun, candidate_plan
from hico_platform.retrain.further_tasks import TaskScores, write_task_scores
from hico_platform.retrain.inputs import RetrainInputs
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.results import RunResult, write_result
from hico_platform.retrain.run import RetrainReport, retrain
from hico_platform.retrain.sequence_scores import SequenceScores, write_sequence_scores
from hico_platform.retrain.task import RetrainOutcome, RetrainTask
from hico_platform.search.lock import search_lock
from hico_platform.search.messages import TrialFailure
from hico_platform.search.phases import DriverWatch, Phase
from hico_platform.search.task_source import TaskSource
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData
from tests.exported import small_export
from tests.small import small_config

FACTS = {
    "dataset": "tiny", "data_digest": "d" * 64, "protocol": "xsub", "code_version": "tested", "split": "test",
    "train_sequences": "8", "test_sequences": "4", "search": "x", "trial": "3",
}  # fmt: skip
CANDIDATES = tuple(
    Candidate(trial=number, config=small_config(budget__epochs=4, contrast__temperature=temperature), searched=0.6)
    for number, temperature in ((3, 0.2), (5, 0.3), (1, 0.4))
)
RIGHT = {Entry.RAW_POSE: 0.1, Entry.UNTRAINED: 0.2, Entry.RELEASED: 0.3, Entry.BEST: 0.9}


def sequence_scores(share: float) -> SequenceScores:
    """Sequences of eight persons, of each of whom ``share`` is right."""
    right = np.tile(np.arange(10) < round(10 * share), 8).astype(np.float32)
    return SequenceScores(parts={"knn_top1": right, "retrieval_map": right}, persons=np.repeat(np.arange(8), 10))


METHODS = ["runs", "open_run", "log_points", "close_run", "log_folder", "set_tags", "register_champion"]


class Stage:
    """A retraining of the search ``x``; what is on disk is a whole one, unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best = small_config(budget__epochs=4)
        self.candidates: tuple[Candidate, ...] = ()
        self.data = TrialData(
            source=Dataset(location="none", protocol="xsub", cache=folder), target=None, on_test_split=True
        )
        self.tracker = MemoryTracker()
        self.command: str | None = None
        self.phases: list[Phase] = []

    def train(self, *, seeds: int = 1, best: TrialConfig | None = None, trial: str = "3") -> None:
        plan = make_plan(best or self.best, seeds=seeds, epochs=None, facts={**FACTS, "trial": trial})
        for run in plan.runs:
            folder = self.folder / plan.digest[:12] / run.key
            write_sequence_scores(folder, sequence_scores(RIGHT[run.entry]))
            checkpoint = folder / "epoch-000004"
            if run.entry.is_trained:
                checkpoint.mkdir(parents=True, exist_ok=True)
                if not (folder / "encoder").exists():
                    small_export(folder / "encoder")
            metrics = {"knn_top1": 0.5 + run.seed / 10, "recognition_top1": 0.6}
            write_result(
                folder,
                RunResult(
                    entry=run.entry, seed=run.seed, epoch=4, metrics=metrics, seconds=1.0,
                    checkpoint=str(checkpoint) if run.entry.is_trained else None,
                ),
            )  # fmt: skip

    def validate(self, *scores: float, seeds: int = 1) -> None:
        """Results of the candidates, each with its score for all seeds."""
        signal = str(self.data.signal)
        plan = candidate_plan(CANDIDATES, seeds=seeds, epochs=None, facts={**FACTS, "signal": signal})
        for run in plan.runs:
            assert isinstance(run, CandidateRun)
            index = [one.trial for one in CANDIDATES].index(run.trial)
            metrics = {self.data.signal.metric: scores[index] + run.seed / 100}
            result = RunResult(entry=run.entry, seed=run.seed, epoch=4, metrics=metrics, checkpoint=None, seconds=1.0)
            write_result(self.folder / "candidates" / run.key, result)

    def retrain(self, *, seeds: int = 1, further: tuple[str, ...] = (), **facts: str) -> RetrainReport:
        return retrain(
            self.inputs(**facts), directory=self.folder, tracker=self.tracker, seeds=seeds, further=further,
            command=self.command, watch=DriverWatch(on_phase=self.phases.append),
        )  # fmt: skip

    def inputs(self, **facts: str) -> RetrainInputs:
        return RetrainInputs(
            name="x", best=self.best, data=self.data, facts={**FACTS, **facts}, candidates=self.candidates
        )


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(retrain_logging, "PATIENCE_S", 0.01)
    stage = Stage(tmp_path)
    stage.train()
    return stage


def test_the_environment_is_kept_beside_the_results_and_with_the_parent_run(stage: Stage) -> None:
    stage.retrain()
    assert not (stage.folder / "environment").exists()
    stage.command = "hico-platform retrain x"
    stage.retrain()
    (parent,) = (kept for kept in stage.tracker.kept.values() if not kept.parent)
    assert parent.artifacts["environment"] == str(stage.folder / "environment")
    assert json.loads((stage.folder / "environment" / "environment.json").read_text())["command"] == stage.command


@pytest.mark.parametrize("refuses", [True, False], ids=["refuses", "away"])
@pytest.mark.parametrize("method", METHODS)
def test_the_results_come_whatever_the_store_does_and_the_same_command_makes_up_for_it(
    stage: Stage, method: str, refuses: bool
) -> None:
    if refuses:
        stage.tracker.refuses = {method}
    else:
        stage.tracker.away_at = {method}
    report = stage.retrain()
    assert set(report.summary) == set(Entry) - {Entry.CANDIDATE}
    assert len(report.results) == 4
    if method in {"runs", "open_run", "log_folder", "register_champion"} or (method == "close_run" and not refuses):
        assert report.model_version is None
        assert report.unregistered is not None
        assert ("refused" if refuses else "away") in report.unregistered
    assert (report.unregistered is None) is (report.model_version is not None)
    stage.tracker.refuses = stage.tracker.away_at = set()
    again = stage.retrain()
    assert (again.model_version, again.unregistered, again.untracked, again.refused) == (1, None, 0, 0)
    runs = stage.tracker.runs("x")
    assert len(runs) == 5
    assert {run.status for run in runs.values()} == {RunStatus.FINISHED}
    best = stage.tracker.kept[next(run.run_id for key, run in runs.items() if key.endswith("best-seed-0"))]
    assert "checkpoint" in best.artifacts
    assert best.metrics["test/knn_top1"][-1][:2] == (4, 0.5)


def test_a_store_that_is_gone_altogether(stage: Stage) -> None:
    stage.tracker.away = True
    report = stage.retrain()
    assert report.untracked > 0
    assert report.unregistered == "the tracking store was away: the store is away"


def test_a_model_that_cannot_be_exported_costs_no_result(stage: Stage) -> None:
    for folder in stage.folder.glob("*/best-seed-0/*/"):
        shutil.rmtree(folder)
    report = stage.retrain()
    assert report.summary[Entry.BEST]["knn_top1"].mean == 0.5
    assert report.unregistered is not None
    assert "the model could not be exported" in report.unregistered


def test_what_is_still_to_be_trained_is_not_begun_over_a_store_that_refuses(stage: Stage) -> None:
    stage.tracker.refuses = {"check"}
    with pytest.raises(
        UsageError, match="a tracking store that takes what is written, got 'memory, which refuses: check"
    ):
        stage.retrain(seeds=2)
    assert stage.retrain().model_version == 1, "nothing is to be trained"


def test_fewer_seeds_leave_no_figure_of_more_behind(stage: Stage) -> None:
    stage.train(seeds=2)
    assert stage.retrain(seeds=2).model_version == 1
    assert "test 1-NN 55.0% over 2 seeds. Better" in stage.tracker.descriptions["x"]
    stage.retrain()
    assert "test 1-NN 50.0% over 1 seed. Better" in stage.tracker.descriptions["x"]
    parent = next(kept for kept in stage.tracker.kept.values() if kept.name == "retraining")
    shown = {name: history[-1][1] for name, history in parent.metrics.items()}
    assert (shown["best/mean_test_knn_top1"], shown["best/seeds"]) == (0.5, 1)
    assert math.isnan(shown["best/std_test_knn_top1"])


def test_the_state_of_the_search_is_in_the_text_and_changes_no_result(stage: Stage) -> None:
    report = stage.retrain(search_state="running: 5 of 12 trials ended")
    assert stage.tracker.descriptions["x"].startswith(
        "HiCo, best so far of the search x, which was running: 5 of 12 trials ended; test 1-NN 50.0% over 1 seed. "
    )
    again = stage.retrain(search_state="finished")
    assert again.directory == report.directory
    assert stage.tracker.descriptions["x"].startswith(
        "HiCo, best configuration of the search x; test 1-NN 50.0% over 1 seed. "
    )


def shown(stage: Stage, name: str = "retraining") -> dict[str, float]:
    """The last value of each metric of the run with that name."""
    (kept,) = [kept for kept in stage.tracker.kept.values() if kept.name == name]
    return {metric: history[-1][1] for metric, history in kept.metrics.items()}


def test_a_model_that_is_better_beyond_noise_is_the_champion_and_everything_says_why(stage: Stage) -> None:
    report = stage.retrain()
    assert (report.alias, stage.tracker.aliases) == ("champion", {"x": {"champion": 1}})
    why = (
        "Better beyond noise in test 1-NN: over released settings +60.0 points [60.0, 60.0], one-sided p 0.004, "
        "untrained encoder +70.0 points [70.0, 70.0], one-sided p 0.004; with one seed nothing is known of how seeds "
        "differ."
    )
    assert report.promotion.sentence == why
    assert f"over 1 seed. {why}\n" in stage.tracker.descriptions["x"]
    metrics = shown(stage)
    assert metrics["best_over_released/test_knn_top1"] == pytest.approx(0.6)
    assert metrics["best_over_released/p_test_knn_top1"] == pytest.approx(6 * 2**-7), "of six tests, by Holm"
    assert (metrics["best/low_test_knn_top1"], metrics["best/high_test_knn_top1"]) == pytest.approx((0.9, 0.9))
    (parent,) = [kept for kept in stage.tracker.kept.values() if kept.name == "retraining"]
    assert parent.run.tags["hico.verdict"] == why


def test_one_that_is_not_stays_challenger_beside_the_champion(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.retrain()
    monkeypatch.setitem(RIGHT, Entry.UNTRAINED, 0.9)
    stage.best = small_config(budget__epochs=4, contrast__temperature=0.4)
    stage.train()
    report = stage.retrain()
    assert (report.model_version, report.alias) == (2, "challenger")
    assert stage.tracker.aliases == {"x": {"champion": 1, "challenger": 2}}
    assert "over untrained encoder +0.0 points" in stage.tracker.descriptions["x"]
    monkeypatch.setitem(RIGHT, Entry.UNTRAINED, 0.2)
    stage.best = small_config(budget__epochs=4, contrast__temperature=0.3)
    stage.train()
    assert stage.retrain().alias == "champion"
    assert stage.tracker.aliases == {"x": {"champion": 3, "challenger": 2}}, "a later one that is better"


def test_results_of_an_older_version_are_not_tested_and_keep_their_alias(stage: Stage) -> None:
    stage.retrain()
    for file in stage.folder.glob("*/released-seed-0/scores.npz"):
        file.unlink()
    again = stage.retrain()
    assert (again.alias, again.comparison.intervals) == ("champion", {})
    assert again.promotion.sentence == (
        "Not tested: released-seed-0: scored by a version that kept no scores of sequences."
    )
    stage.tracker.aliases.clear()
    assert stage.retrain().alias == "challenger", "without a test no model becomes champion"


def test_validation_chooses_among_candidates_and_the_chosen_one_alone_is_tested(stage: Stage) -> None:
    stage.candidates = CANDIDATES
    stage.validate(0.6, 0.7, 0.4)
    stage.train(best=CANDIDATES[1].config, trial="5")
    report = stage.retrain()
    assert report.config == CANDIDATES[1].config
    assert (report.facts["trial"], report.facts["candidates"]) == ("5", "3, 5, 1")
    assert [(one.candidate.trial, one.score.mean, one.chosen) for one in report.candidates] == [
        (3, 0.6, False), (5, 0.7, True), (1, 0.4, False),
    ]  # fmt: skip
    assert json.loads((report.directory / "plan.json").read_text())["candidates"][1]["chosen"] is True
    runs = stage.tracker.runs("x")
    by_name = {kept.name: kept for kept in stage.tracker.kept.values()}
    parent = by_name["retraining"]
    assert len(runs) == 1 + 3 + 4
    assert {kept.parent for kept in by_name.values()} == {None, parent.run.run_id}
    assert {run.status for run in runs.values()} == {RunStatus.FINISHED}
    for number, score in ((3, 0.6), (5, 0.7), (1, 0.4)):
        (one,) = [kept for name, kept in by_name.items() if name.startswith(f"trial-{number}-")]
        tags = {"hico.kind": "candidate", "hico.split": "val", "hico.trial": str(number), "hico.seed": "0"}
        assert tags.items() <= one.run.tags.items()
        assert {name: history[-1][1] for name, history in one.metrics.items()} == {"val/knn_top1": score}
        assert one.artifacts == {}
    assert (parent.run.tags["hico.trial"], parent.run.tags["hico.split"]) == ("5", "test")
    assert parent.params["contrast.temperature"] == 0.3
    assert stage.retrain().candidates == report.candidates
    assert len(stage.tracker.runs("x")) == len(runs), "a second call finds everything done"


def test_the_searchs_best_among_candidates_is_the_plan_that_it_is_alone(stage: Stage) -> None:
    stage.best = CANDIDATES[0].config
    stage.train(seeds=2)
    alone = stage.retrain(seeds=2)
    stage.candidates = CANDIDATES
    stage.validate(0.7, 0.6, 0.4, seeds=2)
    assert stage.retrain(seeds=2).directory == alone.directory
    stage.candidates = CANDIDATES[:1]
    assert stage.retrain(seeds=2).candidates == (), "one leaves no choice"


def test_what_is_still_to_be_validated_or_tested_is_not_begun_over_a_store_that_refuses(stage: Stage) -> None:
    stage.candidates = CANDIDATES
    stage.tracker.refuses = {"check"}
    with pytest.raises(UsageError, match="a tracking store that takes what is written"):
        stage.retrain()
    assert stage.tracker.kept == {}, "candidates come first"
    stage.validate(0.6, 0.7, 0.4)
    with pytest.raises(UsageError, match="a tracking store that takes what is written"):
        stage.retrain()
    stage.train(best=CANDIDATES[1].config, trial="5")
    assert stage.retrain().alias == "champion", "nothing is to be trained"


def test_failures_name_run_reason_and_remedy() -> None:
    from hico_platform.retrain.run import _failures

    error = HicoError(_failures({"best-seed-0": "out of memory"}, remedy="mend it and run the command again"))
    assert str(error) == (
        "best-seed-0: expected a run that trains, got 'out of memory'; mend it and run the command again"
    )


def test_one_process_at_a_time_retrains_a_search(tmp_path: Path) -> None:
    with (
        search_lock(tmp_path / "lock", name="x"),
        pytest.raises(UsageError, match=r"a retraining that is not running already, got 'x: process \d+ on"),
    ):
        Stage(tmp_path).retrain()


def test_a_plan_of_before_auto_precision_is_found_again(tmp_path: Path) -> None:
    """Versions without ``auto`` precision meant float32 where a configuration named none."""
    stage = Stage(tmp_path)
    stage.train()
    stage.best = small_config(budget__epochs=4, model__precision="auto")
    stage.retrain()
    assert len([folder for folder in tmp_path.iterdir() if folder.is_dir()]) == 1


class Killed(BaseException):
    """What ends a process between two tasks."""


def execute(monkeypatch: pytest.MonkeyPatch, *, tasks: int | None = None) -> list[str]:
    """In place of Ray: ends every task at once, and the process after so many ``tasks``; returns their names."""
    done: list[str] = []

    def run(source: TaskSource, function: object, **_: object) -> None:
        while (task := source.next_task()) is not None:
            if len(done) == tasks:
                raise Killed
            assert isinstance(task, RetrainTask)
            done.append(f"{task.entry} {task.config.contrast.temperature} {task.config.budget.seed}")
            checkpoint = task.directory / "epoch-000004"
            checkpoint.mkdir(parents=True, exist_ok=True)
            if not (task.directory / "encoder").exists():
                small_export(task.directory / "encoder")
            score = 0.5 + task.config.contrast.temperature / 10
            source.finished(
                task.number,
                RetrainOutcome(
                    epoch=4, stopped_early=False, metrics={"knn_top1": score}, checkpoint=checkpoint,
                    scores=None if task.entry is Entry.CANDIDATE else sequence_scores(RIGHT[task.entry]),
                ),
            )  # fmt: skip

    monkeypatch.setattr("hico_platform.search.ray_executor.executor.execute_on_ray", run)
    return done


@pytest.mark.slow
def test_a_process_that_is_killed_anywhere_in_either_stage_goes_on_and_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrain_logging, "PATIENCE_WHEN_CUT_OFF_S", 0.01)
    whole = Stage(tmp_path / "whole")
    whole.candidates = CANDIDATES
    names = execute(monkeypatch)
    expected = whole.retrain()
    assert names == [
        *(f"candidate {temperature} 0" for temperature in (0.2, 0.3, 0.4)),
        *(f"{entry} 0" for entry in ("best 0.4", "released 0.2", "untrained 0.4", "raw pose 0.4")),
    ], "the highest mean, and only then the test split"
    for killed_after in (1, 3, 5):
        stage = Stage(tmp_path / str(killed_after))
        stage.candidates = CANDIDATES
        first = execute(monkeypatch, tasks=killed_after)
        with pytest.raises(Killed):
            stage.retrain()
        again = execute(monkeypatch)
        report = stage.retrain()
        assert first + again == names, "nothing is run twice"
        assert (report.summary, report.candidates) == (expected.summary, expected.candidates)
        assert report.directory.name == expected.directory.name
        assert (report.comparison, report.alias) == (expected.comparison, "champion")
        assert {run.status for run in stage.tracker.runs("x").values()} == {RunStatus.FINISHED}


def test_a_candidate_that_cannot_be_trained_is_named_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path)
    stage.candidates = CANDIDATES

    def run(source: TaskSource, function: object, **_: object) -> None:
        while (task := source.next_task()) is not None:
            source.failed(task.number, TrialFailure(reason="a finite loss in epoch 3, got nan"))

    monkeypatch.setattr("hico_platform.search.ray_executor.executor.execute_on_ray", run)
    with pytest.raises(HicoError, match="mend it, or give fewer --candidates, and run the command again") as caught:
        stage.retrain()
    assert [problem.field.rpartition("-")[0][:7] for problem in caught.value.problems] == [
        "trial-3", "trial-5", "trial-1",
    ]  # fmt: skip


def test_gpus_that_cannot_share_a_batch_equally_are_refused_before_anything_starts(stage: Stage) -> None:
    inputs = dataclasses.replace(stage.inputs(), gpus=3.0)
    with pytest.raises(ConfigError, match=r"budget.batch_size: expected a multiple of the 3 processes"):
        retrain(inputs, directory=stage.folder, tracker=stage.tracker, seeds=2)
    assert stage.tracker.runs("x") == {}


@pytest.mark.parametrize(
    ("signal", "decides"), [(Signal.MAP, "mAP"), (Signal.KNN_SUBJECTS, "1-NN"), (Signal.LINEAR, "regularised")]
)
def test_what_the_search_went_by_chooses_and_its_test_score_promotes(
    stage: Stage, signal: Signal, decides: str
) -> None:
    stage.candidates = CANDIDATES
    stage.data = dataclasses.replace(stage.data, signal=signal)
    stage.validate(0.6, 0.7, 0.4)
    stage.train(best=CANDIDATES[1].config, trial="5")
    report = stage.retrain()
    assert [one.chosen for one in report.candidates] == [False, True, False]
    if signal is Signal.LINEAR:
        assert report.promotion.reason.startswith("not tested: no test regularised of each sequence of")
    else:
        assert report.promotion.reason.startswith(f"better beyond noise in test {decides}: over ")


def keep_tasks(stage: Stage) -> None:
    """Scores of further tasks for every run on disk: half of the answers right, of the best configuration all."""
    for folder in stage.folder.glob("*/*-seed-*"):
        scores = sequence_scores(0.9 if folder.name.startswith("best") else 0.5)
        parts = {"semi_unstratified_5_linear_top1": scores.parts["knn_top1"]}
        values = {name: float(one.mean()) for name, one in parts.items()}
        write_task_scores(folder, TaskScores(task="semi", values=values, parts=parts, persons=scores.persons))
        write_task_scores(folder, TaskScores(task="occlusion", skipped="an encoder"))


def test_further_tasks_are_summed_up_in_the_report_the_parent_run_and_the_models_card(stage: Stage) -> None:
    keep_tasks(stage)
    report = stage.retrain(further=("semi", "occlusion"))
    assert set(report.further.scores) == set(Entry) - {Entry.CANDIDATE}
    found = report.further.scores[Entry.BEST]["semi_unstratified_5_linear_top1"]
    assert found.spread.mean == pytest.approx(0.9)
    assert found.interval is not None
    assert report.further.skipped.keys() == {f"occlusion, {entry.heading}" for entry in report.further.scores}
    metrics = shown(stage)
    assert metrics["best/mean_test_semi_unstratified_5_linear_top1"] == pytest.approx(0.9)
    assert metrics["raw_pose/mean_test_semi_unstratified_5_linear_top1"] == pytest.approx(0.5)
    assert {"best/low_test_semi_unstratified_5_linear_top1", "best/high_test_semi_unstratified_5_linear_top1"} <= set(
        metrics
    )
    assert shown(stage, "best-seed-0")["test/semi_unstratified_5_linear_top1"] == pytest.approx(0.9)
    assert "| 5 % of labels, linear probe | 50.0 [" in stage.tracker.descriptions["x"]
    kept = json.loads((report.directory / "further.json").read_text())
    assert set(kept["scores"]) == {"raw pose", "untrained", "released", "best"}


def test_what_is_still_to_be_scored_is_not_begun_over_a_store_that_refuses(stage: Stage) -> None:
    stage.tracker.refuses = {"check"}
    with pytest.raises(UsageError, match="a tracking store that takes what is written"):
        stage.retrain(further=("semi",))
    keep_tasks(stage)
    assert stage.retrain(further=("semi",)).model_version == 1, "nothing is to be scored"


def test_the_phases_name_what_takes_long(stage: Stage) -> None:
    stage.retrain()
    said = [str(phase) for phase in stage.phases]
    assert said[-2:] == ["encoding the gallery and fitting the probe", "registering the model"]
