"""CPU limits in fake trees of /proc and /sys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hico_platform.cpus import available_cpus

HERE = "/sys/fs/cgroup"
V2 = f"30 24 0:26 / {HERE} rw shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"


@pytest.fixture(autouse=True)
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


def tree(root: Path, *, cgroup: str, mountinfo: str, files: dict[str, str]) -> Path:
    for name, text in {"/proc/self/cgroup": cgroup, "/proc/self/mountinfo": mountinfo, **files}.items():
        file = root / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("cgroup", "mountinfo", "files", "cpus"),
    [
        ("0::/", V2, {f"{HERE}/cpu.max": "250000 100000"}, 2),
        ("0::/", V2, {f"{HERE}/cpu.max": "max 100000"}, 16),
        ("0::/", V2, {f"{HERE}/cpu.max": "20000 100000"}, 1),
        # A unit of systemd: its own limit is looser than its slice's.
        ("0::/a.slice/b.service", V2,
         {f"{HERE}/a.slice/cpu.max": "300000 100000", f"{HERE}/a.slice/b.service/cpu.max": "800000 100000"}, 3),
        # A container that sees the host's path, while its own cgroup is what is mounted.
        ("0::/docker/1f", V2.replace("0:26 / ", "0:26 /docker/1f "), {f"{HERE}/cpu.max": "400000 100000"}, 4),
        # A process outside the cgroup namespace that it looks from.
        ("0::/../other", V2, {f"{HERE}/cpu.max": "500000 100000"}, 5),
        ("4:memory:/m\n3:cpu,cpuacct:/job/step\n0::/", f"{V1}\n{V2}",
         {f"{HERE}/cpu,cpuacct/job/cpu.cfs_quota_us": "600000", f"{HERE}/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
          f"{HERE}/cpu,cpuacct/job/step/cpu.cfs_quota_us": "-1",
          f"{HERE}/cpu,cpuacct/job/step/cpu.cfs_period_us": "100000"}, 6),
        ("0::/", V2.replace(HERE, r"/sys/fs/c\040group"), {"/sys/fs/c group/cpu.max": "700000 100000"}, 7),
        ("0::/", V2, {}, 16),
        ("0::/", V2, {f"{HERE}/cpu.max": "nonsense"}, 16),
    ],
)  # fmt: skip
def test_quotas(tmp_path: Path, cgroup: str, mountinfo: str, files: dict[str, str], cpus: int) -> None:
    assert available_cpus(root=tree(tmp_path, cgroup=cgroup, mountinfo=mountinfo, files=files)) == cpus


def test_affinity_counts_where_there_is_no_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5})
    assert available_cpus(root=tmp_path) == 2
