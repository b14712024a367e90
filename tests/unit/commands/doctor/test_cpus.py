from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.commands.doctor import cpus
from tests.unit.commands.doctor.around import around, seen


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with 16 GiB."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal:       16777216 kB\nMemFree: 1 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/job/step\n")
    (tmp_path / "proc/self/mountinfo").write_text("30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "sys/fs/cgroup/job/step").mkdir(parents=True)
    return tmp_path


def test_a_quota_is_what_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)))
    (root / "sys/fs/cgroup/job/cpu.max").write_text("250000 100000\n")
    found = seen(cpus.check(around(root, root=root)))
    assert found[0] == ("cpus", "good", "2 of 64, by a cpuset or a quota of a cgroup")
    assert found[1] == ("memory", "good", "16.0 GiB")


@pytest.mark.parametrize(("limit", "grade"), [(2**30, "wrong"), (3 * 2**30, "warning"), (8 * 2**30, "good")])
def test_a_limit_of_a_cgroup_above_counts_for_memory(root: Path, limit: int, grade: str) -> None:
    (root / "sys/fs/cgroup/job/memory.max").write_text(f"{limit}\n")
    (root / "sys/fs/cgroup/job/step/memory.max").write_text("max\n")
    found = seen(cpus.check(around(root, root=root)))
    assert found[1] == ("memory", grade, f"{limit / 2**30:.1f} GiB by a limit of a cgroup")


def test_version_one_has_a_folder_of_its_own_for_memory(root: Path) -> None:
    (root / "proc/self/cgroup").write_text("7:memory:/job\n3:cpu,cpuacct:/\n")
    (root / "sys/fs/cgroup/memory/job").mkdir(parents=True)
    (root / "sys/fs/cgroup/memory/job/memory.limit_in_bytes").write_text("1073741824\n")
    assert seen(cpus.check(around(root, root=root)))[1][1] == "wrong"


def test_without_proc_memory_is_unknown(tmp_path: Path) -> None:
    assert seen(cpus.check(around(tmp_path, root=tmp_path)))[1] == ("memory", "warning", "unknown")
