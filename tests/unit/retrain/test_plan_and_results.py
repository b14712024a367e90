from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hico_platform.config.schema import flatten
from hico_platform.config.trial import TrialConfig
from hico_platform.errors import ConfigError
from hico_platform.retrain.plan import Entry, make_plan, released_settings
from hico_platform.retrain.results import RunResult, read_result, spread, summarise, write_result
from tests.small import small_config


def test_released_settings_are_the_defaults_but_for_the_budget() -> None:
    ours = small_config(contrast__temperature=0.07, contrast__level_weights__clip=2.0, model__encoder="gru")
    released, defaults, mine = flatten(released_settings(ours)), flatten(TrialConfig()), flatten(ours)
    kept = {name for name, value in released.items() if value != defaults[name]}
    assert all(released[name] == mine[name] for name in kept)
    assert not any(name.startswith(("contrast.", "optimiser.")) for name in kept)
    assert released["model.encoder"] == "transformer"
    assert released["model.hidden_width"] == mine["model.hidden_width"]
    assert released["budget.epochs"] == mine["budget.epochs"]


def test_plan_runs_every_entry_over_the_seeds() -> None:
    plan = make_plan(small_config(), seeds=3, epochs=7, facts={"data": "a"})
    assert [run.key for run in plan.runs] == [
        *(f"{entry}-seed-{seed}" for entry in ("best", "released", "untrained") for seed in range(3)),
        "raw-pose-seed-0",
    ]
    assert all(run.config.budget.epochs == 7 for run in plan.runs)
    assert [run.config.budget.seed for run in plan.runs if run.entry is Entry.BEST] == [0, 1, 2]


def test_digest_changes_with_configuration_budget_and_facts_but_not_with_the_number_of_seeds() -> None:
    def digest(epochs: int | None = None, data: str = "a", seeds: int = 1, **values: object) -> str:
        return make_plan(small_config(**values), seeds=seeds, epochs=epochs, facts={"data": data}).digest

    assert digest() == digest() == digest(seeds=3)
    assert len({digest(), digest(epochs=9), digest(data="b"), digest(contrast__temperature=0.3)}) == 4


def test_epochs_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"budget.epochs: at least 1; got 0"):
        make_plan(small_config(), seeds=1, epochs=0, facts={})


def result(entry: Entry, seed: int, **metrics: float) -> RunResult:
    return RunResult(entry=entry, seed=seed, epoch=3, metrics=metrics, checkpoint=None, seconds=1.5)


def test_results_round_trip(tmp_path: Path) -> None:
    assert read_result(tmp_path / "none") is None
    written = result(Entry.RAW_POSE, 0, knn_top1=0.25)
    write_result(tmp_path / "run", written)
    assert read_result(tmp_path / "run") == written
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["result.json"]


def test_a_checkpoint_is_found_where_the_home_was_moved_to(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    trained = dataclasses.replace(result(Entry.BEST, 0), checkpoint=str(one / "epoch-000003"))
    write_result(one, trained)
    assert "epoch-000003" in (one / "result.json").read_text()
    assert str(tmp_path) not in (one / "result.json").read_text()
    one.rename(other)
    assert read_result(other) == dataclasses.replace(trained, checkpoint=str(other / "epoch-000003"))
    # As older versions wrote it:
    (other / "result.json").write_text(json.dumps(dataclasses.asdict(trained)))
    (other / "epoch-000003").mkdir()
    assert read_result(other) == dataclasses.replace(trained, checkpoint=str(other / "epoch-000003"))


def test_summary_has_mean_and_sample_deviation_by_entry() -> None:
    summary = summarise(
        [
            result(Entry.BEST, 0, knn_top1=0.4, transfer_top1=0.1),
            result(Entry.BEST, 1, knn_top1=0.6, transfer_top1=0.3),
            result(Entry.RAW_POSE, 0, knn_top1=0.2),
        ]
    )
    assert list(summary) == [Entry.RAW_POSE, Entry.BEST]
    best = summary[Entry.BEST]["knn_top1"]
    assert (best.mean, best.count) == (pytest.approx(0.5), 2)
    assert best.deviation == pytest.approx(0.1414, abs=1e-4)
    assert summary[Entry.RAW_POSE] == {"knn_top1": spread([0.2])}
    assert spread([0.2]).deviation is None
