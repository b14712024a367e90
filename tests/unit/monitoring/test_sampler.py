from __future__ import annotations

import os
import threading
from pathlib import Path

import psutil

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
