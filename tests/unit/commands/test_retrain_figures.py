from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from hico_platform.commands import retrain_figures as module
from hico_platform.commands.retrain_figures import add_figures
from hico_platform.report import curves
from hico_platform.report.curves import EntryScores
from hico_platform.retrain.losses import append_losses
from hico_platform.retrain.run import RetrainReport
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData
from tests.unit.cli.views.test_retrain_view import FURTHER, REPORT
from tests.unit.commands.trained import trained_in

NAMES = ["confusion_knn.png", "features.png", "figures.json", "losses.png", "retrieval.png"]


class Artifacts:
    """A tracking store that remembers what it was given."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, list[str]]] = []
        self.images: dict[str, str] = {}

    def log_folder(self, run_id: str, folder: Path, *, name: str) -> None:
        self.kept.append((run_id, name, sorted(one.name for one in folder.iterdir())))

    def log_image(self, run_id: str, file: Path, *, name: str, epoch: int) -> None:
        assert (run_id, epoch) == ("7", REPORT.champion.epoch)
        self.images[name] = file.name


def _report(directory: Path, checkpoint: Path | None, **more: Any) -> RetrainReport:
    champion = dataclasses.replace(REPORT.champion, checkpoint=None if checkpoint is None else str(checkpoint))
    return dataclasses.replace(REPORT, directory=directory, champion=champion, **({"run_id": "7"} | more))


@pytest.mark.slow
def test_they_lie_with_the_results_and_in_the_tracking_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = trained_in(tmp_path)
    run = trained.run("best", on_test_split=True)
    append_losses(run, [(1, {"loss": 2.0, "loss_clip": 1.0})])
    data = TrialData(source=trained.source, target=None, on_test_split=True)
    (checkpoint,) = run.glob("epoch-*")
    report, tracker = _report(tmp_path, checkpoint), Artifacts()
    assert add_figures(report, data=data, tracker=tracker) is None  # type: ignore[arg-type]
    assert tracker.kept == [("7", "figures", NAMES)]
    assert tracker.images == {f"figures/{name[:-4]}": name for name in NAMES if name.endswith(".png")}
    assert all(one.read_bytes().startswith(b"\x89PNG") for one in (tmp_path / "figures").glob("*.png"))
    numbers = json.loads((tmp_path / "figures" / "figures.json").read_text())
    names, laid_out = numbers["confusion"]["class_names"], numbers["features"]
    assert numbers["losses"] == {"1": {"loss": 2.0, "loss_clip": 1.0}}
    assert sum(map(sum, numbers["confusion"]["counts"])) == len(laid_out["x"]) == len(laid_out["label"])
    assert [sum(row) for row in numbers["confusion"]["counts"]] == [
        laid_out["label"].count(label) for label in range(len(names))
    ]
    monkeypatch.setattr(module, "_draw", None)  # they are not drawn twice
    assert add_figures(report, data=data, tracker=tracker) is None  # type: ignore[arg-type]
    assert len(tracker.kept) == 2
    away = add_figures(_report(tmp_path, checkpoint, run_id=None), data=data, tracker=tracker)  # type: ignore[arg-type]
    assert away == "the tracking store has no run for them"


def test_curves_are_drawn_of_all_entries_and_again_where_there_are_more_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "figures").mkdir()  # by an older version, which drew no curves
    data = TrialData(source=Dataset(location="x", protocol="x", cache=tmp_path), target=None)
    report, tracker = _report(tmp_path, tmp_path / "none", further=FURTHER), Artifacts()
    drawn: list[dict[str, dict[str, float]]] = []

    def draw(entries: dict[str, EntryScores], *, title: str) -> bytes:
        assert title.endswith("small, xsub, test split, 2 seeds")
        drawn.append({name: dict(one.values) for name, one in entries.items()})
        assert "semi_unstratified_5_linear_top1" in entries["best configuration"].intervals
        return b"\x89PNG"

    monkeypatch.setattr(curves, "draw_semi_supervised", draw)
    monkeypatch.setattr(curves, "draw_occlusion", draw)
    assert add_figures(report, data=data, tracker=tracker) is None  # type: ignore[arg-type]
    assert tracker.kept == [("7", "figures", ["occlusion.png", "semi_supervised.png"])]
    assert tracker.images.keys() == {"figures/occlusion_2_seeds", "figures/semi_supervised_2_seeds"}
    assert drawn[0]["raw pose"] == {"semi_unstratified_5_linear_top1": 0.3}
    assert add_figures(report, data=data, tracker=tracker) is None  # type: ignore[arg-type]
    assert len(drawn) == 4


def test_what_goes_wrong_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    data = TrialData(source=Dataset(location="x", protocol="x", cache=tmp_path), target=None)
    tracker = Artifacts()
    why = add_figures(_report(tmp_path, tmp_path / "none"), data=data, tracker=tracker)  # type: ignore[arg-type]
    assert why is not None
    assert "checkpoint" in why
    assert tracker.kept == []
    assert list(tmp_path.iterdir()) == []
