"""GPUs: what the machine has, what its driver is, and what PyTorch's build makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong

_VERSION = re.compile(r"Kernel Module(?: for \w+)?\s+(\S+)")
_HIDDEN = {"", "-1", "none", "void", "NoDevFiles"}


@dataclass(frozen=True, kw_only=True)
class TorchBuild:
    """PyTorch as it is installed: its version, the CUDA (or ROCm) that it was built for, and the GPUs that it sees."""

    version: str
    cuda: str | None
    names: tuple[str, ...] = ()
    error: str | None = None


def torch_build() -> TorchBuild:
    """Imports PyTorch, which takes some seconds."""
    import torch

    cuda = torch.version.cuda or getattr(torch.version, "hip", None)
    try:
        names = tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        if names:
            torch.zeros(1, device="cuda")
        return TorchBuild(version=torch.__version__, cuda=cuda, names=names)
    except (RuntimeError, AssertionError) as error:
        return TorchBuild(version=torch.__version__, cuda=cuda, error=str(error).strip().splitlines()[0])


def check(around: Surroundings, *, build: TorchBuild | None = None) -> Iterator[Finding]:
    """GPUs that are there and cannot be used are wrong; a machine without one is as good as another."""
    devices = sorted(
        path.name for path in (around.root / "dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()
    )
    driver = _driver(around.root)
    build = build or torch_build()
    torch = f"torch {build.version}, built for {'CUDA ' + build.cuda if build.cuda else 'CPUs alone'}"
    if build.names:
        yield good("gpu", f"{', '.join(build.names)}; driver {driver or 'unknown'}, {torch}")
        return
    if not devices and driver is None:
        yield good("gpu", f"none; {torch}")
        return
    there = f"{len(devices)} GPUs, driver {driver or 'unknown'}; {torch}"
    hidden = around.environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in _HIDDEN:
        yield warning("gpu", f"{there}, and CUDA_VISIBLE_DEVICES hides them", "unset CUDA_VISIBLE_DEVICES to use them")
    elif build.cuda is None:
        yield wrong("gpu", there, "install PyTorch for CUDA: pip install -r requirements/cuda.lock")
    elif driver is None:
        yield wrong("gpu", there, "load NVIDIA's driver (nvidia-smi tells what it lacks)")
    else:
        remedy = f"install a newer driver, which CUDA {build.cuda} may need; nvidia-smi tells its version"
        yield wrong("gpu", f"{there}, which sees none{': ' + build.error if build.error else ''}", remedy)


def _driver(root: Path) -> str | None:
    try:
        text = (root / "proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = _VERSION.search(text)
    return found[1] if found else None
