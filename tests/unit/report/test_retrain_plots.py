from __future__ import annotations

import numpy as np

from hico_platform.report import retrain_plots
from hico_platform.report.content import RetrainCandidate, RetrainDifference, RetrainRow, RetrainTable

TABLE = RetrainTable(
    epochs=9,
    facts={"split": "test"},
    headings={"knn_top1": "1-NN", "retrieval_map": "mAP"},
    rows=[
        RetrainRow(name="raw pose", scores={"knn_top1": (0.3, None, 1)}),
        RetrainRow(name="best configuration", scores={"knn_top1": (0.5, 0.02, 3), "retrieval_map": (0.2, 0.01, 3)}),
    ],
    intervals={"best configuration": {"knn_top1": (0.41, 0.58)}},
    differences=[
        RetrainDifference(
            name="raw pose", metric="knn_top1", difference=0.2, low=0.1, high=0.3, p=0.0004, p_one_sided=0.012,
            better=True, method="sign flips of 10 persons, all flips",
        )
    ],
    candidates=[
        RetrainCandidate(trial=3, searched=0.5, stopped=False, mean=0.45, deviation=0.01, seeds=3, chosen=False),
        RetrainCandidate(trial=1, searched=0.48, stopped=True, mean=0.47, deviation=None, seeds=1, chosen=True),
    ],
    drawn={
        "features": {"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 0.5], "label": [0, 1, 1], "class_names": ["bow", "clap"]},
        "confusion": {"counts": [[3, 1], [0, 4]], "class_names": ["bow", "clap"]},
        "losses": {"1": {"loss": 4.0, "loss_clip": 2.0, "sequences_per_s": 9.0}, "2": {"loss": 3.0, "loss_clip": 1.0}},
    },
    figures=["/x/confusion_knn.png", "/x/features.png", "/x/losses.png", "/x/retrieval.png"],
)  # fmt: skip


def test_scores_have_their_intervals() -> None:
    plot = retrain_plots.scores(TABLE)
    assert plot is not None
    poses, best = plot.data
    assert (poses["y"], poses["error_y"]["array"]) == ([30.0], [0.0])
    assert best["y"] == [50.0, 20.0]
    assert (best["error_y"]["arrayminus"], best["error_y"]["array"]) == ([9.0, 0.0], [8.0, 0.0])
    assert retrain_plots.score_table(TABLE).rows == [
        ["raw pose", "30.0", "", "1"],
        ["best configuration", "50.0 ± 2.0\n41.0 to 58.0", "20.0 ± 1.0", "3"],
    ]


def test_tests_and_candidates_are_in_words() -> None:
    differences = retrain_plots.difference_table(TABLE)
    assert differences is not None
    assert differences.rows == [
        ["raw pose", "1-NN", "+20.0", "10.0 to 30.0", "below 0.001", "0.012", "better beyond noise"]
    ]
    candidates = retrain_plots.candidate_table(TABLE, score="kNN")
    assert candidates is not None
    assert candidates.rows == [
        ["3", "50.0", "45.0 ± 1.0", "3", ""],
        ["1", "48.0 (stopped early)", "47.0", "1", "chosen"],
    ]


def test_the_page_draws_what_it_has_numbers_of() -> None:
    assert retrain_plots.pictures(TABLE) == ["/x/retrieval.png"]
    features, confusion, losses = (
        draw(TABLE) for draw in (retrain_plots.features, retrain_plots.confusion, retrain_plots.losses)
    )
    assert features is not None
    assert [(trace["name"], trace["x"]) for trace in features.data] == [("bow", [0.0]), ("clap", [1.0, 2.0])]
    assert confusion is not None
    assert confusion.data[0]["z"] == [[75.0, 25.0], [0.0, 100.0]]
    assert confusion.table is not None
    assert confusion.table.rows == [["bow", "clap", "1", "25"]]
    assert losses is not None
    assert {trace["name"]: trace["y"] for trace in losses.data} == {"total, weighted": [4.0, 3.0], "clip": [2.0, 1.0]}


def test_older_results_keep_their_pictures() -> None:
    older = RetrainTable(epochs=9, facts={}, rows=TABLE.rows, figures=TABLE.figures)
    assert retrain_plots.pictures(older) == list(TABLE.figures)
    assert (retrain_plots.features(older), retrain_plots.scores(older)) == (None, None)


def test_many_classes_are_named_up_to_a_number_and_counted_beyond() -> None:
    labels = np.repeat(np.arange(23), 3)
    drawn = {"x": [0.0] * 69, "y": [0.0] * 69, "label": labels.tolist(), "class_names": [str(n) for n in range(23)]}
    plot = retrain_plots.features(RetrainTable(epochs=1, facts={}, rows=(), drawn={"features": drawn}))
    assert plot is not None
    assert plot.data[0]["name"] == "3 other classes"
    assert len(plot.data) == 21
