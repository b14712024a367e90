from __future__ import annotations

import dataclasses
import io

from rich.console import Console

from hico_platform.cli.views.output import Output
from hico_platform.cli.views.result_view import print_result
from hico_platform.config.space import Objective
from hico_platform.search.result import SearchResult
from tests.unit.search.test_result import result


def shown(found: SearchResult, *objectives: Objective) -> list[str]:
    file = io.StringIO()
    print_result(
        found,
        objectives=objectives or (Objective.KNN,),
        again="hico-platform search --resume",
        stores=" --home here",
        output=Output(Console(file=file, width=40)),
    )
    return file.getvalue().splitlines()


def test_a_search_that_was_ended_early_and_lost_writes() -> None:
    found = result(ended=True)
    assert found.best is not None
    values = found.best.values
    assert shown(found) == [
        "",
        "search toy finished, 2 of 2 trials ended: 1 complete, 1 failed",
        "ended before its 2 trials: 12 hours are over",
        f"best: trial 1, temperature {values['contrast.temperature']:.3g}, encoder {values['model.encoder']}",
        "      recognition_top1 0.500 (validation)",
        "the tracking store was away: 3 writes are missing there; they are made up for by: "
        "hico-platform search --resume",
        "1 writes were refused by the tracking store: too long",
        "next: hico-platform retrain toy --home here",
        "browse: hico-platform ui --home here",
    ]


def test_nothing_is_said_of_what_did_not_happen() -> None:
    found = dataclasses.replace(result(ended=True), ended_by=None, untracked=0, refused=0, best=None)
    assert [line.strip().split()[0] for line in shown(found) if line] == ["search", "no", "next:", "browse:"]
    assert "no trial was scored" in shown(found)
    assert "next: hico-platform show toy --home here" in shown(found), "there is nothing to retrain"


def test_several_objectives_show_their_front() -> None:
    found = result(ended=True)
    assert found.best is not None
    report = dataclasses.replace(found.best.reports[-1], measures=(0.5, 72576.0))
    found = dataclasses.replace(found, front=(dataclasses.replace(found.best, reports=(report,)),))
    front = shown(found, Objective.KNN, Objective.PARAMETERS)[5:7]
    assert front[0] == "Pareto front:"
    assert front[1].startswith("      trial 1: knn_top1 0.500, parameters 72,576; temperature 0.")
