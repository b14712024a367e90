"""A search on a small store, trained in this process, and its trials trained again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import reproduce as module
from hico_platform.commands.reproduce import Compared, Reproduction, Verdict
from hico_platform.enums import Decision
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.lock import search_lock
from hico_platform.search.messages import EpochReport
from hico_platform.search.status import search_status
from hico_platform.search.task import TrialFunction
from hico_platform.search.task_source import TaskSource
from tests.small import small_store
from tests.toy import FACTS

SPACE = """
name: small
base:
  model: {encoder: gru, hidden_width: 8}
  contrast: {queue_size: 16}
  views: {frames: 16}
  budget: {epochs: 3, batch_size: 8}
  evaluation: {linear_epochs: 2, linear_batch_size: 8}
search:
  contrast.temperature: {low: 0.05, high: 0.5, log: true}
trials: 3
scheduler: {grace_epochs: 1, reduction_factor: 3}
transfer: STORE
transfer_protocol: odd-subjects
allow_overlap: true
protocol: odd-subjects
"""


def execute_here(controller: TaskSource, function: TrialFunction, **_: object) -> None:
    """One trial after another, in this process."""
    while (task := controller.next_task()) is not None:

        def answer(report: EpochReport, number: int = task.number) -> Decision:
            return controller.reported(number, report)

        controller.finished(task.number, function(task, answer))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a search of three trials, of which some were stopped after an epoch."""
    home = tmp_path_factory.mktemp("home")
    store = small_store(home / "data" / "small", count=72)
    (home / "small.yaml").write_text(SPACE.replace("STORE", str(store.directory)))
    words = ["search", "--space", str(home / "small.yaml"), "--data", str(store.directory), "--home", str(home)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hico_platform.search.ray_executor.executor.execute_on_ray", execute_here)
        assert main(words) == 0
    return home


@pytest.fixture
def home(searched: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(searched, tmp_path / "home"))


def reproduced(home: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    found = main(["reproduce", "small", *words, "--home", str(home), "--json"])
    said = capsys.readouterr()
    assert found == code, said.err
    return dict(json.loads(said.out))


@pytest.mark.slow
def test_every_trial_is_the_same_to_the_last_bit_when_it_is_trained_again(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        found = reproduced(home, capsys, str(number))
        assert (found["verdict"], found["weights_identical"], found["conditions"]) == ("identical", True, {})
        assert found["reported"]
        assert {one["name"] for one in found["downstream"]} >= {"knn_top1", "retrieval_map", "transfer_top1"}
        assert json.loads((Path(found["directory"]) / "reproduction.json").read_text()) == found


@pytest.mark.slow
def test_what_differs_from_the_environment_then_is_named(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = home / "searches" / "small" / "environment" / "packages.txt"
    before = packages.read_text()
    assert "torch==" in before
    packages.write_text(
        "".join(line for line in before.splitlines(True) if not line.startswith("numpy==")) + "own==1\n"
    )
    monkeypatch.setenv("OMP_DYNAMIC", "true")
    found = reproduced(home, capsys)
    assert found["conditions"] == {
        "package numpy": {"then": None, "now": version("numpy")},
        "package own": {"then": "1", "now": None},
        "OMP_DYNAMIC": {"then": None, "now": "true"},
    }
    shutil.rmtree(packages.parent)  # a search of an earlier version
    assert reproduced(home, capsys)["conditions"] == {}


@pytest.mark.slow
def test_a_finished_one_stays_and_the_next_has_a_folder_of_its_own(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = reproduced(home, capsys), reproduced(home, capsys)
    assert Path(second["directory"]).name == f"{Path(first['directory']).name}-2"
    assert second["verdict"] == "identical"


@pytest.mark.slow
def test_an_interrupted_one_goes_on_and_knows_what_it_had_reported(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    best = reproduced(home, capsys)
    shutil.rmtree(best["directory"])
    kept = module.write_whole

    def interrupted_after_the_first_report(file: Path, content: bytes) -> None:
        kept(file, content)
        monkeypatch.setattr(module, "write_whole", kept)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_whole", interrupted_after_the_first_report)
    capsys.readouterr()
    assert main(["reproduce", "small", "--home", str(home)]) == 130
    assert "the same command goes on" in capsys.readouterr().err
    again = reproduced(home, capsys)
    assert [one["epoch"] for one in again["reported"]] == [one["epoch"] for one in best["reported"]]
    assert again["verdict"] == "identical"


def test_a_second_one_at_the_same_time_is_refused(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    paths = HomePaths(home=tmp_path)
    number = search_status(paths, "toy").best.number  # type: ignore[union-attr]
    monkeypatch.setattr(module, "located", lambda recorded, *, home: recorded)
    inputs = SimpleNamespace(facts=FACTS, data=None)
    monkeypatch.setattr(module, "search_inputs", lambda *given, **named: inputs)
    monkeypatch.setattr(module, "_trained_again", lambda *given, **named: "trained")
    facts = dataclasses.replace(FACTS, more={"data": "home:data/embedded-0"})
    status = search_status(paths, "toy")
    status = dataclasses.replace(status, search=dataclasses.replace(status.search, facts=facts))
    monkeypatch.setattr(module, "search_status", lambda paths, name: status)
    folder = tmp_path / "reproductions" / f"toy-{number:04d}"
    with (
        search_lock(folder / "lock", name="another"),
        pytest.raises(UsageError, match=rf"a trial that is not being reproduced already, got 'toy, trial {number}: "),
    ):
        module.reproduce(paths, name="toy", number=number)
    assert [one.name for one in folder.iterdir()] == ["lock"], "nothing is written there"
    assert module.reproduce(paths, name="toy", number=number) == "trained"


@pytest.mark.slow
def test_other_data_are_refused_and_another_seed_is_found_out(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = small_store(home / "data" / "other", count=72, seed=1)
    assert main(["reproduce", "small", "--data", str(other.directory), "--home", str(home)]) == 3
    assert "expected the digest of the search, " in capsys.readouterr().err
    config_of = module.config_of
    monkeypatch.setattr(
        module, "config_of", lambda *given: module.replace(config_of(*given), {"budget.seed": 1, "model.layers": 2})
    )
    monkeypatch.setattr(module, "_compared", lambda *given, **more: [one(0.9, 0.1)])
    found = reproduced(home, capsys, code=1)
    assert (found["verdict"], found["weights_identical"]) == ("different", False)


@pytest.mark.slow
def test_a_trial_that_cannot_be_compared_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "small", "7", "--home", str(home)]) == 2
    assert "expected a trial of small: 0 to 2, got 7" in capsys.readouterr().err
    assert main(["reproduce", "none", "--home", str(home)]) == 2


def one(was: float, now: float, error: float | None = 0.02) -> Compared:
    return Compared(epoch=1, name="knn_top1", was=was, now=now, standard_error=error)


def outcome(*reported: Compared, weights: bool | None = None, downstream: tuple[Compared, ...] = ()) -> Reproduction:
    return Reproduction(
        search="small",
        trial=0,
        metric="knn_top1",
        directory=Path("here"),
        reported=reported,
        downstream=downstream,
        weights=weights,
        conditions={},
    )


def test_verdicts() -> None:
    same, near, far = one(0.5, 0.5), one(0.5, 0.539), one(0.5, 0.541)
    assert outcome(same, weights=True).verdict is Verdict.IDENTICAL
    assert outcome(same).verdict is Verdict.IDENTICAL, "the recorded weights are gone"
    assert outcome(same, weights=False).verdict is Verdict.WITHIN_NOISE
    assert outcome(same, downstream=(near,)).verdict is Verdict.WITHIN_NOISE
    assert outcome(same, near).verdict is Verdict.WITHIN_NOISE
    assert outcome(same, far).verdict is Verdict.DIFFERENT
    assert outcome(dataclasses.replace(near, standard_error=None)).verdict is Verdict.DIFFERENT
    assert outcome(one(float("nan"), float("nan"))).verdict is Verdict.IDENTICAL
