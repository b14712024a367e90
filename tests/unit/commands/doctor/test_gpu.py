from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.commands.doctor import gpu
from hico_platform.commands.doctor.gpu import TorchBuild
from tests.unit.commands.doctor.around import around, seen

FOR_CPUS = TorchBuild(version="2.9.0+cpu", cuda=None)
BLIND = TorchBuild(version="2.9.0", cuda="12.8", error="the NVIDIA driver on your system is too old")
SEEING = TorchBuild(version="2.9.0", cuda="12.8", names=("H200",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with a GPU."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    (tmp_path / "dev/nvidiactl").touch()
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n"
    (tmp_path / "proc/driver/nvidia/version").write_text(version)
    return tmp_path


@pytest.mark.parametrize(
    ("build", "grade", "remedy"),
    [
        (FOR_CPUS, "wrong", "install PyTorch for CUDA"),
        (BLIND, "wrong", "install a newer driver"),
        (SEEING, "good", None),
    ],
)
def test_a_gpu_that_the_build_does_not_see_is_wrong(
    root: Path, build: TorchBuild, grade: str, remedy: str | None
) -> None:
    (found,) = gpu.check(around(root, root=root), build=build)
    assert str(found.grade) == grade
    assert "570.86.15" in found.found
    assert found.remedy is None if remedy is None else (found.remedy or "").startswith(remedy)


def test_one_that_is_hidden_is_said_to_be(root: Path) -> None:
    (found,) = seen(gpu.check(around(root, root=root, CUDA_VISIBLE_DEVICES="-1"), build=BLIND))
    assert found[1] == "warning"


def test_one_without_a_driver(root: Path) -> None:
    (root / "proc/driver/nvidia/version").unlink()
    (found,) = gpu.check(around(root, root=root), build=BLIND)
    assert (str(found.grade), found.remedy) == ("wrong", "load NVIDIA's driver (nvidia-smi tells what it lacks)")


def test_none_is_fine(tmp_path: Path) -> None:
    (found,) = seen(gpu.check(around(tmp_path, root=tmp_path), build=FOR_CPUS))
    assert found == ("gpu", "good", "none; torch 2.9.0+cpu, built for CPUs alone")
