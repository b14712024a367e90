from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hico_platform.evaluate.intervals import interval
from hico_platform.evaluate.scores import Score
from hico_platform.retrain.further_scores import as_plain, further_scores, read_further_scores, write_further_scores
from hico_platform.retrain.further_tasks import TaskScores, write_task_scores
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.results import Spread
from tests.small import small_config

RUNS = make_plan(small_config(budget__epochs=40), seeds=2, epochs=None, facts={}).runs
PERSONS = np.repeat(np.arange(6), 4)


def right(share: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(24) < share).astype(np.float32)


def keep(folder: Path, entry: Entry, seed: int, **more: object) -> None:
    parts = {"semi_per_class_5_linear_top1": right(0.6, seed)}
    found = TaskScores(
        task="semi",
        protocol="five draws",
        values={name: float(one.mean()) for name, one in parts.items()},
        parts=parts,
        persons=PERSONS,
    )
    key = f"{entry.replace(' ', '-')}-seed-{seed}"
    write_task_scores(folder / key, TaskScores(task="semi", **more) if more else found)  # type: ignore[arg-type]


def test_scores_are_means_over_seeds_with_the_interval_over_persons_and_seeds(tmp_path: Path) -> None:
    for seed in range(2):
        keep(tmp_path, Entry.BEST, seed)
    keep(tmp_path, Entry.RAW_POSE, 0)
    found = further_scores(tmp_path, RUNS)
    assert list(found.scores) == [Entry.RAW_POSE, Entry.BEST], "in the order of the tables"
    score = found.scores[Entry.BEST]["semi_per_class_5_linear_top1"]
    means = [float(right(0.6, seed).mean()) for seed in range(2)]
    mean, deviation = pytest.approx(np.mean(means)), pytest.approx(np.std(means, ddof=1))
    assert score.spread == Spread(mean=mean, deviation=deviation, count=2)
    scores = [Score.mean_of(torch.from_numpy(right(0.6, seed))) for seed in range(2)]
    assert score.interval == interval(scores, clusters=torch.from_numpy(PERSONS))
    assert found.protocols == {"semi": "five draws"}
    assert (found.skipped, found.failed) == ({}, {})


def test_what_has_no_parts_has_an_interval_over_seeds_and_a_single_seed_none(tmp_path: Path) -> None:
    for seed, value in enumerate((0.5, 0.7)):
        write_task_scores(tmp_path / f"best-seed-{seed}", TaskScores(task="speed", values={"speed_error": value}))
    write_task_scores(tmp_path / "raw-pose-seed-0", TaskScores(task="speed", values={"speed_error": 0.1}))
    found = further_scores(tmp_path, RUNS)
    interval_of_best = found.scores[Entry.BEST]["speed_error"].interval
    assert interval_of_best is not None
    assert interval_of_best.method == "Student's t over 2 seeds"
    assert found.scores[Entry.RAW_POSE]["speed_error"].interval is None


def test_what_is_lacking_is_said_once_for_an_entry_and_what_failed_for_each_run(tmp_path: Path) -> None:
    for seed in range(2):
        keep(tmp_path, Entry.UNTRAINED, seed, skipped="an encoder")
        keep(tmp_path, Entry.BEST, seed, failed="no memory")
    found = further_scores(tmp_path, RUNS)
    assert not found
    assert found.skipped == {"semi, untrained encoder": "an encoder"}
    assert found.failed == dict.fromkeys((f"semi, best configuration, seed {seed}" for seed in range(2)), "no memory")


def test_the_file_beside_the_runs_has_all_of_it_and_without_one_there_is_nothing(tmp_path: Path) -> None:
    assert read_further_scores(tmp_path) == {}
    keep(tmp_path, Entry.RAW_POSE, 0)
    found = further_scores(tmp_path, RUNS)
    write_further_scores(tmp_path, found)
    assert read_further_scores(tmp_path) == json.loads(json.dumps(as_plain(found)))
    score = read_further_scores(tmp_path)["scores"]["raw pose"]["semi_per_class_5_linear_top1"]
    assert score.keys() == {"mean", "std", "seeds", "low", "high", "interval"}
    (tmp_path / "further.json").write_text("{")
    assert read_further_scores(tmp_path) == {}
