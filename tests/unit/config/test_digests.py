"""Configurations and spaces enter digests, ledgers and checkpoints byte for byte as they always did.

The digests were computed by the version before configuration moved to pydantic (commit 3b01dcd).
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hico_platform.config.cluster import ClusterConfig
from hico_platform.config.document import Document
from hico_platform.config.package_files import find_space, shipped_spaces
from hico_platform.config.parameters import uniform
from hico_platform.config.schema import flatten, parse, replace, to_mapping
from hico_platform.config.space import load_space, space_from
from hico_platform.config.trial import NEWER_FIELDS, TrialConfig, as_first_written, as_now_written
from hico_platform.enums import Precision
from hico_platform.retrain.plan import make_plan, released_settings
from tests.small import small_config

OLDER_SPACES = ("encoder", "encoder_size", "full", "level_weights", "paper_ntu60", "queue", "temperature")
FACTS = {"data_digest": "d" * 64, "protocol": "xsub", "code": "test"}
CONFIGS: dict[str, dict[str, Any]] = {
    "released": {},
    "integers where floats are meant": {
        "model.dropout": 0,
        "contrast.momentum": 1,
        "contrast.level_weights.clip": 2,
        "optimiser.clip_gradient_norm": 5,
    },
    "every kind": {
        "model.encoder": "lstm",
        "model.precision": "bf16",
        "contrast.queue_wrap": "released",
        "contrast.temperature": 0.1 + 0.2,
        "views.stream": "motion",
        "optimiser.name": "adamw",
        "optimiser.schedule": "cosine",
        "optimiser.learning_rate": 1e-05,
        "optimiser.weight_decay": 0.0,
        "optimiser.clip_gradient_norm": None,
        "budget.seed": 2**62,
        "evaluation.recall_at": 1,
    },
}


def digest(value: object) -> str:
    """Of the JSON as it is written, with keys in their order."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations(name: str) -> None:
    config = replace(TrialConfig(), {"model.precision": "float32", **CONFIGS[name]})
    found = {
        "mapping": digest(as_first_written(to_mapping(config))),
        "flat": digest(of_the_first_version(flatten(config))),
        "plan": make_plan(config, seeds=2, epochs=None, facts=FACTS).digest[:16],
        "shorter plan": make_plan(config, seeds=2, epochs=3, facts=FACTS).digest[:16],
        "released": digest(as_first_written(to_mapping(released_settings(config)))),
    }
    assert found == OF_CONFIGS[name]
    assert parse(TrialConfig, Document(data=to_mapping(config))) == config


def test_a_small_configuration() -> None:
    assert digest(as_first_written(to_mapping(small_config(contrast__temperature=1)))) == OF_SMALL


def of_the_first_version(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Without the views that came later, which are off."""
    return {name: value for name, value in flat.items() if name not in NEWER_FIELDS}


def test_newer_fields_are_left_out_where_they_are_off_and_come_back() -> None:
    config = replace(TrialConfig(), {"views.scale": 0.1})
    written = as_first_written(to_mapping(config))
    assert written["views"].keys() == {
        "stream", "frames", "min_crop_ratio", "min_crop_frames", "corrupted_joint_share", "scale"
    }  # fmt: skip
    assert as_now_written(written) == to_mapping(config)
    assert parse(TrialConfig, Document(data=written)) == config


def test_newer_fields_that_a_mapping_lacks_have_their_defaults() -> None:
    assert as_now_written({})["views"] == {
        name.removeprefix("views."): flatten(TrialConfig())[name] for name in NEWER_FIELDS
    }


@pytest.mark.parametrize("name", OLDER_SPACES)
def test_spaces_that_ledgers_hold(name: str) -> None:
    """What they held when no space had to name a precision, which was float32."""
    source = without_precision(load_space(find_space(name)).source)
    assert digest(source) == OF_SPACES[name]["source"]
    space = space_from(json.loads(json.dumps(source)))
    assert space.base.model.precision is Precision.FLOAT32
    draw = random.Random(7)
    points = [space.values(partial(uniform, draw=draw)) for _ in range(20)]
    found = {
        "source": digest(without_precision(space.source)),
        "base": digest(as_first_written(to_mapping(space.base))),
        "settings": digest(without_newer(to_mapping(space.settings))),
        "points": digest(points),
        "trials": digest(
            [as_first_written(to_mapping(space.config(point))) for point in points if space.admits(point)]
        ),
    }
    assert found == OF_SPACES[name]
    again = space_from(json.loads(json.dumps(space.source)))
    assert digest(without_precision(again.source)) == found["source"]


@pytest.mark.parametrize("name", shipped_spaces())
def test_a_space_file_that_names_no_precision_means_auto_and_a_ledger_keeps_that(name: str) -> None:
    space = load_space(find_space(name))
    again = space_from(json.loads(json.dumps(space.source)))
    assert space.base.model.precision is again.base.model.precision is Precision.AUTO
    assert to_mapping(again.base) == to_mapping(space.base)
    assert again.source == space.source


def test_a_file_without_a_base_has_a_precision_in_what_the_ledger_keeps(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("search:\n  contrast.temperature: {low: 0.1, high: 0.2}\n")
    assert load_space(tmp_path / "space.yaml").source["base"]["model"]["precision"] == "auto"


def without_precision(source: Mapping[str, Any]) -> dict[str, Any]:
    """A space as versions kept it that named no precision."""
    model = {key: value for key, value in source["base"]["model"].items() if key != "precision"}
    base = {**source["base"], "model": model}
    if not model:
        del base["model"]
    return {**source, "base": base}


def without_newer(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as versions kept them that knew none of these, which say nothing where they are not given."""
    newer = {"allow_overlap": False, "notify": [], "keep": None, "cluster": to_mapping(ClusterConfig())}
    assert {key: settings[key] for key in newer} == newer
    kept = {key: value for key, value in settings.items() if key not in newer}
    return {**kept, "base": as_first_written(kept["base"])}


def test_overrides() -> None:
    assignments = ["budget.epochs=30", "optimiser.clip_gradient_norm=5", "resources.gpus=auto", "stop.hours=2"]
    space = load_space(find_space("level_weights"), assignments=assignments)
    source = without_precision(space.source)
    assert [digest(source), digest(without_newer(to_mapping(space_from(source).settings)))] == OF_OVERRIDES


OF_CONFIGS: dict[str, dict[str, str]] = {
    "released": {
        "mapping": "ffd2470e2c48d28d",
        "flat": "a742925a2d5f35e4",
        "plan": "87cd1565ae498f12",
        "shorter plan": "c6e7fc1fffdf60ad",
        "released": "ffd2470e2c48d28d",
    },
    "integers where floats are meant": {
        "mapping": "906e9488a5abfdea",
        "flat": "a99164886e6246a1",
        "plan": "85082978a9c842cc",
        "shorter plan": "62c97a43d92b7055",
        "released": "ffd2470e2c48d28d",
    },
    "every kind": {
        "mapping": "ab92ff47fce3ed51",
        "flat": "931b1f8602451209",
        "plan": "b8d047a686310403",
        "shorter plan": "faeef621512e52e2",
        "released": "4eadb83dfe712c29",
    },
}
OF_SPACES: dict[str, dict[str, str]] = {
    "encoder": {
        "source": "d3a7a8dd27b17331",
        "base": "f0496fc5bd20ff40",
        "settings": "e5c22bf7932cbe6d",
        "points": "7e803c136a789fca",
        "trials": "b3857d07dabf40b0",
    },
    "encoder_size": {
        "source": "d76767af898713cc",
        "base": "f0496fc5bd20ff40",
        "settings": "17d66e0a9f8186b2",
        "points": "0f39f20f9c8db5fe",
        "trials": "0407574bc0a87798",
    },
    "full": {
        "source": "28a21ee67d254537",
        "base": "f0496fc5bd20ff40",
        "settings": "69c74266f34ca7c7",
        "points": "998aea3d5b2a2916",
        "trials": "2b496d537ec98940",
    },
    "level_weights": {
        "source": "91c08c66499a73a8",
        "base": "f0496fc5bd20ff40",
        "settings": "b7eff39255ec837a",
        "points": "e4b4b5d99de2a71c",
        "trials": "072789de0775a7eb",
    },
    "paper_ntu60": {
        "source": "ef4cb8fa6a512262",
        "base": "ffd2470e2c48d28d",
        "settings": "19b1407b8bb80df2",
        "points": "8ecfde55bdbd9a11",
        "trials": "9a994125c803763c",
    },
    "queue": {
        "source": "04adb26970229507",
        "base": "f0496fc5bd20ff40",
        "settings": "de8bfc60bf4ba91a",
        "points": "ae22cf7253a64efb",
        "trials": "2e60ee5c542ab58e",
    },
    "temperature": {
        "source": "a9413b04af25b9c7",
        "base": "f0496fc5bd20ff40",
        "settings": "43933383070e67a7",
        "points": "8e4ba01b26d45422",
        "trials": "a99630ea2f9efce2",
    },
}
OF_SMALL = "f064e748c577b0a0"
OF_OVERRIDES = ["f58a9ac32223b9ea", "f9053d2c9710222d"]
