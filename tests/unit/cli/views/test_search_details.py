from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hico_platform.cli.views.search_details import described, search_lines, trial_lines
from hico_platform.config.parameters import ActiveWhen, Choice, Fixed, Parameter, Range, Simplex
from hico_platform.enums import Decision
from hico_platform.search.drivers import DriverRecord, clock_time
from hico_platform.search.ledger.base import SearchRecord, TrialState
from hico_platform.search.requests import RequestKind
from hico_platform.search.status import Cost, SearchStatus
from hico_platform.search.tags import PersonsNote, TagRecord
from tests.toy import FACTS, toy_space
from tests.unit.cli.steered import request
from tests.unit.search.handmade import DRIVER, SPACE, report, status, trial


def fields(shown: SearchStatus, *, bytes_on_disk: int | None = 2048) -> dict[str, list[str]]:
    """The lines of a search by the name of their field, the first line as ``head``."""
    head, *lines = search_lines(shown, bytes_on_disk=bytes_on_disk, stores=" --home /h")
    found: dict[str, list[str]] = {"head": [head]}
    name = ""
    for line in lines:
        assert line.startswith("  ")
        name = line[2:16].strip() or name
        found.setdefault(name, []).append(line[16:])
    return found


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (Range(name="a.b", low=0.05, high=0.5, log=True), "a.b 0.05 to 0.5 (log)"),
        (Range(name="a.b", low=1, high=8, integer=True, log=True), "a.b 1 to 8 (log, whole)"),
        (Range(name="a.b", low=0, high=1, step=0.25), "a.b 0 to 1 (step 0.25)"),
        (Range(name="a.b", low=0, high=1), "a.b 0 to 1"),
        (Choice(name="a.b", choices=("gru", 2, True)), "a.b one of gru, 2, True"),
        (Simplex(name="w", parts=("x", "y"), total=4), "w weights of x, y, 0 and more each, sum 4"),
        (Simplex(name="w", parts=("x", "y"), total=4, low=0.5, high=3), "w weights of x, y, 0.5 to 3 each, sum 4"),
        (Fixed(name="a.b", value=0.5), "a.b 0.5"),
        (
            Range(
                name="a.b", low=0, high=1, when=(ActiveWhen(name="c", values=(1, 2)), ActiveWhen(name="d", values=(3,)))
            ),
            "a.b 0 to 1, when c is 1 or 2 and d is 3",
        ),
    ],
)
def test_what_a_search_varies_in_words(parameter: Parameter, words: str) -> None:
    assert described(parameter) == words


def test_what_it_is_and_what_its_results_depend_on() -> None:
    space = toy_space(trials=5, description="look\x1b[2J", constraints=["contrast.temperature < 0.4"])
    facts = dataclasses.replace(FACTS, more={"dataset": "ntu"})
    search = SearchRecord(
        name="toy", source=space.source, facts=facts, limit=5, began_at_s=60.0, key="k", former_names=("a", "b")
    )
    driver = DriverRecord(user="ann", uid=1, host="gpu-1", pid=1, command="x", began_at_s=60.0)
    shown = fields(
        status(
            trial(0, values={"contrast.temperature": 0.125, "model.encoder": "gru"}, error=0.02),
            trial(1, TrialState.FAILED, curve={}, ending={"reason": "ValueError: no"}),
            trial(2, TrialState.FAILED, curve={}, ending={"reason": "ValueError: never"}),
            space=space,
            search=search,
            note=PersonsNote(by="bob", at_s=1.0, text="too hot"),
            tags=(TagRecord(name="a", by="bob", at_s=1.0), TagRecord(name="b", by="bob", at_s=1.0)),
            drivers=(driver, dataclasses.replace(driver, host="gpu-2", began_at_s=120.0, resumed=True)),
            ended_by="4 hours",
            is_archived=True,
            cost=Cost(trial_hours=1.5, cpu_hours=3.0, gpu_hours=0.756),
            gpus=0.5,
            machines_left_out=({"host": "node7", "reason": "CUDA"},),
            waiting=(5, 6),
            paused_trials=(1,),
            requests=(request(RequestKind.PAUSE),),
        )
    )
    assert shown["head"] == ["toy: finished, 3 of 5 trials ended, archived"]
    assert shown["description"] == ["look?[2J"]
    assert shown["note"] == ["too hot (bob)"]
    assert shown["tags"] == ["a, b"]
    assert shown["former names"] == ["a, b"]
    assert shown["begun"] == [f"{clock_time(60.0)} by ann on gpu-1"]
    assert shown["resumed"] == [f"1 time, last {clock_time(120.0)} by ann on gpu-2"]
    assert shown["ended by"] == ["4 hours"]
    assert shown["data"] == ["ntu, digest dddddddddddd"]
    assert (shown["protocol"], shown["code version"]) == (["xsub"], ["test"])
    assert shown["plan"][0].startswith("5 trials of at most 9 epochs by knn_top1; sampler ")
    assert shown["space"] == ["contrast.temperature 0.05 to 0.5 (log)", "model.encoder one of gru, lstm, transformer"]
    assert shown["constraints"] == ["contrast.temperature < 0.4"]
    assert shown["fixed"] == ["model.hidden_width 16", "budget.epochs 9"], "without what is as released or searched"
    assert shown["best"] == [
        "trial 0 at epoch 9: knn_top1 0.500±0.020 (95 %: 0.461 to 0.539)", "temperature 0.125, encoder gru",
    ]  # fmt: skip
    assert shown["trials"] == ["1 complete, 2 failed"]
    assert shown["cost"] == ["1.5h of trials, 3.00 CPU-hours, 0.76 GPU-hours (0.5 GPU a trial)"]
    assert shown["disk"] == ["2.0 KiB"]
    assert shown["excluded"] == ["node7: CUDA"]
    assert shown["failures"] == ["trial 1: ValueError: no", "trial 2: ValueError: never"]
    assert shown["waiting"] == ["point 5, point 6"]
    assert shown["paused"] == ["trials 1"]
    assert shown["asked"] == [f"{clock_time(0.0)} ann on desk: pause (waits for the driver)"]
    assert shown["next"] == ["hico-platform retrain toy --home /h"]


def test_one_that_has_just_begun_and_whose_home_is_elsewhere() -> None:
    shown = fields(status(driver=DRIVER, is_paused=True), bytes_on_disk=None)
    assert shown["head"] == ["toy: running, 0 of 5 trials ended"]
    assert (shown["best"], shown["trials"]) == (["no score yet"], ["none has ended"])
    assert shown["data"] == ["unknown, digest dddddddddddd"]
    assert shown["disk"] == ["no folder in this home"]
    assert shown["paused"] == ["the search"]
    assert "GPU" not in shown["cost"][0]
    assert not shown.keys() & {"next", "note", "tags", "ended by", "failures", "machines", "excluded", "resumed"}
    interrupted = fields(status(trial(0)))
    assert interrupted["next"] == ["hico-platform search --resume --name toy --home /h"]


def test_a_search_without_a_score_is_not_to_be_retrained() -> None:
    failed = [trial(number, TrialState.PRUNED, curve={}) for number in range(5)]
    assert "next" not in fields(status(*failed))
    assert "next" in fields(status(*failed[:-1], trial(4)))


def test_machines_are_counted() -> None:
    trials = [
        dataclasses.replace(trial(number), reports=(report(1, 0.5, machine=host),))
        for number, host in enumerate(("node1", "node2", "node2"))
    ]
    assert fields(status(*trials))["machines"] == ["node2 (2 trials), node1 (1 trials)"]


def whole(shown: SearchStatus, number: int) -> list[str]:
    return list(trial_lines(shown, shown.trials[number]))


def test_a_trial_whole() -> None:
    reports = (
        report(1, 0.25, standard_error=0.03, metrics={"knn_top1": 0.25}),
        report(9, 0.5, standard_error=0.02, metrics={"knn_top1": 0.5, "parameters": 72576.0}, decision=Decision.STOP,
               standard_errors={"knn_top1": 0.02}, machine="node1"),
    )  # fmt: skip
    one = dataclasses.replace(
        trial(0, ending={"metrics": {"knn_top1": 0.5, "retrieval_map": 0.375}, "checkpoint": "/h/last"}),
        reports=reports,
        run_id="r1",
    )
    lines = whole(status(one, gpus=0.5, sessions=(0.0,)), 0)
    assert lines == [
        "toy, trial 0: complete at epoch 9 of 9, the best",
        "  origin        sampler",
        "  parameters    contrast.temperature  0.125",
        "                model.encoder         lstm",
        "  curve         ▁█  knn_top1 0.250 to 0.500",
        f"  reports       epoch    1  0.250±0.030  continue, {clock_time(100.0)}",
        f"                epoch    9  0.500±0.020  stop, {clock_time(900.0)}",
        "  validation    knn_top1 0.500±0.020",
        "                parameters 72,576",
        "  downstream    retrieval_map 0.375",
        f"  begun         {clock_time(0.0)}",
        f"  ended         {clock_time(950.0)}",
        "  cost          16m on a worker (950.0 s), 0.132 GPU-hours",
        "  machine       node1",
        "  checkpoint    /h/last",
        "  MLflow run    r1",
    ]


@pytest.mark.parametrize("kept", ["encoder alone", "removed"])
def test_a_checkpoint_of_which_something_was_taken_says_what_and_why(kept: str, tmp_path: Path) -> None:
    path = tmp_path / "0000" / "epoch-000009"
    path.mkdir(parents=True)
    (path.parent / "kept.json").write_text(json.dumps({"kept": kept, "why": "not one of the best 1", "at_s": 0}))
    (line,) = [line for line in whole(status(trial(0, ending={"checkpoint": str(path)})), 0) if "checkpoint " in line]
    assert "1970-01-01 00:00 UTC: not one of the best 1 (keep)" in line
    assert (str(path) in line) == (kept != "removed"), "no page points to nothing"


def test_one_that_failed_says_why() -> None:
    failed = trial(
        0, TrialState.FAILED, curve={}, values={}, ending={"reason": "ValueError: no", "traceback": "a\n  b\x1b\n"}
    )
    lines = whole(status(failed), 0)
    assert lines[0] == "toy, trial 0: failed at epoch 0 of 9"
    assert "  reports       none yet" in lines
    assert lines[-3:] == ["  reason        ValueError: no", "    a", "      b?"]
    assert not [line for line in lines if line.startswith(("  parameters", "  curve", "  checkpoint"))]


def test_one_at_work_is_running_with_a_driver_and_costs_until_now() -> None:
    one = trial(0, TrialState.RUNNING, curve={1: 0.25})
    assert whole(status(one), 0)[0].startswith("toy, trial 0: interrupted at epoch 1 of 9")
    assert not [line for line in whole(status(one), 0) if line.startswith("  cost")], "when it ended is not known"
    running = whole(status(one, driver=DRIVER, at_s=160.0), 0)
    assert running[0].startswith("toy, trial 0: running at epoch 1 of 9")
    assert "  cost          3m on a worker (160.0 s)" in running


def test_the_budget_is_that_of_the_trial_itself() -> None:
    for config, epochs in (({"budget": {"epochs": 27}}, 27), ({"budget": None}, 9), (None, 9)):
        shown = status(dataclasses.replace(trial(0), config=config), space=SPACE)
        assert whole(shown, 0)[0].startswith(f"toy, trial 0: complete at epoch 9 of {epochs}")


def test_several_objectives_have_a_front() -> None:
    space = toy_space(trials=5, objectives=["knn_top1", "parameters"], sampler={"name": "nsga2"})
    trials = [
        dataclasses.replace(trial(number), reports=(report(9, value, measures=(value, size)),))
        for number, (value, size) in enumerate(((0.5, 2e4), (0.4, 1e4), (0.3, 3e4)))
    ]
    shown = fields(status(*trials, space=space))
    assert shown["front"] == [
        "trial 0: knn_top1 0.500, parameters 20,000", "trial 1: knn_top1 0.400, parameters 10,000",
    ]  # fmt: skip
    assert "  objectives    knn_top1 0.400, parameters 10,000" in whole(status(*trials, space=space), 1)
