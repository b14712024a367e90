from __future__ import annotations

import dataclasses
import math

import pytest

from hico_platform.report.content import ReportContent
from hico_platform.report.trial_table import failures, trial_headings, trial_rows
from tests.reported import many_trials
from tests.unit.report.test_spending import content, trial


@pytest.fixture(scope="module")
def many() -> ReportContent:
    return many_trials(60)


def columns(given: ReportContent, row: int) -> dict[str, str]:
    names = {name: name.rpartition(".")[2] for name in given.parameters}
    headings = [cell.text for cell in trial_headings(given, names)]
    return dict(zip(headings, trial_rows(given)[row].cells, strict=True))


def test_every_trial_has_a_row_with_its_scores_in_per_cent(many: ReportContent) -> None:
    rows = trial_rows(many)
    assert [row.trial for row in rows] == list(many.trials)
    (best,) = [row for row in rows if row.is_best]
    assert best.trial.number == many.best
    first = many.trials[0]
    assert first.value is not None
    cells = columns(many, 0)
    assert cells == {
        "trial": "0",
        "state": first.word,
        "epoch": str(first.epoch),
        "kNN top-1, %": f"{100 * first.value:.1f} ± 1.5",
        "linear probe": f"{100 * first.metrics['recognition_top1']:.1f}",
        "mAP": f"{100 * first.metrics['retrieval_map']:.1f}",
        "transfer": f"{100 * first.metrics['transfer_top1']:.1f}",
        **{
            name.rpartition(".")[2]: f"{value:.3g}" if isinstance(value, float) else str(value)
            for name, value in first.values.items()
        },
        "seconds": f"{first.seconds:.0f}",
        "from": "released",
    }


def test_a_failed_trial_has_no_scores(many: ReportContent) -> None:
    cells = columns(many, 49)
    assert (cells["state"], cells["epoch"], cells["kNN top-1, %"], cells["mAP"]) == ("failed", "0", "", "")


def test_headings_say_which_columns_are_words(many: ReportContent) -> None:
    cells = {cell.text: cell for cell in trial_headings(many, {name: name for name in many.parameters})}
    assert {text for text, cell in cells.items() if cell.is_text} == {"state", "model.encoder", "from"}
    assert cells["mAP"].title == "retrieval_map"
    assert cells["contrast.temperature"].title == "contrast.temperature"


def test_metrics_that_are_shares_in_the_order_of_the_evaluation() -> None:
    metrics = {"my_score": 0.5, "retrieval_map": 0.25, "parameters": 72576.0, "knn_top1_k5": 1.0, "loss": -1.0,
               "knn_top1": 0.5, "odd": math.nan}  # fmt: skip
    given = content(trial(0, {9: 0.5}, metrics=metrics, metric_errors={"my_score": 0.02}), trial(1, {9: 0.5}))
    cells = columns(given, 0)
    assert list(cells)[4:-2] == ["5-NN", "mAP", "my score"], "without the one that has its own column"
    assert (cells["5-NN"], cells["mAP"], cells["my score"]) == ("100.0", "25.0", "50.0 ± 2.0")
    assert columns(given, 1)["my score"] == ""


def test_a_field_that_a_trial_does_not_have_is_empty_and_truths_are_words() -> None:
    given = content(trial(0, {}, values={"a.b": 2, "a.c": True}), trial(1, {}, values={"a.b": 0.5}))
    assert [columns(given, row)["c"] for row in (0, 1)] == ["True", ""]
    assert [columns(given, row)["b"] for row in (0, 1)] == ["2", "0.5"]
    texts = {cell.text: cell.is_text for cell in trial_headings(given, {"a.b": "b", "a.c": "c"})}
    assert (texts["b"], texts["c"]) == (False, True)
    assert columns(given, 0)["seconds"] == ""


def test_failures_by_reason_the_most_frequent_first() -> None:
    assert failures(content(trial(0, {9: 0.5}))) is None
    reasons = ("b", "a", None, "a", "c")
    table = failures(content(*(trial(number, {}, "failed", reason=reason) for number, reason in enumerate(reasons))))
    assert table is not None
    assert table.rows == [["a", "2", "1, 3"], ["b", "1", "0"], ["c", "1", "4"]]
    assert {table.headings[column] for column in table.text} == {"reason", "which"}


def test_the_score_is_named_as_the_search_names_it(many: ReportContent) -> None:
    other = dataclasses.replace(many, score="mAP", metric="retrieval_map")
    cells = columns(other, 0)
    assert "mAP, %" in cells
    assert "mAP" not in cells
    assert "1-NN" in cells
