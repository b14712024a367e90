"""What reaches the function that the command calls, and the table that comes of its report."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import hico_platform as hico
from hico_platform.api.evaluation import device_of, text_of
from hico_platform.commands import evaluate as command
from hico_platform.commands import trained_encoder
from hico_platform.commands.evaluation_report import Baselines, EvaluationRequest
from hico_platform.config.schema import replace
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Part, Stream
from tests.small import small_store
from tests.unit.commands.evaluated import FACTS, entry, report


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_store(tmp_path_factory.mktemp("data") / "store", count=24).directory


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is evaluated, and how; encoders are opened by name alone."""
    found: dict[str, Any] = {"encoders": []}

    def opened(place: str, **named: Any) -> SimpleNamespace:
        found["encoders"].append((place, named))
        assumed = {"heads": 1} if place.endswith(".pth.tar") else None
        config = replace(TrialConfig(), {"evaluation.linear_epochs": 77})
        return SimpleNamespace(config=config, provenance={"assumed": assumed})

    def run(request: EvaluationRequest, **named: Any) -> Any:
        found.update(request=request, threads=torch.get_num_threads(), **named)
        return report(entry(), entry("untrained", skipped={}, intervals={}))

    monkeypatch.setattr(trained_encoder, "trained_encoder", opened)
    monkeypatch.setattr(command, "evaluate", run)
    return found


def test_the_table_has_a_row_for_each_score(called: dict[str, Any], store: Path) -> None:
    table = hico.evaluate("run", store, protocol="odd-subjects")
    assert list(table.columns) == ["entry", "task", "score", "value", "low", "high", "interval"]
    assert table[["entry", "task", "score", "value"]].to_numpy().tolist() == [
        ["encoder", "knn", "knn_top1", 0.5],
        ["encoder", "plain", "plain_ece", 0.125],
        ["untrained", "knn", "knn_top1", 0.5],
        ["untrained", "plain", "plain_ece", 0.125],
    ]
    assert (table.low[0], table.high[0], table.interval[0]) == (0.25, 0.75, "bootstrap over 2 persons")
    assert math.isnan(table.low[2])
    assert math.isnan(table.high[1])
    assert table.interval.notna().tolist() == [True, False, False, False]
    assert table.attrs == {
        **FACTS, "protocols": {"knn": "kNN by cosine", "plain": "none"},
        "skipped": {"encoder": {"transfer": "a target dataset"}},
    }  # fmt: skip


def test_what_is_asked_for_where_nothing_is_said(called: dict[str, Any], store: Path, tmp_path: Path) -> None:
    hico.evaluate(Path("run"), store, protocol="odd-subjects", home=tmp_path)
    request = called["request"]
    assert (request.part, request.tasks, request.baselines) == (Part.TEST, ("quick",), Baselines.QUICK)
    assert (request.target, request.seed, request.allow_overlap, list(request.label_lists)) == (None, 0, False, [])
    assert (request.source.location, request.source.protocol) == (str(store), "odd-subjects")
    assert request.config.linear_epochs == 77, "of the encoder, unless it is set"
    (place, named) = called["encoders"][0]
    assert (place, named["given"].stream, named["given"].heads, named["given"].layout) == ("run", None, None, None)
    assert called["device"] == torch.device("cpu")
    assert called["watch"](None) is None


def test_everything_that_is_given(called: dict[str, Any], store: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    seen: list[Any] = []
    with pytest.warns(
        UserWarning, match=r"b\.pth\.tar: heads 1: assumed, as released, since its file does not"
    ) as told:
        hico.evaluate(
            [SimpleNamespace(checkpoint=Path("/a/epoch-4")), "b.pth.tar"],
            store,
            protocol="odd-subjects",
            split="val",
            tasks=["knn", "linear"],
            baselines="none",
            target=store,
            label_lists=[Path("ten.txt"), "one.txt"],
            seed=5,
            set={"evaluation.linear_epochs": 3},
            allow_overlap=True,
            stream="bone",
            heads=2,
            layout="kinect-v2",
            cpus=2,
            home=tmp_path,
            tracking="http://mlflow.lab",
            progress=seen.append,
        )
    assert told[0].filename == __file__
    request = called["request"]
    assert [place for place, _ in called["encoders"]] == ["/a/epoch-4", "b.pth.tar"]
    for _, named in called["encoders"]:
        given = named["given"]
        assert (given.stream, given.heads, given.layout) == (Stream.BONE, 2, "kinect-v2")
        assert named["tracking"] == "http://mlflow.lab"
    assert (request.part, request.tasks, request.baselines) == (Part.VAL, ("knn", "linear"), Baselines.NONE)
    assert (request.target.location, request.target.protocol) == (str(store), "odd-subjects")
    assert (request.seed, request.allow_overlap) == (5, True)
    assert request.label_lists == [Path("ten.txt"), Path("one.txt")]
    assert request.config.linear_epochs == 3
    assert (called["threads"], torch.get_num_threads()) == (2, before)
    called["watch"]("a step")
    assert seen == ["a step"]
    hico.evaluate("run", store, target=store, target_protocol="xview", protocol="odd-subjects", home=tmp_path)
    assert called["request"].target.protocol == "xview"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"split": "train"}, "split: expected one of test, val, got 'train'; choose one of them"),
        ({"baselines": "some"}, "baselines: expected one of quick, all, none, got 'some'; choose one of them"),
        ({"stream": "joints"}, "stream: expected one of joint, bone, motion, got 'joints'; choose one of them"),
        ({"tasks": "knm"}, "got 'knm'"),
    ],
)
def test_what_cannot_be(given: dict[str, Any], message: str, called: dict[str, Any]) -> None:
    with pytest.raises(hico.UsageError) as caught:
        hico.evaluate("run", "no folder", **given)
    assert message in str(caught.value)
    assert called["encoders"] == []


def test_where_an_encoder_is() -> None:
    assert text_of("models:/x@champion") == "models:/x@champion"
    assert text_of(Path("a/b")) == "a/b"
    assert text_of(SimpleNamespace(checkpoint=Path("/a/epoch-4"))) == "/a/epoch-4"
    for nothing in (SimpleNamespace(checkpoint=None), 3):
        with pytest.raises(hico.UsageError) as caught:
            text_of(nothing)  # type: ignore[arg-type]
        assert str(caught.value) == (
            "checkpoint: expected a folder, a file, models:/NAME@ALIAS, or what has a checkpoint, got "
            f"'{type(nothing).__name__}'; give the path"
        )


def test_a_gpu_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    threads = torch.get_num_threads()
    try:
        assert device_of(cpus=0, gpus=0) == torch.device("cpu")
        assert torch.get_num_threads() == 1
        with pytest.raises(hico.UsageError, match="gpus: expected a GPU that PyTorch can use, got 1; leave it out"):
            device_of(cpus=1, gpus=1)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert device_of(cpus=1, gpus=1) == torch.device("cuda")
    finally:
        torch.set_num_threads(threads)
