from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from hico_platform import checkpoint
from hico_platform.errors import CheckpointError, Problem
from hico_platform.evaluate.intervals import Interval
from hico_platform.export import CARD
from hico_platform.retrain.champion import description, register_champion
from hico_platform.retrain.comparison import Comparison
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.promotion import Promotion
from hico_platform.retrain.results import RunResult, Spread
from hico_platform.tracking.base import LOADER, Registered
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.worker.run_task import TrialData
from tests.exported import small_export

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
    small_export(tmp_path / "best-seed-0" / "encoder")
    checkpoint = str(tmp_path / "best-seed-0" / "epoch-000009")
    return RunResult(entry=Entry.BEST, seed=0, epoch=9, metrics={"knn_top1": 0.5}, checkpoint=checkpoint, seconds=1.0)


COMPARISON = Comparison(intervals={Entry.BEST: {"knn_top1": Interval(low=0.4, high=0.6, method="made up")}})
PROMOTED = Promotion(alias="champion", reason="better beyond noise")
CHAMPION = Registered(version=1, alias="champion")


def register(
    registry: Registry, champion: RunResult, promotion: Promotion = PROMOTED, **more: str
) -> tuple[Registered | None, str | None]:
    run_id = registry.open_run(experiment="x", key="x/0", name="x", parent=None, params={}, tags={}, at_s=0.0)
    facts = {"protocol": "xsub", **(more or {"config": "mine.yaml"})}
    return register_champion(
        registry,
        name="x",
        champion=champion,
        run_id=run_id,
        summary=SUMMARY,
        facts=facts,
        promotion=promotion,
        data=cast(TrialData, "data"),
        results=[champion],
        comparison=COMPARISON,
    )


def test_the_model_is_the_exported_encoder_of_its_run_with_the_facts(
    registry: Registry, champion: RunResult, tmp_path: Path
) -> None:
    assert register(registry, champion) == (CHAMPION, None)
    model = tmp_path / "best-seed-0" / "encoder"
    card = (model / CARD).read_text().strip()
    assert card.startswith(
        "# x\n\nHiCo, the configuration mine.yaml; test 1-NN 50.0% over 1 seed. Better beyond noise.\n\nAn encoder"
    )
    assert "| 1-NN | 50.0 [40.0, 60.0] |" in card
    assert registry.asked == {
        "name": "x",
        "run_id": "run-0",
        "model": model,
        "loader": LOADER,
        "description": card.removeprefix("# x\n\n"),
        "tags": {"hico.protocol": "xsub", "hico.config": "mine.yaml"},
        "alias": "champion",
    }


@pytest.mark.parametrize(("alias", "given"), [("challenger", "challenger"), (None, "challenger")])
def test_what_is_not_promoted_is_registered_as_challenger_with_the_reason(
    registry: Registry, champion: RunResult, alias: str | None, given: str
) -> None:
    found, _ = register(registry, champion, Promotion(alias=alias, reason="not better, for some reason"))
    assert found == Registered(version=1, alias=given)
    assert f'load_encoder("models:/x@{given}")' in registry.asked["description"]
    assert " over 1 seed. Not better, for some reason.\n" in registry.asked["description"]
    assert registry.aliases == {"x": {"challenger": 1}}


def test_what_is_registered_is_exported_from_the_checkpoint_with_the_data(
    registry: Registry, champion: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def exported(file: Path, *, data: object) -> Path:
        asked.append((file, data))
        return tmp_path / "best-seed-0" / "encoder"

    monkeypatch.setattr("hico_platform.retrain.champion.export_model", exported)
    assert register(registry, champion) == (CHAMPION, None)
    assert asked == [(Path(str(champion.checkpoint)), "data")]


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
    shutil.rmtree(tmp_path / "best-seed-0" / "encoder")

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


def test_the_best_of_a_search_is_registered_with_the_name_of_the_search(
    registry: Registry, champion: RunResult
) -> None:
    assert register(registry, champion, search_state="finished") == (CHAMPION, None)
    assert registry.asked["description"].startswith("HiCo, best configuration of the search x; test 1-NN")
