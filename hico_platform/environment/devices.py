"""The processor and the GPUs of this machine, as the kernel names them: nothing is opened or loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_VERSION = re.compile(r"Kernel Module(?: for \w+)?\s+(\S+)")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU: its model, and the UUID that NVIDIA's tools know it by."""

    model: str
    uuid: str = ""


def gpus(root: Path = Path("/")) -> tuple[Gpu, ...]:
    """The GPUs that NVIDIA's driver has, in the order of their slots."""
    found = []
    for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        fields = dict(_field(line) for line in _text(file).splitlines() if ":" in line)
        found.append(Gpu(model=fields.get("Model", "unknown"), uuid=fields.get("GPU UUID", "")))
    return tuple(found)


def processor(root: Path = Path("/")) -> str:
    """The model of the CPUs; empty where the kernel does not name it."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, value = _field(line)
        if name == "model name":
            return value
    return ""


def driver_version(root: Path = Path("/")) -> str | None:
    """The version of NVIDIA's driver; None where there is none."""
    found = _VERSION.search(_text(root / "proc/driver/nvidia/version"))
    return found[1] if found else None


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
