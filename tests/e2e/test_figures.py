"""Every figure that anything shows of a search is the ledger's, also where its trials end in a shuffled order."""

from __future__ import annotations

import dataclasses
import json
import random
import statistics
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands.search_inputs import SearchInputs
from hico_platform.config.space import load_space
from hico_platform.enums import Decision
from hico_platform.home import HomePaths, mlflow_uri
from hico_platform.retrain.champion import SEARCH_STATE
from hico_platform.retrain.inputs import inputs_of_search
from hico_platform.retrain.plan import make_plan
from hico_platform.retrain.results import RunResult, write_result
from hico_platform.search.ledger.base import TrialRecord, TrialState, best_trial, config_of
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.task import TrialFunction
from hico_platform.search.task_source import TaskSource
from hico_platform.tracking.metric_names import grouped
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from tests.exported import small_export
from tests.small import small_store
from tests.toy import FACTS, toy_trial

pytestmark = pytest.mark.e2e

TRIALS, EPOCHS = 7, 9
SPACE = """
name: shuffled
base: {model: {hidden_width: 16}, budget: {epochs: 9}}
search:
  contrast.temperature: {low: 0.05, high: 0.5, log: true}
  model.encoder: {choice: [gru, lstm, transformer]}
trials: 7
protocol: odd-subjects
sampler: {name: random, seed: 3}
"""


def execute_shuffled(controller: TaskSource, function: TrialFunction, **_: object) -> None:
    """All trials at work at once; each reports, and ends, when chance has it. The third fails."""
    draw = random.Random(0)
    waiting: dict[int, list[EpochReport]] = {}
    while (task := controller.next_task()) is not None:
        reports: list[EpochReport] = []

        def keep(said: EpochReport, reports: list[EpochReport] = reports) -> Decision:
            reports.append(said)
            return Decision.CONTINUE

        function(task, keep)
        waiting[task.number] = reports
    last: dict[int, EpochReport] = {}
    while waiting:
        number = draw.choice(sorted(waiting))
        decision = Decision.STOP
        if waiting[number]:
            said = last[number] = waiting[number].pop(0)
            decision = controller.reported(number, said)
        if number == 2:
            controller.failed(number, TrialFailure(reason="ValueError: no", traceback="Traceback ..."))
            del waiting[number]
        elif decision is Decision.STOP:
            said = last[number]
            outcome = TrialOutcome(
                epoch=said.epoch,
                stopped_early=said.epoch < EPOCHS,
                metrics={**said.metrics, "recognition_top1": 0.5 * said.metrics["knn_top1"], "retrieval_map": 0.25},
                checkpoint=said.checkpoint,
            )
            controller.finished(number, outcome)
            del waiting[number]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which the commands searched with the toy trial, whose trials ended in a shuffled order."""
    store = small_store(tmp_path / "home" / "data" / "small")
    more = {"dataset": "small", "data": "home:data/small", "transfer": None}
    facts = dataclasses.replace(FACTS, data_digest=store.digest, protocol="odd-subjects", more=more)
    inputs = SearchInputs(facts=facts, function=toy_trial, data=None, probe=None)  # type: ignore[arg-type]
    monkeypatch.setattr("hico_platform.commands.search_inputs.search_inputs", lambda *a, **o: inputs)
    monkeypatch.setattr("hico_platform.search.ray_executor.executor.execute_on_ray", execute_shuffled)
    (tmp_path / "shuffled.yaml").write_text(SPACE)
    return tmp_path / "home"


def command(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints."""
    capsys.readouterr()
    code = main(words)
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def test_every_page_shows_what_the_ledger_has(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--home", str(home))
    text = command(capsys, "search", "--space", str(tmp_path / "shuffled.yaml"), *at)
    result = json.loads(command(capsys, "search", "--resume", "--name", "shuffled", "--json", *at))
    ledger = StudyLedger.open(open_storage(HomePaths(home=home).storage_url), name="shuffled", settle=False)
    trials = ledger.trials()
    best = best_trial(trials)
    assert best is not None
    assert best.value is not None
    ended = sorted(trials, key=lambda trial: trial.ending.at_s if trial.ending else 0.0)
    assert [trial.number for trial in ended] != list(range(TRIALS))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED}
    counts = {str(state): sum(trial.state is state for trial in trials) for state in TrialState}
    score = f"{best.value:.3f}"

    # The command's own lines, and its JSON.
    assert f"best: trial {best.number}, " in text
    assert f"knn_top1 {score}" in text.split("best: trial")[1]
    assert f"trial {best.number} complete at epoch {best.epoch} knn_top1 {score}, now the best trial" in text
    assert result["best"]["number"] == best.number
    assert result["best"]["metrics"] == dict(best.ending.metrics)
    assert {state: result["states"][state] for state in counts} == counts

    # Status: the picture, a line of the list, JSON.
    picture = command(capsys, "status", "shuffled", *at)
    assert f"{score} *" in picture
    for line in (picture, command(capsys, "status", *at)):
        assert f"best knn_top1 {score} (trial {best.number}, epoch {best.epoch})" in line
    status = json.loads(command(capsys, "status", "shuffled", "--json", *at))
    assert {state: status["counts"][state] for state in counts} == counts
    assert status["best"]["number"] == best.number
    for shown, trial in zip(status["trials"], trials, strict=True):
        assert (shown["number"], shown["state"]) == (trial.number, str(trial.state))
        assert (shown["knn_top1"], shown["epoch"]) == (trial.value, trial.epoch)
        assert shown["curve"] == {str(epoch): value for epoch, value in trial.curve.items()}
        assert shown["metrics"] == dict(trial.ending.metrics)
        assert shown["checkpoint"] is None or Path(shown["checkpoint"]).is_file()
    for epoch, rung in status["rungs"].items():
        here = [report for trial in trials for report in trial.reports if report.epoch == int(epoch)]
        assert rung == {
            "reached": len(here),
            "stopped": sum(report.decision is Decision.STOP for report in here),
            "best": max(report.value for report in here),
        }

    # The report: its content, and its page.
    content = json.loads(command(capsys, "report", "shuffled", "--json", *at))
    assert content["best"] == best.number
    for shown, trial in zip(content["trials"], trials, strict=True):
        assert (shown["number"], shown["metrics"]) == (trial.number, dict(trial.ending.metrics))
        assert shown["curve"] == {str(epoch): value for epoch, value in trial.curve.items()}
    command(capsys, "report", "shuffled", *at)
    page = (home / "searches" / "shuffled" / "report.html").read_text()
    assert f'<p class="big">{100 * best.value:.1f}<small>' in page

    # MLflow: the search's run, and each trial's.
    tracker = MlflowTracker(uri=mlflow_uri(home), artifacts=None)
    client = tracker._client
    parent = client.get_run(ledger.note("run")).data
    assert parent.metrics["val/best_knn_top1"] == best.value
    assert (parent.tags["hico.best_trial"], parent.tags["hico.best_run"]) == (str(best.number), best.run_id)
    for trial in trials:
        run = client.get_run(trial.run_id).data
        assert run.metrics["val/knn_top1"] == trial.value
        assert {name: run.metrics[grouped(name)] for name in trial.ending.metrics} == dict(trial.ending.metrics)
        assert run.tags["hico.state"] == str(trial.state)
        assert run.params["contrast.temperature"] == str(trial.values["contrast.temperature"])
    check_retraining(home, tmp_path, best=best, tracker=tracker, capsys=capsys)


def check_retraining(
    home: Path, folder: Path, *, best: TrialRecord, tracker: MlflowTracker, capsys: pytest.CaptureFixture[str]
) -> None:
    """A retraining whose runs have their results: table, JSON, MLflow, and what the registry says of the champion."""
    inputs = inputs_of_search(HomePaths(home=home), "shuffled")
    assert inputs.best == config_of(best, load_space(folder / "shuffled.yaml"))
    facts = {name: value for name, value in inputs.facts.items() if name != SEARCH_STATE}
    plan = make_plan(inputs.best, seeds=3, epochs=None, facts=facts)
    scores = {run.key: 0.3 + 0.07 * index for index, run in enumerate(plan.runs)}
    for run in plan.runs:
        place = home / "searches" / "shuffled" / "final" / plan.digest[:12] / run.key
        (place / "epoch-000009").mkdir(parents=True)
        small_export(place / "encoder")
        result = RunResult(
            entry=run.entry, seed=run.seed, epoch=9, metrics={"knn_top1": scores[run.key]}, seconds=1.0,
            checkpoint=str(place / "epoch-000009") if run.entry.is_trained else None,
        )  # fmt: skip
        write_result(place, result)
    table = command(capsys, "retrain", "shuffled", "--tasks", "quick", "--home", str(home))
    retrained = json.loads(command(capsys, "retrain", "shuffled", "--tasks", "quick", "--json", "--home", str(home)))
    (stage,) = [run for key, run in tracker.runs("shuffled").items() if key == f"shuffled/final/{plan.digest[:12]}"]
    shown = tracker._client.get_run(stage.run_id).data.metrics
    for entry in {run.entry for run in plan.runs}:
        own = [scores[run.key] for run in plan.runs if run.entry is entry]
        mean, deviation = statistics.fmean(own), statistics.stdev(own) if len(own) > 1 else None
        (row,) = [line for line in table.splitlines() if entry.heading in line]
        assert f"{100 * mean:.1f}" in row
        assert retrained["summary"][str(entry)]["knn_top1"] == {"mean": mean, "std": deviation, "seeds": len(own)}
        assert shown[f"{entry.replace(' ', '_')}/mean_test_knn_top1"] == mean
    # The results know no sequences, so nothing was tested.
    version = tracker._client.get_model_version_by_alias("shuffled", "challenger")
    champion = statistics.fmean(scores[f"best-seed-{seed}"] for seed in range(3))
    assert f"test 1-NN {champion:.1%} over 3 seeds" in version.description
    assert version.tags["hico.trial"] == str(best.number)
    assert version.run_id == tracker.runs("shuffled")[f"shuffled/final/{plan.digest[:12]}/best-seed-0"].run_id
