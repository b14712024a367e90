"""A search on Ray is steered by commands while it runs: a trial stopped, a point added, a pause and a continuation."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import Origin, TrialState
from hico_platform.search.status import SearchStatus, search_status
from tests.e2e.test_search import LIMIT_S, check_whole, epochs_trained, ray_processes, start, wait_for_lines

pytestmark = pytest.mark.e2e


def wait_until(home: Path, what: Callable[[SearchStatus], bool]) -> SearchStatus:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        status = search_status(HomePaths(home=home), "toy")
        if what(status):
            return status
        time.sleep(0.2)
    raise AssertionError(f"it did not happen in {LIMIT_S} s: {status.as_dict()}")


def test_stop_a_trial_add_a_point_pause_and_continue(tmp_path: Path) -> None:
    words = ["--wait", str(LIMIT_S), "--home", str(tmp_path)]
    base = {"model": {"hidden_width": 16}, "budget": {"epochs": 80}}
    space = {"base": base, "scheduler": {"name": "none", "report_every": 4}}
    driver = start(tmp_path, trials=2, epoch_s=0.15, log=True, space=space)
    try:
        wait_for_lines(tmp_path / "log", 2)
        assert main(["stop", "toy", "0", *words]) == 0
        assert main(["add", "toy", "--point", "contrast.temperature=0.07,model.encoder=lstm", *words]) == 0
        status = wait_until(tmp_path, lambda found: found.trials[0].state is TrialState.PRUNED)
        assert status.search.limit == 3
        assert main(["pause", "toy", *words]) == 0
        wait_until(tmp_path, lambda found: found.is_paused)
        _wait_for_silence(tmp_path / "log")
        assert not [line for line in ray_processes(driver.pid) if "ImplicitFunc" in line], "workers are given back"
        before = (tmp_path / "log").read_text().splitlines()
        assert main(["continue", "toy", *words]) == 0
        output, _ = driver.communicate(timeout=LIMIT_S)
    finally:
        driver.kill()
    assert driver.returncode == 0, output
    check_whole(tmp_path, trials=3)
    status = search_status(HomePaths(home=tmp_path), "toy")
    ending = status.trials[0].ending
    assert ending is not None
    assert ending.metrics["recognition_top1"] > 0, "a stopped trial is evaluated"
    assert status.trials[2].origin is Origin.ADDED
    assert status.trials[2].values["contrast.temperature"] == pytest.approx(0.07)
    assert [request.answer is not None and request.answer.obeyed for request in status.requests] == [True] * 4
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) > len(before)
    for number in (1, 2):
        epochs = epochs_trained(lines, number)
        assert epochs == sorted(set(epochs)), "it goes on from its checkpoint"
    assert "asked: pause: no trial runs until it is continued" in output


def test_stop_is_ctrl_c_from_elsewhere(tmp_path: Path) -> None:
    driver = start(tmp_path, trials=2, epoch_s=0.5, log=True)
    try:
        wait_for_lines(tmp_path / "log", 1)
        assert main(["stop", "toy", "--wait", str(LIMIT_S), "--home", str(tmp_path)]) == 0
        output, _ = driver.communicate(timeout=LIMIT_S)
    finally:
        driver.send_signal(signal.SIGKILL)
    assert driver.returncode == 130, output
    assert str(search_status(HomePaths(home=tmp_path), "toy").state) == "interrupted"


def _wait_for_silence(log: Path) -> None:
    """Until no epoch has been trained for some time: workers have saved and ended."""
    deadline, lines = time.monotonic() + LIMIT_S, -1
    while time.monotonic() < deadline:
        now = len(log.read_text().splitlines())
        if now == lines:
            return
        lines = now
        time.sleep(4)
    raise AssertionError("trials go on though the search is paused")
