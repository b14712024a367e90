from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.evaluate.tasks import registry
from tests.small import small_store
from tests.unit.commands.trained import PROTOCOL, Trained, trained_in


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained_in(tmp_path_factory.mktemp("trained"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_HOME", str(tmp_path / "home"))


def words(trained: Trained, *more: str) -> list[str]:
    data = ["--data", str(trained.store.directory), "--protocol", PROTOCOL]
    return ["evaluate", "--checkpoint", str(trained.run("run")), *data, "--tasks", "knn", *more]


@pytest.mark.slow
def test_a_table_and_files(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(words(trained, "--out", str(out), "--by-class")) == 0
    said, progress = capsys.readouterr()
    assert "raw pose" in said
    assert "accuracy by class" in said
    assert "3 of 7: figures, encoder took" in progress
    assert "7 of 7: knn, raw pose took" in progress
    assert {"features_encoder.png", "retrieval_encoder.png"} <= {file.name for file in out.iterdir()}
    assert f"written: {out} (confusion_encoder_knn.csv" in progress
    assert main(words(trained, "--out", str(out))) == 2
    assert "out: expected a path where nothing is yet" in capsys.readouterr().err


def test_json_alone_is_on_standard_output(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set", "evaluation.linear_epochs=3", "--seed", "4", "--baselines", "none", "--split", "val"]
    assert main(words(trained, "--json", *settings)) == 0
    said, progress = capsys.readouterr()
    found = json.loads(said)
    assert progress.splitlines()[-1].startswith("2 of 2: knn, encoder took")
    assert [entry["name"] for entry in found["entries"]] == ["encoder"]
    assert (found["split"], found["seed"], found["evaluation"]["linear_epochs"]) == ("val", 4, 3)
    assert found["entries"][0]["checkpoint"]["epochs"] == 1


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--tasks", "other"], 2, "tasks: expected names of knn"),
        (["--checkpoint", "nowhere"], 2, "got 'nowhere'; check the path"),
        (["--checkpoint", "models:/x@champion"], 2, "give the home or the store that has it by --home or --tracking"),
        (["--protocol", "xyz"], 3, "expected a protocol of this dataset"),
        (["--gpus", "1"], 2, "gpus: expected a GPU that PyTorch can use"),
    ],
)
def test_mistakes_are_told_apart(
    more: list[str], code: int, said: str, trained: Trained, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(words(trained, *more)) == code
    assert said in capsys.readouterr().err


def test_no_name_of_a_task_is_none(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(trained, "--tasks", ",")) == 2
    assert "expected names of tasks, quick or all, got none" in capsys.readouterr().err


def test_data_without_labels_is_an_error_of_data(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = small_store(tmp_path / "unlabelled", unlabelled=range(48))
    assert main(words(trained, "--data", str(store.directory), "--protocol", "all")) == 3
    assert "expected labelled sequences of at least 2 classes" in capsys.readouterr().err


def test_the_page_has_a_row_for_each_task() -> None:
    page = (Path(__file__).parents[3] / "docs/evaluation.md").read_text("utf-8")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    rows = {row[0].strip("`"): row[-1] for row in cells if len(row) == 5}
    assert {name: cost == "quick" for name, cost in rows.items()} == {task.name: task.quick for task in registry.OWN}
