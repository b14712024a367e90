from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hico_platform.cli.main import main
from hico_platform.commands.trained_encoder import SourceKind, trained_encoder
from tests.released import GOLDEN, Golden, layout_file, linear, pretraining


@pytest.fixture
def golden() -> Golden:
    return Golden(GOLDEN / "hico_transformer.npz")


def test_what_was_inferred_and_what_assumed_is_said(
    golden: Golden, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "checkpoint_0450.pth.tar", tmp_path / "encoder"
    torch.save(pretraining(golden.state()), file)
    words = ["import-checkpoint", str(file), "--out", str(out)]
    words += ["--layout", str(layout_file(tmp_path, joints=golden.joints))]
    assert main(words) == 0
    said = capsys.readouterr().out
    for part in (
        f"{file}: HiCo as released, pretraining, epoch 451\n", "encoder           transformer\n",
        "width             16\n", "queue_size        8\n",
        "heads             4 (assumed, as released: the file does not say)\n", "layout            row-5\n",
        f"next: hico-platform evaluate --checkpoint {out} --data DIR --protocol xsub\n",
    ):  # fmt: skip
        assert part in said, part
    assert trained_encoder(str(out)).kind is SourceKind.EXPORTED
    assert main(words) == 2
    assert "out: expected a path where nothing is yet" in capsys.readouterr().err


def test_the_same_as_json(golden: Golden, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "joint_model_best.pth.tar"
    torch.save(linear(golden.linear_state()), file)
    layout = layout_file(tmp_path, joints=golden.joints)
    words = ["import-checkpoint", str(file), "--layout", str(layout), "--heads", "2", "--stream", "joint", "--json"]
    assert main([*words, "--out", str(tmp_path / "encoder")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["heads"], found["assumed"]) == ("linear", 2, [])
    assert found["inferred"]["classes"] == 7


def test_another_model_is_an_error_of_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.pth.tar"
    torch.save({"state_dict": {"layer1.0.conv1.weight": torch.ones(1)}}, file)
    assert main(["import-checkpoint", str(file), "--out", str(tmp_path / "x")]) == 3
    assert "what looks like a ResNet" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
