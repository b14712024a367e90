from __future__ import annotations

import pytest

from hico_platform.retrain.champion import description
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import Spread

SUMMARY = {Entry.BEST: {"knn_top1": Spread(mean=0.5, deviation=None, count=1)}}


@pytest.mark.parametrize(
    ("facts", "which"),
    [
        ({"config": "mine.yaml"}, "the configuration mine.yaml"),
        ({"search_state": "finished"}, "best configuration of the search x"),
        ({}, "best configuration of the search x"),
        (
            {"search_state": "running, 5 of 12 trials ended"},
            "best so far of the search x, which was running, 5 of 12 trials ended",
        ),
    ],
)
def test_the_description_names_the_configuration_and_its_score(facts: dict[str, str], which: str) -> None:
    assert description("x", SUMMARY, facts) == f"HiCo, {which}; test 1-NN 50.0% over 1 seed"


def test_the_score_is_that_of_the_best_configuration_over_its_seeds() -> None:
    summary = {
        Entry.RELEASED: {"knn_top1": Spread(mean=0.9, deviation=0.1, count=3)},
        Entry.BEST: {
            "knn_top1": Spread(mean=0.625, deviation=0.1, count=3),
            "recognition_top1": Spread(mean=0.8, deviation=0.1, count=3),
        },
    }
    assert description("x", summary, {}).endswith("; test 1-NN 62.5% over 3 seeds")
