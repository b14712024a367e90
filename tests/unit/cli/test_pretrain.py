from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint
from hico_platform.cli.main import main
from hico_platform.train import loop
from tests.small import small_store
from tests.unit.cli.test_data_prepare import half_labelled

CONFIG = """
model: {encoder: gru, hidden_width: 16, projection_width: 8}
contrast: {queue_size: 24}
views: {frames: 16, min_crop_frames: 8}
optimiser: {name: adamw, learning_rate: 1.0e-3}
budget: {epochs: 3, batch_size: 8}
evaluation: {linear_epochs: 4}
"""


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """As from a terminal: a shell has what it starts in the background ignore SIGINT, these tests as well."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A command that trains for a moment on 48 sequences of 6 subjects."""
    small_store(tmp_path / "store")
    (tmp_path / "my.yaml").write_text(CONFIG)
    (tmp_path / "half.yaml").write_text("train: {subject: [0, 1, 2, 3]}\n")
    return [
        "pretrain", "--config", str(tmp_path / "my.yaml"), "--data", str(tmp_path / "store"),
        "--protocol", str(tmp_path / "half.yaml"), "--home", str(tmp_path / "home"), "--cpus", "1",
        "--validate-every", "2",
    ]  # fmt: skip


@pytest.mark.slow
def test_it_shows_epochs_levels_speed_and_what_is_left(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("epoch")]
    pattern = (
        r"epoch 1 of 3 loss [\d.]+ \(clip [\d.]+ part [\d.]+ domain [\d.]+ instance [\d.]+\) "
        r"kNN - [\d,]+ sequences/s ETA 0:00:\d\d"
    )
    assert re.fullmatch(pattern, lines[0])
    assert re.fullmatch(r"epoch 2 of 3 validation kNN \d+\.\d%, the best so far", lines[1])
    assert any(re.search(r"epoch 3 of 3 .* kNN \d+\.\d% .* ETA 0:00:00$", line) for line in lines[2:])
    assert "opening the data" in said.err.splitlines()
    assert "compiling and checking kernels" in said.err.splitlines()
    assert "knn_top1" in said.out
    assert re.search(rf"checkpoint: {tmp_path}/home/runs/my-[0-9a-f]{{8}}/epoch-000003$", said.out, re.MULTILINE)
    assert "epochs: 3, of which 3 were trained now" in said.out


@pytest.mark.slow
def test_short_recordings_are_warned_of(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warned = "warning: half of the sequences have at most"
    assert main([*words, "--set", "budget.epochs=1"]) == 0
    assert warned not in capsys.readouterr().err
    assert main([*words, "--set", "budget.epochs=1", "--set", "views.min_crop_frames=90"]) == 0
    assert warned in capsys.readouterr().err


@pytest.mark.slow
def test_json_is_all_that_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    assert "epoch 3 of 3" in said.err, "progress goes to standard error"
    assert json.loads(said.out)["epochs_trained_now"] == 3
    assert main([*words, "--json", "--quiet"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert not said.err
    assert result["epochs"] == 3
    assert {"knn_top1", "recognition_top1", "retrieval_map"} <= set(result["metrics"])
    assert result["split"] == "validation subjects of the training split"
    assert load_checkpoint(Path(result["checkpoint"])).epoch == 3


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_so_and_goes_on(
    number: int, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--json", "--out", f"{words[8]}/straight"]) == 0
    expected = json.loads(capsys.readouterr().out)
    step, calls = loop.train_step, []

    def interrupted(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), number)
        return step(*arguments, **options)

    monkeypatch.setattr(loop, "train_step", interrupted)
    assert main(words) == 130
    said = capsys.readouterr()
    assert re.search(
        r"interrupted after epoch [12] of 3; the same command goes on from \S+/runs/my-[0-9a-f]{8}$", said.err.strip()
    )
    monkeypatch.setattr(loop, "train_step", step)
    assert main(words) == 0
    assert re.search(r"going on after epoch [12] of 3", capsys.readouterr().err)
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["metrics"] == expected["metrics"]


def test_interrupted_json_says_where_it_stands(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, **options: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train_step", interrupted)
    assert main([*words, "--json"]) == 130
    result = json.loads(capsys.readouterr().out)
    assert (result["interrupted"], result["epochs"]) == (True, 0)


@pytest.mark.slow
def test_each_configuration_has_its_own_result(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    results = []
    for rate in ("1e-3", "1e-1", "1e-3"):
        assert main([*words, "--json", "--set", f"optimiser.learning_rate={rate}"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    first, other, again = results
    assert first["checkpoint"] != other["checkpoint"]
    assert [result["epochs_trained_now"] for result in results] == [3, 3, 0]
    weights = [load_checkpoint(Path(result["checkpoint"])).tensors for result in (first, other)]
    assert not all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert (again["checkpoint"], again["metrics"]) == (first["checkpoint"], first["metrics"])


@pytest.mark.slow
def test_a_run_of_a_version_that_knew_no_auto_precision_goes_on(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the folder of float32, which no precision meant then."""
    assert main([*words, "--json", "--set", "model.precision=float32"]) == 0
    began = json.loads(capsys.readouterr().out)
    assert main([*words, "--json"]) == 0
    resumed = json.loads(capsys.readouterr().out)
    assert (resumed["checkpoint"], resumed["epochs_trained_now"]) == (began["checkpoint"], 0)
    assert began["precision"] == resumed["precision"] == "float32"


@pytest.mark.slow
def test_a_run_of_auto_precision_is_its_own(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 0
    began = json.loads(capsys.readouterr().out)
    assert main([*words, "--json", "--set", "model.precision=float32"]) == 0
    other = json.loads(capsys.readouterr().out)
    assert main([*words, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["checkpoint"], began["precision"]) == (began["checkpoint"], "float32")
    assert other["checkpoint"] != began["checkpoint"]
    assert [result["epochs_trained_now"] for result in (began, other, again)] == [3, 3, 0]


@pytest.mark.slow
def test_another_configuration_in_a_folder_that_was_given_is_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*words, "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert main([*words, "--set", "contrast.temperature=0.5", "--set", "optimiser.learning_rate=0.5"]) == 1
    said = capsys.readouterr().err
    assert "contrast.temperature: expected the value 0.2, as when this run began, got 0.5" in said
    assert "optimiser.learning_rate: expected the value 0.001, as when this run began, got 0.5" in said


@pytest.mark.slow
def test_a_folder_of_an_older_version_is_gone_on_with(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--json", "--out", str(tmp_path / "home" / "runs" / "my")]) == 0
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "all 3 epochs were trained before: evaluated again, nothing is trained" in said.err
    assert "epochs: 3, of which 0 were trained now" in said.out
    assert f"checkpoint: {tmp_path}/home/runs/my/epoch-000003" in said.out


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--gpus", "1"], 2, "gpus: expected a GPU that PyTorch can use, got 1.0; leave it out to train on the CPU"),
        (["--set", "model.hidden_width=1"], 2, "hidden_width"),
        (["--data", "nowhere"], 3, "nowhere"),
        (["--set", "budget.batch_size=900"], 3, "budget.batch_size: expected at most the"),
    ],
)
def test_mistakes_have_their_exit_codes(
    more: list[str], code: int, message: str, words: list[str],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main([*words, *more]) == code
    assert message in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pretrain", "--help"])
    assert "hico-platform pretrain --config my.yaml --data prepared/ntu60" in capsys.readouterr().out


@pytest.mark.slow
def test_half_of_the_labels_will_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a user does it: from a manifest with empty cells to a score."""
    raw = half_labelled(tmp_path / "raw", 96)
    assert main(["data", "prepare", "--format", "manifest", "--raw", str(raw), "--out", str(tmp_path / "store"),
                 "--workers", "1"]) == 0  # fmt: skip
    (tmp_path / "my.yaml").write_text(CONFIG)
    words = ["pretrain", "--config", str(tmp_path / "my.yaml"), "--data", str(tmp_path / "store"), "--cpus", "1",
             "--protocol", "odd-subjects", "--home", str(tmp_path / "home"), "--set", "budget.epochs=2"]  # fmt: skip
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert re.search(r"^\d+ labelled sequences are trained on; (\d+) without a label join pretraining$", said.err, re.M)
    assert re.search(r"epoch 2 of 2 validation kNN \d+\.\d%", said.err)
    assert re.search(r"^knn_top1 +\d+\.\d%$", said.out, re.M)
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["unlabelled_sequences"] == result["pretrain_only_sequences"] > 0
    assert load_checkpoint(Path(result["checkpoint"])).facts["provenance"]["unlabelled_sequences"] > 0


@pytest.mark.slow
def test_without_labels_it_trains_and_does_not_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_store(tmp_path / "store", unlabelled=range(48))
    (tmp_path / "my.yaml").write_text(CONFIG)
    words = ["pretrain", "--config", str(tmp_path / "my.yaml"), "--data", str(tmp_path / "store"), "--cpus", "1",
             "--home", str(tmp_path / "home"), "--set", "budget.epochs=2"]  # fmt: skip
    assert main(words) == 0
    said = capsys.readouterr()
    assert "nothing is evaluated; 48 without a label join pretraining" in said.err
    assert "no label, so no evaluation: small (all), data" in said.out
    assert "kNN" not in said.out
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["metrics"], result["protocol"], result["split"], result["epochs"]) == ({}, "all", None, 2)
    assert load_checkpoint(Path(result["checkpoint"])).facts["provenance"]["scored_on"] == "nothing"
    assert main([*words, "--protocol", "odd-subjects", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unlabelled_sequences"] == 24
