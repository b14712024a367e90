"""Who runs a search: its lock in this home tells at once, its heartbeat tells on other machines."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hico_platform.home import HomePaths
from hico_platform.search.heartbeat import DEAD_AFTER_S
from hico_platform.search.lock import search_lock
from hico_platform.search.running import driver_of

NOW_S = 1e6


def beat(host: str, *, age_s: float = 1.0) -> dict[str, object]:
    return {"user": "ann", "pid": 7, "host": host, "since_s": 0.0, "at_s": NOW_S - age_s}


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    return HomePaths(home=tmp_path)


def found(paths: HomePaths, note: object) -> object:
    driver = driver_of(paths, "toy", note, now_s=NOW_S)
    return None if driver is None else driver["pid"]


def test_nobody_runs_it(paths: HomePaths) -> None:
    for note in (None, {}, "x"):
        assert found(paths, note or None) is None


def test_a_lock_in_this_home_is_who_runs_it_whatever_the_heartbeat_says(paths: HomePaths) -> None:
    with search_lock(paths.lock("toy"), name="toy"):
        for note in (None, beat("gpu-1"), beat("gpu-1", age_s=1e4)):
            assert found(paths, note) == os.getpid()
    assert found(paths, None) is None


def test_a_lock_beside_a_study_that_other_homes_use(tmp_path: Path) -> None:
    paths = HomePaths(home=tmp_path / "home", storage=f"sqlite:///{tmp_path}/shared.db")
    _, beside = paths.locks("toy")
    with search_lock(beside, name="toy"):
        assert found(paths, None) == os.getpid()


def test_a_heartbeat_counts_while_it_is_recent(paths: HomePaths) -> None:
    assert found(paths, beat("gpu-1")) == 7
    assert found(paths, beat("gpu-1", age_s=DEAD_AFTER_S - 1)) == 7
    assert found(paths, beat("gpu-1", age_s=DEAD_AFTER_S + 1)) is None


def test_one_that_was_killed_here_is_known_to_be_gone_by_its_lock(paths: HomePaths) -> None:
    here = socket.gethostname()
    assert found(paths, beat(here)) == 7, "it runs in another home of this machine"
    paths.lock("toy").parent.mkdir(parents=True)
    paths.lock("toy").touch()
    assert found(paths, beat(here)) is None
    assert found(paths, beat("gpu-1")) == 7, "another machine's lock cannot be seen"
