"""The command ``submit``: what it prints, writes and refuses, without a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hico_platform.cli.main import main
from tests.unit.jobs.test_program import put


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "bin").mkdir()
    (tmp_path / "mine.yaml").write_text("extends: level_weights.yaml\ncluster: {nodes: 2, slurm: {partition: gpu}}\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("HICO_STORAGE", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return ["submit", str(tmp_path / "mine.yaml"), "--home", str(tmp_path / "home")]


def test_print_and_out_give_what_would_be_submitted(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--slurm", "--print", "--trials", "3"]) == 0
    printed = capsys.readouterr().out
    assert "#SBATCH --partition=gpu\n" in printed
    assert "\ntrials: 3\n" in printed
    out = tmp_path / "job.sbatch"
    assert main([*words, "--slurm", "--out", str(out), "--trials", "3"]) == 0
    assert out.read_text() == printed
    assert main([*words, "--slurm", "--out", str(out)]) == 2
    assert "--out: expected a path where nothing is yet" in capsys.readouterr().err
    assert main([*words, "--slurm", "--out", str(out), "--force"]) == 0
    assert out.read_text() != printed
    assert not (tmp_path / "home").exists(), "nothing was submitted"


def test_a_job_is_queued(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "bin", "cat > /dev/null; echo 42")
    assert main([*words, "--slurm"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "job 42: search mine on 2 nodes; it goes on by itself until the search is done"
    assert shown[1] == "watch: squeue --job 42"
    assert main([*words, "--slurm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["job"] == "42"
    assert (tmp_path / "home" / ".hico-home").exists()
    put(tmp_path / "bin", 'echo "sbatch: Job 43 to start ($1)" >&2')
    assert main([*words, "--slurm", "--dry-run"]) == 0
    assert "Job 43 to start (--test-only)" in capsys.readouterr().out


def test_no_slurm_here(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main([*words, "--slurm"]) == 2
    assert "sbatch: expected the program sbatch in one of the folders of PATH" in capsys.readouterr().err


def test_what_the_shell_says_of_stores_is_not_silently_left_out(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HICO_STORAGE", "postgresql+psycopg://me:hunter22@db/hico")
    assert main([*words, "--slurm", "--print"]) == 0
    printed = capsys.readouterr()
    assert "HICO_STORAGE of this shell is not given to the job; set cluster.storage" in printed.err
    assert "hunter22" not in printed.out + printed.err
    named = ["--set", "cluster.storage=postgresql+psycopg://db/hico"]
    assert main([*words, "--slurm", "--print", *named]) == 0
    assert "HICO_STORAGE" not in capsys.readouterr().err


def test_a_rayjob_is_printed_tried_and_created(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = ["--set", "cluster.kuberay.image=hico:1"]
    assert main([*words, "--kuberay", "--print"]) == 2
    assert "cluster.kuberay.image: expected an image" in capsys.readouterr().err
    assert main([*words, "--kuberay", "--print", *image]) == 0
    parts = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [part["kind"] for part in parts] == ["ConfigMap", "NetworkPolicy", "NetworkPolicy", "RayJob"]
    put(tmp_path / "bin", 'cat > /dev/null; echo "created $*"', "kubectl")
    assert main([*words, "--kuberay", "--dry-run", *image]) == 0
    assert "--dry-run=server" in capsys.readouterr().out
    assert main([*words, "--kuberay", *image]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("rayjob/hico-mine-")
    assert "search mine on at most 2 workers" in shown
    assert not (tmp_path / "home").exists()


def test_a_trial_fits_on_the_machines_of_a_space_that_says_nothing_of_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["submit", "level_weights.yaml", "--slurm", "--print", "--home", str(tmp_path)]
    assert main(words) == 0
    assert "#SBATCH --cpus-per-task=8\n" in capsys.readouterr().out
    assert main([*words, "--set", "resources.gpus=1"]) == 2
    assert (
        "resources.gpus: expected at most cluster.gpus 0, since a trial runs on one machine" in capsys.readouterr().err
    )


def test_where_has_to_be_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "--slurm" in capsys.readouterr().err
    assert main([*words, "--slurm", "--trials", "0"]) == 2
    assert main([*words, "--slurm", "--name", "a b"]) == 2
