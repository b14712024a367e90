from __future__ import annotations

from pathlib import Path

from hico_platform.environment.devices import Gpu, driver_version, gpus, processor

INFORMATION = """Model: 		 NVIDIA H200
IRQ:   		 217
GPU UUID: 	 GPU-5f8f...
Bus Location: 	 0000:18:00.0
"""
VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\nGCC version: 13\n"


def test_gpus_and_driver_are_read_from_the_kernel(tmp_path: Path) -> None:
    folder = tmp_path / "proc/driver/nvidia"
    for slot, text in (("0000:18:00.0", INFORMATION), ("0000:2a:00.0", "IRQ: 1\n")):
        (folder / "gpus" / slot).mkdir(parents=True)
        (folder / "gpus" / slot / "information").write_text(text)
    (folder / "version").write_text(VERSION)
    assert gpus(tmp_path) == (Gpu(model="NVIDIA H200", uuid="GPU-5f8f..."), Gpu(model="unknown"))
    assert driver_version(tmp_path) == "570.86.15"
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC 9654: 96 cores\nprocessor\t: 1\n")
    assert processor(tmp_path) == "AMD EPYC 9654: 96 cores"


def test_a_machine_without_has_none(tmp_path: Path) -> None:
    assert (gpus(tmp_path), driver_version(tmp_path), processor(tmp_path)) == ((), None, "")
