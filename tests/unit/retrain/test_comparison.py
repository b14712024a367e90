"""Intervals and tests come from what the runs kept of each sequence, the right run's, metric's and person's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hico_platform.enums import Clusters
from hico_platform.evaluate.intervals import interval, paired
from hico_platform.evaluate.scores import Score
from hico_platform.retrain.comparison import Comparison, compare, holm
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.sequence_scores import SCORES, SequenceScores, write_sequence_scores
from tests.small import small_config

PLAN = make_plan(small_config(), seeds=2, epochs=None, facts={})
PERSONS = np.repeat(np.arange(8) * 3, 6)
RIGHT = {Entry.RAW_POSE: 0.2, Entry.UNTRAINED: 0.3, Entry.RELEASED: 0.5, Entry.BEST: 0.9}
METRICS = ("knn_top1", "knn_mean", "linear_regularised_top1", "retrieval_map", "parameters")


def parts(run: int, metric: int) -> np.ndarray:
    """The same draw for the same run and metric: 48 sequences of 8 persons."""
    random = np.random.default_rng([run, metric])
    return (random.uniform(size=len(PERSONS)) < RIGHT[PLAN.runs[run].entry]).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, run in enumerate(PLAN.runs):
        kept = {name: parts(index, column) for column, name in enumerate(METRICS)}
        write_sequence_scores(tmp_path / run.key, SequenceScores(parts=kept, persons=PERSONS))
    return tmp_path


@pytest.fixture
def compared(folder: Path) -> Comparison:
    return compare(folder, PLAN.runs, metric="knn_top1")


def scores(entry: Entry, metric: str) -> list[Score]:
    rows = [index for index, run in enumerate(PLAN.runs) if run.entry is entry]
    return [Score.mean_of(torch.tensor(parts(row, METRICS.index(metric)))) for row in rows]


def test_every_mean_of_the_table_has_its_own_interval(compared: Comparison) -> None:
    assert (compared.persons, compared.seeds, compared.untested) == (8, 2, None)
    persons = torch.tensor(PERSONS)
    assert set(compared.intervals) == set(RIGHT)
    for entry, found in compared.intervals.items():
        assert list(found) == ["knn_top1", "knn_mean", "linear_regularised_top1", "retrieval_map"]
        for name, one in found.items():
            assert one == interval(scores(entry, name), clusters=persons)


def test_the_best_is_compared_with_each_other_entry_on_the_same_sequences(compared: Comparison) -> None:
    assert list(compared.differences) == [Entry.RELEASED, Entry.UNTRAINED, Entry.RAW_POSE]
    persons, raw = torch.tensor(PERSONS), []
    for entry, found in compared.differences.items():
        assert list(found) == ["knn_top1", "linear_regularised_top1", "retrieval_map"]
        for name, one in found.items():
            best = np.mean([parts(row, METRICS.index(name)) for row in (0, 1)])
            other = np.mean([score.value for score in scores(entry, name)])
            assert one.test.difference == pytest.approx(best - other)
            assert one.test == paired(scores(Entry.BEST, name), scores(entry, name), clusters=persons)
            raw.append(one.test.p)
    adjusted = [one.p for found in compared.differences.values() for one in found.values()]
    assert adjusted == holm(raw)
    assert max(adjusted) > max(raw)


def test_what_the_search_went_by_is_compared_too(folder: Path) -> None:
    found = compare(folder, PLAN.runs, metric="knn_mean")
    assert next(iter(found.differences[Entry.RELEASED])) == "knn_mean"


def test_where_no_person_is_known_sequences_are_resampled(tmp_path: Path) -> None:
    for index, run in enumerate(PLAN.runs):
        alone = np.arange(len(PERSONS))
        kept = SequenceScores(parts={"knn_top1": parts(index, 0)}, persons=alone, clusters=Clusters.SEQUENCES)
        write_sequence_scores(tmp_path / run.key, kept)
    found = compare(tmp_path, PLAN.runs, metric="knn_top1")
    assert found.persons == 0
    assert found.intervals[Entry.BEST]["knn_top1"].method == "bootstrap over 48 sequences and 2 seeds"
    assert "48 sequences" in found.differences[Entry.RELEASED]["knn_top1"].test.method


def test_persons_with_one_sequence_each_are_counted(tmp_path: Path) -> None:
    for index, run in enumerate(PLAN.runs):
        kept = SequenceScores(parts={"knn_top1": parts(index, 0)}, persons=np.arange(len(PERSONS)))
        write_sequence_scores(tmp_path / run.key, kept)
    found = compare(tmp_path, PLAN.runs, metric="knn_top1")
    assert (found.persons, found.clusters) == (48, Clusters.PERSONS)


def test_where_videos_alone_are_known_they_are_called_so(tmp_path: Path) -> None:
    for index, run in enumerate(PLAN.runs):
        kept = SequenceScores(parts={"knn_top1": parts(index, 0)}, persons=PERSONS, clusters=Clusters.VIDEOS)
        write_sequence_scores(tmp_path / run.key, kept)
    found = compare(tmp_path, PLAN.runs, metric="knn_top1")
    assert (found.persons, found.clusters) == (len(np.unique(PERSONS)), Clusters.VIDEOS)
    assert f"over {found.persons} videos and 2 seeds" in found.intervals[Entry.BEST]["knn_top1"].method
    assert f"sign flips of {found.persons} videos," in found.differences[Entry.RELEASED]["knn_top1"].test.method


def test_runs_of_an_older_version_are_named_and_nothing_is_tested(folder: Path) -> None:
    (folder / "untrained-seed-1" / SCORES).unlink()
    assert compare(folder, PLAN.runs, metric="knn_top1") == Comparison(
        untested="untrained-seed-1: scored by a version that kept no scores of sequences"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # The example of Holm's method in R's help of p.adjust, and the definition by hand.
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.5, 0.001, 0.04], [0.5, 0.003, 0.08]),
        ([0.9, 0.8], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm(given: list[float], expected: list[float]) -> None:
    assert holm(given) == pytest.approx(expected)


def test_a_plan_without_released_settings_has_them_as_its_best(folder: Path, compared: Comparison) -> None:
    assert not compared.is_released
    alone = compare(folder, [run for run in PLAN.runs if run.entry is not Entry.RELEASED], metric="knn_top1")
    assert alone.is_released
    assert list(alone.differences) == [Entry.UNTRAINED, Entry.RAW_POSE]
