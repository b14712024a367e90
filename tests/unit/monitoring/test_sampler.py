from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from hico_platform.monitoring.sampler import MachineSample, Sampler, sample

SOON_S = 20.0


def test_a_look_at_the_disk_and_at_this_process(tmp_path: Path) -> None:
    found = sample(tmp_path)
    disk = os.statvfs(tmp_path)
    assert found.disk_size_bytes == disk.f_blocks * disk.f_frsize
    assert found.disk_free_bytes is not None
    assert 0 < found.disk_free_bytes <= disk.f_bfree * disk.f_frsize, "without what only root may write to"
    assert 2**20 < found.resident_bytes < psutil.virtual_memory().total
    assert 0 < found.open_files < found.most_open_files
    assert found.most_open_files == psutil.Process().rlimit(psutil.RLIMIT_NOFILE)[0]
    cpu = psutil.Process().cpu_times()
    assert 0 < found.cpu_s <= cpu.user + cpu.system


def test_what_each_number_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimpleNamespace(f_bavail=3, f_bfree=5, f_blocks=11, f_frsize=7, f_bsize=2)
    process = SimpleNamespace(
        oneshot=nullcontext,
        cpu_times=lambda: SimpleNamespace(user=2.0, system=0.5, children_user=9.0),
        memory_info=lambda: SimpleNamespace(rss=100, vms=900),
        num_fds=lambda: 4,
        rlimit=lambda which: (64, 128) if which == psutil.RLIMIT_NOFILE else (0, 0),
    )
    monkeypatch.setattr(os, "statvfs", lambda home: disk)
    monkeypatch.setattr(psutil, "Process", lambda: process)
    assert sample(Path("/h")) == MachineSample(
        disk_free_bytes=21, disk_size_bytes=77, resident_bytes=100, cpu_s=2.5, open_files=4, most_open_files=64
    )


def test_a_disk_that_does_not_answer_hides_nothing_else(tmp_path: Path) -> None:
    found = sample(tmp_path / "gone")
    assert (found.disk_free_bytes, found.disk_size_bytes) == (None, None)
    assert found.resident_bytes > 2**20


def test_the_newest_look_is_kept_and_one_that_fails_ends_nothing() -> None:
    seen, looked = iter([OSError(), MachineSample(open_files=1), psutil.Error(), MachineSample(open_files=2)]), []
    done = threading.Event()

    def look() -> MachineSample:
        one = next(seen, None)
        if one is None:
            done.set()
            one = MachineSample(open_files=3)
        looked.append(one)
        if isinstance(one, Exception):
            raise one
        return one

    sampler = Sampler(look, every_s=0.0)
    assert done.wait(SOON_S)
    sampler.close()
    sampler._thread.join(SOON_S)
    assert not sampler._thread.is_alive()
    assert len(looked) >= 5
    assert sampler.latest.open_files == 3


def test_closing_does_not_wait_for_a_look_that_hangs() -> None:
    hangs, begun = threading.Event(), threading.Event()

    def look() -> MachineSample:
        begun.set()
        hangs.wait(SOON_S)
        return MachineSample(open_files=1)

    sampler = Sampler(look, every_s=60.0)
    assert begun.wait(SOON_S)
    assert sampler._thread.daemon, "it keeps no process alive"
    sampler.close()
    assert sampler.latest == MachineSample()
    hangs.set()
    sampler._thread.join(SOON_S)
    assert not sampler._thread.is_alive()
