"""A home of version 0.1.0 is read as that version read it: its searches, results, checkpoints, models and tags."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import hico_platform
from hico_platform.build import build_model, build_optimiser
from hico_platform.checkpoint import load_checkpoint, newest_checkpoint
from hico_platform.cli.main import main
from hico_platform.config.document import Document
from hico_platform.config.schema import parse
from hico_platform.config.space import load_space, space_from, with_begun_precision
from hico_platform.config.trial import TrialConfig
from hico_platform.data.layout import Layout
from hico_platform.enums import Decision, Precision
from hico_platform.home import HomePaths
from hico_platform.retrain.inputs import inputs_of_search
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.results import read_result, summarise
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.messages import EpochReport
from hico_platform.search.task import TrialTask
from hico_platform.tracking.base import RunStatus
from hico_platform.train.state import TrainingState
from hico_platform.worker.run_task import run_task
from tests.mlflow_store import tracker_of
from tests.old.home import HERE, RETRAINED, RUN, TRIALS, assert_holds, old_home, printed


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return old_home(tmp_path_factory.mktemp("old") / "home")


def ledger_of(home: Path) -> StudyLedger:
    return StudyLedger.open(open_storage(HomePaths(home=home).storage_url, create=False), name="small", settle=False)


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_page_says_what_it_said(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "small", "--home", str(home), "--json"]) == 0
    assert_holds(json.loads(capsys.readouterr().out), printed(command, home))


def test_the_list_of_searches_has_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--home", str(home)]) == 0
    assert capsys.readouterr().out.startswith(
        "small: interrupted, 6 of 8 trials ended, 1 interrupted, best knn_top1 1.000"
    )


def test_the_space_file_is_the_space_that_the_ledger_keeps(home: Path) -> None:
    """The file names no precision, which meant float32 then."""
    kept = ledger_of(home).search.source
    then = space_from(kept)
    now = with_begun_precision(load_space(HERE / "small.yaml"), begun=then)
    assert now == then
    assert now.base.model.precision is Precision.FLOAT32
    source = {**now.source, "base": {**now.source["base"], "model": dict(now.source["base"]["model"])}}
    del source["base"]["model"]["precision"]
    assert source == kept


def test_trials_keep_their_states_and_reports(home: Path) -> None:
    trials = ledger_of(home).trials()
    assert [trial.ending and str(trial.ending.state) for trial in trials] == [
        "complete", "pruned", "complete", "failed", "complete", "complete", None,
    ]  # fmt: skip
    assert [[(report.epoch, report.value) for report in trial.reports] for trial in trials[:4]] == [
        [(1, 0.75), (2, 0.75), (4, 0.75)], [(1, 0.25)], [(1, 1.0), (2, 1.0), (4, 1.0)], [],
    ]  # fmt: skip
    assert [str(report.decision) for report in trials[1].reports] == ["stop"]


@pytest.mark.slow
def test_a_checkpoint_is_taken_up(home: Path) -> None:
    checkpoint = load_checkpoint(home / TRIALS / "0002" / "epoch-000004")
    config = parse(TrialConfig, Document(data=checkpoint.facts["config"]))
    assert (config.model.hidden_width, config.optimiser.learning_rate, config.budget.seed) == (4, 0.001, 5)
    layout = Layout.from_plain(checkpoint.facts["layout"])
    model = build_model(config, layout=layout, device=torch.device("cpu"))
    state = TrainingState(model=model, optimiser=build_optimiser(config.optimiser, model=model), seed=1)
    state.restore(epoch=checkpoint.epoch, tensors=checkpoint.tensors)
    assert state.epoch == 4
    tensors = state.tensors()
    assert set(tensors) == set(checkpoint.tensors)
    assert all(torch.equal(tensors[name], value) for name, value in checkpoint.tensors.items())
    interrupted = newest_checkpoint(home / TRIALS / "0006")
    assert interrupted is not None
    assert interrupted.epoch == 1


@pytest.mark.slow
def test_its_weights_score_what_they_scored(home: Path) -> None:
    """kNN, linear probe, retrieval and transfer of trial 2, from its checkpoint; nothing is trained."""
    paths = HomePaths(home=home)
    trial = ledger_of(home).trials()[2]
    data = dataclasses.replace(inputs_of_search(paths, "small").data, on_test_split=False)
    facts = load_checkpoint(home / TRIALS / "0002" / "epoch-000004").facts
    task = TrialTask(
        number=2,
        config=parse(TrialConfig, Document(data=facts["config"])),
        directory=home / TRIALS / "0002",
        report_epochs=(1, 2, 4),
        cpus=1,
        gpus=0,
        key=facts["provenance"].get("run"),
    )
    heard: list[int] = []

    def report(of: EpochReport) -> Decision:
        heard.append(of.epoch)
        return Decision.CONTINUE

    outcome = run_task(task, report, data=data)
    assert trial.ending is not None
    assert heard == [4]
    assert outcome.metrics == pytest.approx(trial.ending.metrics, abs=1e-6)


@pytest.mark.slow
def test_a_run_that_is_over_is_found(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["pretrain", "--config", str(HERE / "one.yaml"), "--protocol", "odd-subjects", "--validate-every", "1"]
    assert main([*words, "--home", str(home), "--cpus", "1", "--json"]) == 0
    found, expected = json.loads(capsys.readouterr().out), printed("pretrain", home)
    assert found["metrics"] == pytest.approx(expected.pop("metrics"), abs=1e-6)
    assert_holds(found, {**expected, "epochs_trained_now": 0})
    assert [folder.name for folder in (home / "runs").iterdir()] == [Path(RUN).parent.name]


def test_a_retraining_is_the_same_plan_and_has_its_results(home: Path) -> None:
    plan_file = json.loads((home / RETRAINED / "plan.json").read_text())
    inputs = inputs_of_search(HomePaths(home=home), "small")
    facts = {name: value for name, value in inputs.facts.items() if name not in ("code_version", "search_state")}
    assert_holds(plan_file["facts"], facts)
    digested = {**facts, "code_version": plan_file["facts"]["code_version"]}
    plan = make_plan(inputs.best, seeds=1, epochs=None, facts=digested)
    assert plan.digest == plan_file["digest"]
    assert [run.key for run in plan.runs] == plan_file["runs"]

    results = [read_result(home / RETRAINED / run.key) for run in plan.runs]
    expected = printed("retrain", home)
    assert [(result.entry, result.seed, result.metrics) for result in results] == [  # type: ignore[union-attr]
        (run["entry"], run["seed"], run["metrics"]) for run in expected["runs"]
    ]
    summary = summarise(results)  # type: ignore[arg-type]
    assert {str(entry): {name: spread.mean for name, spread in row.items()} for entry, row in summary.items()} == {
        entry: {name: spread["mean"] for name, spread in row.items()} for entry, row in expected["summary"].items()
    }
    (best,) = (result for result in results if result is not None and result.entry is Entry.BEST)
    assert best.checkpoint == expected["champion"]["checkpoint"]


def test_an_encoder_is_loaded_from_its_folder_and_from_the_registry(home: Path) -> None:
    pose = np.random.default_rng(0).normal(size=(20, 25, 3))
    exported = hico_platform.load_encoder(home / RETRAINED / "best-seed-0" / "encoder")
    registered = hico_platform.load_encoder("models:/small@champion", tracking=f"sqlite:///{home / 'mlflow.db'}")
    features = exported.features([pose])
    assert features.shape == (1, 2 * 4 * 4)
    np.testing.assert_array_equal(registered.features([pose]), features)


def test_runs_of_the_tracking_store_are_found_by_their_tags(home: Path) -> None:
    runs = tracker_of(home).runs("small")
    kinds = sorted(run.tags["hico.kind"] for run in runs.values())
    assert kinds == ["final", *["final run"] * 4, "search", *["trial"] * 7]
    for trial in printed("status", home)["trials"]:
        (run,) = (run for run in runs.values() if run.run_id == trial["run_id"])
        assert run.tags["hico.trial"] == str(trial["number"])
        expected = {"failed": RunStatus.FAILED, "interrupted": RunStatus.KILLED}
        assert run.status is expected.get(trial["state"], RunStatus.FINISHED)
