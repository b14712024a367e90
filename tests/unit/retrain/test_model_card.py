from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.evaluate.intervals import Interval
from hico_platform.export.description import CARD, ModelDescription, describe
from hico_platform.retrain.further_scores import FurtherScore
from hico_platform.retrain.model_card import MOST_CHARACTERS, model_card, write_card
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import METRICS, RunResult, Spread
from tests.exported import small_export, small_recogniser

FACTS = {
    "search": "mine", "trial": "7", "search_key": "k" * 12, "search_state": "finished", "dataset": "msr",
    "data_digest": "d" * 64, "protocol": "xsub", "split": "test", "train_sequences": "284", "test_sequences": "273",
    "unlabelled_sequences": "12", "code_version": "0.1.0+abc",
}  # fmt: skip
SUMMARY = {
    Entry.RAW_POSE: {"knn_top1": Spread(mean=0.618, deviation=None, count=1)},
    Entry.BEST: {
        "knn_top1": Spread(mean=0.629, deviation=0.011, count=3),
        "retrieval_map": Spread(mean=0.5, deviation=0.02, count=3),
    },
}
RESULTS = [
    RunResult(entry=Entry.BEST, seed=0, epoch=3, metrics={}, checkpoint="x", seconds=1800, precision="float32"),
    RunResult(entry=Entry.RAW_POSE, seed=0, epoch=0, metrics={}, checkpoint=None, seconds=1800),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelDescription:
    return describe(small_export(tmp_path_factory.mktemp("card") / "encoder", recogniser=small_recogniser()))


def test_it_says_what_there_is_to_know(model: ModelDescription) -> None:
    card = model_card("mine", model=model, facts=FACTS, summary=SUMMARY, results=RESULTS)
    assert card.startswith("# mine\n")
    for line in (
        "- dataset msr, protocol xsub: trained on 284 sequences, scored on 273 others",
        "- 12 of these have no label",
        "- classes: drink, eat, wave",
        "- gallery: 7 of 7 labelled training sequences, as float32; probe: logistic regression, C = 0.1",
        "- licence of the data: not known to this project; ask its publisher before the model is passed on",
        "| | raw pose | best configuration |",
        "| seeds | 1 | 3 |",
        "| 1-NN | 61.8 | 62.9 ± 1.1 |",
        "| mAP |  | 50.0 ± 2.0 |",
        "- 3 epochs; 2 runs of the comparison took 1.00 hours in all",
        "- of these the registered one: 0.50 hours, float32",
        "- tried on msr alone: not on other sensors, skeletons, frame rates, places or people",
        "- transfer to another dataset was not measured",
        "- search: mine",
        "- trial: 7",
        f"- digest of the data: {'d' * 64}",
        "- code: 0.1.0+abc",
    ):
        assert line in card.splitlines(), line
    assert "`model.hidden_width` 16" in card
    assert all(f"- SHA-256 of {name}: {digest}" in card for name, digest in model.digests.items())


def test_intervals_and_the_verdict_are_said_where_they_are_known(model: ModelDescription) -> None:
    card = model_card(
        "mine", model=model, facts=FACTS, summary=SUMMARY, results=RESULTS,
        intervals={Entry.BEST: {"knn_top1": (0.58, 0.671)}}, verdict="Not better beyond noise.",
    )  # fmt: skip
    assert "| 1-NN | 61.8 | 62.9 ± 1.1 [58.0, 67.1] |" in card
    assert "in brackets a 95 % interval" in card
    assert card.startswith("# mine\n\nNot better beyond noise.\n\nAn encoder trained by HiCo")


def test_it_fits_into_mlflows_databases(tmp_path: Path) -> None:
    names = tuple(f"a rather long name of a class {index}" for index in range(120))
    recogniser = small_recogniser()
    import dataclasses

    import torch

    recogniser = dataclasses.replace(recogniser, class_names=names, weight=torch.zeros(120, 128), bias=torch.zeros(120))
    model = describe(small_export(tmp_path / "encoder", recogniser=recogniser))
    metrics = list(METRICS)
    summary = {entry: {name: Spread(mean=0.5, deviation=0.1, count=3) for name in metrics} for entry in Entry}
    intervals = {entry: dict.fromkeys(metrics, (0.4, 0.6)) for entry in Entry}
    card = model_card("mine", model=model, facts=FACTS, summary=summary, results=RESULTS, intervals=intervals)
    assert len(card) < MOST_CHARACTERS == 5000
    assert "(120 in all)" in card
    assert card.endswith("```"), "nothing is cut off"
    long = model_card("mine", model=model, facts={**FACTS, "dataset": "x" * 9000}, summary={}, results=RESULTS)
    assert len(long) < MOST_CHARACTERS
    assert long.endswith("\n...")


def test_it_lies_with_the_model_and_is_replaced(tmp_path: Path) -> None:
    folder = small_export(tmp_path / "encoder")
    for card in ("# one", "# two"):
        write_card(folder, card)
    assert (folder / CARD).read_text() == "# two\n"
    assert "load_encoder" in model_card("x", model=describe(folder), facts={}, summary={}, results=[])


def test_few_labels_and_occlusion_are_said_where_they_were_scored(model: ModelDescription) -> None:
    def scored(mean: float, deviation: float | None = None) -> FurtherScore:
        interval = Interval(low=mean - 0.1, high=mean + 0.1, method="made up")
        return FurtherScore(spread=Spread(mean=mean, deviation=deviation, count=1), interval=interval)

    further = {
        Entry.RAW_POSE: {"semi_unstratified_5_linear_top1": scored(0.3)},
        Entry.BEST: {
            "semi_unstratified_5_linear_top1": scored(0.4, 0.02),
            "semi_per_class_5_linear_top1": scored(0.45),
            "occlusion_parts_1_linear_top1": scored(0.5),
        },
    }
    card = model_card("mine", model=model, facts=FACTS, summary=SUMMARY, results=RESULTS, further=further)
    for line in (
        "## Harder tasks",
        "| | raw pose | best configuration |",
        "| 5 % of labels, linear probe | 30.0 [20.0, 40.0] | 40.0 ± 2.0 [30.0, 50.0] |",
        "| 1 body part missing, linear probe |  | 50.0 [40.0, 60.0] |",
        "- not tried on recordings of several actions",
    ):
        assert line in card.splitlines(), line
    assert "each class" not in card
    without = model_card("mine", model=model, facts=FACTS, summary=SUMMARY, results=RESULTS)
    assert "Harder tasks" not in without
    assert "- not tried with joints or frames hidden, nor on recordings of several actions" in without
