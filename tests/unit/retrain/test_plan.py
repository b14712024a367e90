"""Which numbers stand behind "released settings": every field is named here, with its value or as the budget's."""

from __future__ import annotations

import hashlib
import json

import pytest

from hico_platform.config.schema import flatten, replace
from hico_platform.config.trial import NEWER_FIELDS, TrialConfig
from hico_platform.enums import Part
from hico_platform.errors import ConfigError
from hico_platform.retrain.plan import Entry, make_plan, released_settings
from tests.small import small_config

# The settings of the release, written here once more.
RELEASED = {
    "model.encoder": "transformer",
    "model.layers": 1,
    "model.heads": 4,
    "model.dropout": 0.1,
    "contrast.temperature": 0.2,
    "contrast.queue_size": 2048,
    "contrast.momentum": 0.999,
    "contrast.queue_wrap": "full",
    "contrast.level_weights.clip": 1.0,
    "contrast.level_weights.part": 1.0,
    "contrast.level_weights.domain": 1.0,
    "contrast.level_weights.instance": 1.0,
    "views.shear_probability": 0.5,
    "views.shear_strength": 1.0,
    "views.corruption_probability": 1.0,
    "views.corruption": "either",
    "views.corrupted_joint_share": 0.6,
    "views.rotation_degrees": 0.0,
    "views.tilt_degrees": 0.0,
    "views.scale": 0.0,
    "optimiser.name": "sgd",
    "optimiser.learning_rate": 0.01,
    "optimiser.momentum": 0.9,
    "optimiser.weight_decay": 1e-4,
    "optimiser.schedule": "step",
    "optimiser.decay_at": 351 / 451,
    "optimiser.clip_gradient_norm": None,
}
# A best trial that has another value than the release everywhere.
BEST = {
    "model.encoder": "lstm",
    "model.hidden_width": 48,
    "model.layers": 3,
    "model.heads": 2,
    "model.dropout": 0.35,
    "model.granularities": 3,
    "model.projection_width": 24,
    "model.precision": "bf16",
    "contrast.temperature": 0.07,
    "contrast.queue_size": 512,
    "contrast.momentum": 0.99,
    "contrast.queue_wrap": "released",
    "contrast.level_weights.clip": 0.5,
    "contrast.level_weights.part": 2.0,
    "contrast.level_weights.domain": 0.25,
    "contrast.level_weights.instance": 3.0,
    "views.stream": "bone",
    "views.frames": 32,
    "views.min_crop_ratio": 0.4,
    "views.min_crop_frames": 20,
    "views.shear_probability": 0.3,
    "views.shear_strength": 0.4,
    "views.corruption_probability": 0.6,
    "views.corruption": "zeroed",
    "views.corrupted_joint_share": 0.2,
    "views.rotation_degrees": 30.0,
    "views.tilt_degrees": 10.0,
    "views.scale": 0.1,
    "optimiser.name": "adamw",
    "optimiser.learning_rate": 5e-4,
    "optimiser.momentum": 0.8,
    "optimiser.weight_decay": 0.01,
    "optimiser.schedule": "cosine",
    "optimiser.decay_at": 0.5,
    "optimiser.clip_gradient_norm": 1.0,
    "budget.epochs": 60,
    "budget.batch_size": 32,
    "budget.seed": 7,
    "budget.threads": 2,
    "evaluation.centre_crop": 0.9,
    "evaluation.linear_epochs": 40,
    "evaluation.linear_batch_size": 256,
    "evaluation.linear_learning_rate": 0.5,
    "evaluation.recall_at": 3,
}


def best_config() -> TrialConfig:
    best = replace(TrialConfig(), BEST)
    defaults = flatten(TrialConfig())
    assert flatten(best) == BEST, "a new field has a value here, and is the release's or the budget's"
    assert not any(BEST[name] == defaults[name] for name in BEST)
    return best


def test_released_settings_are_those_of_the_release_at_the_budget_of_the_best() -> None:
    assert flatten(released_settings(best_config())) == {**BEST, **RELEASED}


def test_each_entry_is_trained_with_its_own_settings() -> None:
    plan = make_plan(best_config(), seeds=2, epochs=90, facts={})
    settings = {run.key: flatten(run.config) for run in plan.runs}
    at_budget = {**BEST, "budget.epochs": 90}
    assert settings == {
        **{
            f"{entry}-seed-{seed}": {**at_budget, **fields, "budget.seed": seed}
            for entry, fields in {"best": {}, "released": RELEASED, "untrained": {}}.items()
            for seed in (0, 1)
        },
        "raw-pose-seed-0": at_budget,
    }


def test_results_of_earlier_versions_are_found_by_the_digest_that_these_wrote() -> None:
    """Earlier ones had no view but shear and corruption, each with one probability and one strength."""
    config: dict[str, dict[str, object]] = {}
    newer = {name: RELEASED[name] for name in NEWER_FIELDS}
    for name, value in {**BEST, "budget.seed": 0}.items():
        if name in newer:
            continue
        *sections, field = name.split(".")
        section = config
        for part in sections:
            section = section.setdefault(part, {})
        section[field] = value
    content = json.dumps({"schema_version": 1, "config": config, "facts": {"b": "2", "a": "1"}}, sort_keys=True)
    best = replace(best_config(), newer)
    plan = make_plan(best, seeds=1, epochs=None, facts={"b": "2", "a": "1"})
    assert plan.digest == hashlib.sha256(content.encode()).hexdigest()
    for name in newer:
        other = replace(best, {name: BEST[name]})
        assert make_plan(other, seeds=1, epochs=None, facts={"b": "2", "a": "1"}).digest != plan.digest, name


def test_headings_name_what_the_rows_are() -> None:
    assert {entry: entry.heading for entry in Entry} == {
        Entry.RAW_POSE: "raw pose",
        Entry.UNTRAINED: "untrained encoder",
        Entry.RELEASED: "released settings",
        Entry.BEST: "best configuration",
        Entry.CANDIDATE: "candidate",
    }
    assert [entry for entry in Entry if entry.is_trained] == [Entry.RELEASED, Entry.BEST, Entry.CANDIDATE]
    assert [entry for entry in Entry if entry.part is not Part.TEST] == [Entry.CANDIDATE], (
        "it never sees the test split"
    )
    assert make_plan(best_config(), seeds=1, epochs=None, facts={}).runs[1].heading == "released settings, seed 0"


def test_released_settings_are_the_defaults_but_for_the_budget() -> None:
    ours = small_config(contrast__temperature=0.07, contrast__level_weights__clip=2.0, model__encoder="gru")
    released, defaults, mine = flatten(released_settings(ours)), flatten(TrialConfig()), flatten(ours)
    kept = {name for name, value in released.items() if value != defaults[name]}
    assert all(released[name] == mine[name] for name in kept)
    assert not any(name.startswith(("contrast.", "optimiser.", "views.rotation")) for name in kept)
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
    with pytest.raises(ConfigError, match=r"budget.epochs: expected at least 1, got 0"):
        make_plan(small_config(), seeds=1, epochs=0, facts={})


def test_released_settings_that_are_the_best_are_trained_once() -> None:
    best = released_settings(small_config())
    plan = make_plan(best, seeds=2, epochs=None, facts={})
    assert [(run.entry, run.seed) for run in plan.runs] == [
        (Entry.BEST, 0), (Entry.BEST, 1), (Entry.UNTRAINED, 0), (Entry.UNTRAINED, 1), (Entry.RAW_POSE, 0),
    ]  # fmt: skip
