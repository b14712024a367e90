from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from hico_platform.commands import evaluation_files as module
from hico_platform.commands.evaluation_files import write_evaluation
from hico_platform.commands.figure_data import FigureData, about
from hico_platform.errors import UsageError
from hico_platform.evaluate.feature_map import FeatureMap
from hico_platform.evaluate.scores import Score, TaskResult
from hico_platform.report.gallery import GalleryRow
from tests.small import small_store
from tests.unit.commands.evaluated import ANSWERS, LABELS, entry, report

EXPECTED = confusion_matrix(LABELS, ANSWERS, labels=[0, 1, 2]).tolist()


@pytest.mark.slow
def test_scores_and_the_confusion_of_each_task_that_predicts(tmp_path: Path) -> None:
    made = report(entry(), entry("untrained", encoder=None))
    names = write_evaluation(made, {"a": 1}, tmp_path / "x" / "out")
    out = tmp_path / "x" / "out"
    assert sorted(each.name for each in out.iterdir()) == names
    assert names == [f"confusion_encoder_knn.{kind}" for kind in ("csv", "json", "png")] + ["scores.json"]
    assert json.loads((out / "scores.json").read_text()) == {"a": 1}
    matrix = json.loads((out / "confusion_encoder_knn.json").read_text())
    assert matrix["counts"] == EXPECTED
    assert matrix["class_names"] == ["sit", "[b]walk", "run, fast"]
    rows = list(csv.reader((out / "confusion_encoder_knn.csv").read_text().splitlines()))
    assert rows[0] == ["true class", "sit", "[b]walk", "run, fast"]
    assert [[int(cell) for cell in row[1:]] for row in rows[1:]] == EXPECTED
    assert (out / "confusion_encoder_knn.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_figures_of_an_encoder_and_of_all_entries(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=12)
    shown = FigureData(
        map=FeatureMap(positions=np.zeros((2, 2), np.float32), sequences=np.array([0, 1])),
        labels=np.array([0, 1]),
        gallery=(GalleryRow(query=0, neighbours=(1, 2)),),
        store=store,
        seed=0,
    )
    semi = TaskResult(task="semi", protocol="", scores={"semi_per_class_5_linear_top1": Score(value=0.5)})
    occlusion = TaskResult(task="occlusion", protocol="", scores={"occlusion_clean_knn_top1": Score(value=0.5)})
    names = write_evaluation(report(entry(shown=shown, results=(semi,))), {}, tmp_path / "one")
    assert names == ["features_encoder.png", "retrieval_encoder.png", "scores.json", "semi_supervised.png"]
    nothing = dataclasses.replace(shown, map=None, gallery=())
    names = write_evaluation(report(entry(shown=nothing, results=(occlusion,))), {}, tmp_path / "two")
    assert names == ["occlusion.png", "scores.json"]
    assert about(report().facts | {"protocol": "/a/b/mine.yaml"}) == "made, mine.yaml, test split, seed 0"


def test_scores_on_the_target_are_held_against_its_labels() -> None:
    made = dataclasses.replace(report(), target_labels=torch.tensor([1]), target_class_names=("other",))
    result = made.entries[0].results[0]
    assert module.truth_of(result, made)[1] == made.class_names

    class OnTarget:
        on_target = True

    truth, names = module.truth_of(OnTarget(), made)  # type: ignore[arg-type]
    assert (truth.tolist() if truth is not None else None, names) == ([1], ("other",))


def test_the_title_of_a_confusion_says_what_was_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = []
    monkeypatch.setattr(module, "draw_confusion", lambda *_, title: titles.append(title) or b"")
    target = {"dataset": "other", "protocol": "xview"}
    made = dataclasses.replace(report(target=target), target_labels=LABELS, target_class_names=("a", "b", "c"))
    moved = dataclasses.replace(made.entries[0].results[0], task="transfer", on_target=True)
    made = dataclasses.replace(made, entries=(entry(results=(*made.entries[0].results, moved)),))
    write_evaluation(made, {}, tmp_path / "out")
    assert titles == ["knn: made, xsub, test split, seed 0", "transfer: other, xview, test split, seed 0"]


def test_nothing_is_written_over_nor_by_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="a path where nothing is yet"):
        write_evaluation(report(), {}, tmp_path / "out")

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("hico_platform.atomic_io.write_synced", full)
    with pytest.raises(OSError, match="no space"):
        write_evaluation(report(), {}, tmp_path / "other")
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
