from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hico_platform import checkpoint, export
from hico_platform.errors import CheckpointError, Problem
from hico_platform.retrain.champion import description, register_champion
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import RunResult, Spread
from hico_platform.tracking.base import LOADER, Registered
from hico_platform.tracking.memory import MemoryTracker

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


class Registry(MemoryTracker):
    """A store that remembers what it was asked to register."""

    asked: dict[str, Any]

    def register_champion(self, name: str, **more: Any) -> Registered:
        self.asked = {"name": name, **more}
        return super().register_champion(name, **more)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def champion(tmp_path: Path) -> RunResult:
    """The result of a run whose encoder is exported already."""
    (tmp_path / "best-seed-0" / "encoder").mkdir(parents=True)
    checkpoint = str(tmp_path / "best-seed-0" / "epoch-000009")
    return RunResult(entry=Entry.BEST, seed=0, epoch=9, metrics={"knn_top1": 0.5}, checkpoint=checkpoint, seconds=1.0)


PROMOTED = Promotion(alias="champion", reason="better beyond noise")
CHAMPION = Registered(version=1, alias="champion")


def register(
    registry: Registry, champion: RunResult, promotion: Promotion = PROMOTED
) -> tuple[Registered | None, str | None]:
    run_id = registry.open_run(experiment="x", key="x/0", name="x", parent=None, params={}, tags={}, at_s=0.0)
    facts = {"protocol": "xsub", "config": "mine.yaml"}
    return register_champion(
        registry, name="x", champion=champion, run_id=run_id, summary=SUMMARY, facts=facts, promotion=promotion
    )


def test_the_model_is_the_exported_encoder_of_its_run_with_the_facts(
    registry: Registry, champion: RunResult, tmp_path: Path
) -> None:
    assert register(registry, champion) == (CHAMPION, None)
    assert registry.asked == {
        "name": "x",
        "run_id": "run-0",
        "model": tmp_path / "best-seed-0" / "encoder",
        "loader": LOADER,
        "description": "HiCo, the configuration mine.yaml; test 1-NN 50.0% over 1 seed. Better beyond noise.",
        "tags": {"hico.protocol": "xsub", "hico.config": "mine.yaml"},
        "alias": "champion",
    }


@pytest.mark.parametrize(("alias", "given"), [("challenger", "challenger"), (None, "challenger")])
def test_what_is_not_promoted_is_registered_as_challenger_with_the_reason(
    registry: Registry, champion: RunResult, alias: str | None, given: str
) -> None:
    found, _ = register(registry, champion, Promotion(alias=alias, reason="not better, for some reason"))
    assert found == Registered(version=1, alias=given)
    assert registry.asked["description"].endswith(" over 1 seed. Not better, for some reason.")
    assert registry.aliases == {"x": {"challenger": 1}}


def test_an_encoder_is_exported_once_from_the_checkpoint(
    registry: Registry, champion: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "best-seed-0" / "encoder"
    folder.rmdir()
    exported = []

    def to_folder(loaded: object, model: Path) -> None:
        exported.append(loaded)
        model.mkdir()

    monkeypatch.setattr(checkpoint, "load_checkpoint", lambda file: f"loaded {file}")
    monkeypatch.setattr(export, "export_encoder", to_folder)
    assert [register(registry, champion) for _ in range(2)] == [(CHAMPION, None), (CHAMPION, None)]
    assert exported == [f"loaded {champion.checkpoint}"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (CheckpointError(Problem(rule="a whole checkpoint", remedy=None)), "expected a whole checkpoint"),
        (OSError(28, "No space left"), "No space left"),
    ],
)
def test_a_model_that_cannot_be_exported_is_none(
    registry: Registry, champion: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    (tmp_path / "best-seed-0" / "encoder").rmdir()

    def fail(file: Path) -> None:
        raise error

    monkeypatch.setattr(checkpoint, "load_checkpoint", fail)
    version, reason = register(registry, champion)
    assert version is None
    assert str(reason).startswith("the model could not be exported: ")
    assert why in str(reason)
    assert registry.aliases == {}


def test_a_store_that_is_away_is_told_from_one_that_refuses(registry: Registry, champion: RunResult) -> None:
    registry.refuses = {"register_champion"}
    refused = "the tracking store refused it: register_champion is not allowed"
    assert register(registry, champion) == (None, refused)
    registry.away_at = {"register_champion"}
    assert register(registry, champion) == (None, "the tracking store was away: the store is away")
