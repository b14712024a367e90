"""Compiles the kernels where they run, once a machine, and loads them.

As torch.compile does, but with a C compiler alone, in seconds, and shared by every process of the machine through a
cache. Without a compiler PyTorch's own operators do the same, slower (docs/decisions/0007).
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hico_platform.durable import sync
from hico_platform.switches import left_out, switched_off

_LOG = logging.getLogger(__name__)
_SOURCES = Path(__file__).parent
_FLAGS = ["-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC",
          "-falign-loops=64"]  # fmt: skip  # a product's innermost loop across two lines of code takes 5 % longer


Argument = Tensor | ctypes.Structure | ctypes.Array[Any] | ctypes.c_void_p | int | float | None


class Kernels:
    """The loaded functions, by their name in C; those of a type end in ``_float`` or ``_bf16``."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._functions: dict[str, Any] = {}
        library.lanes_of_products.restype = library.multiplies_pairs.restype = ctypes.c_int64
        self.multiplies = bool(library.lanes_of_products())  # whether they know this processor's registers
        self.multiplies_pairs = bool(library.multiplies_pairs())  # whether bfloat16 too

    def call(self, name: str, *arguments: Argument) -> None:
        """Calls ``name`` once.

        Raises:
            MemoryError: the kernel could not have the memory that it works in.
        """
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = getattr(self._library, name)
            function.restype = ctypes.c_int if name.startswith(_FALLIBLE) else None
        if function(*map(passed, arguments)):
            raise MemoryError(f"{name}: out of memory")

    def repeated(self, name: str) -> Callable[..., None]:
        """``name`` itself, for many calls: it takes what :func:`passed` makes of arguments."""
        function = getattr(self._library, name)
        function.restype = None
        return function  # type: ignore[no-any-return]


# What allocates, and so says whether it could.
_FALLIBLE = ("downsample_", "maximum_backward", "crop_views", "gru_forward_layer", "gru_backward_layer",
             "lstm_forward_layer", "lstm_backward_layer", "float_product", "recurrent_weights_backward",
             "info_nce", "attention_", "project_")  # fmt: skip


def passed(argument: Argument) -> object:
    """As C takes it: a tensor as its address, a structure by reference, None as a null pointer."""
    kind = type(argument)  # a step passes a thousand; isinstance takes three times as long
    if kind is Tensor or kind is nn.Parameter:
        return ctypes.c_void_p(argument.data_ptr())  # type: ignore[union-attr]
    if kind is int:
        return ctypes.c_int64(argument)  # type: ignore[arg-type]
    if kind is float:
        return ctypes.c_float(argument)  # type: ignore[arg-type]
    if isinstance(argument, ctypes.Structure | ctypes.Array):
        return ctypes.byref(argument)
    if isinstance(argument, ctypes.c_void_p):
        return argument
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if argument is not None:
        raise TypeError(f"a kernel takes no {kind.__name__}")
    return ctypes.c_void_p(None)


def suffix(dtype: torch.dtype) -> str:
    """The ending of a kernel's name for tensors of ``dtype``, float32 or bfloat16."""
    return {torch.float32: "float", torch.bfloat16: "bf16"}[dtype]


def kernels_for(tensor: Tensor, *weights: Tensor) -> Kernels | None:
    """The kernels if they can work on ``tensor``, and on ``weights``, which they take in float32 alone."""
    if tensor.device.type != "cpu" or tensor.dtype not in (torch.float32, torch.bfloat16):
        return None
    if any(weight.dtype is not torch.float32 for weight in weights):
        return None
    return kernels()


def kernels() -> Kernels | None:
    """The kernels, compiled if this machine has not yet; None without a C compiler, or if HICO_KERNELS=off."""
    return None if left_out("HICO_KERNELS") else loaded()


@cache
def loaded() -> Kernels | None:
    """The same, whatever this process leaves out; looked for once."""
    if switched_off("HICO_KERNELS"):
        return None
    compiler = _compiler()
    if compiler is None:
        _LOG.warning("no C compiler (cc, gcc, clang): training on this CPU takes longer; install one, such as gcc")
        return None
    try:
        target = _compiled(compiler)
        try:
            return Kernels(ctypes.CDLL(str(target)))
        except OSError:  # cut short by a power failure, or made for another system
            target.unlink(missing_ok=True)  # another process may have been first
            return Kernels(ctypes.CDLL(str(_compiled(compiler))))
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        _LOG.warning(
            "the CPU kernels could not be compiled and loaded with %s, training takes longer: %s",
            compiler,
            said.strip(),
        )
        return None


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CC", ""), "cc", "gcc", "clang"))), None)


def _compiled(compiler: str) -> Path:
    sources = sorted((*_SOURCES.glob("*.c"), *_SOURCES.glob("*.h")))
    parts = [compiler, *_FLAGS, platform.machine(), _processor(), *(each.read_text() for each in sources)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    name = f"kernels-{digest[:16]}.so"
    folder = _cache_folder()
    target = folder / name
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        built = Path(scratch) / name
        last: subprocess.CalledProcessError | None = None
        for parallel in (["-fopenmp"], []):  # a compiler without OpenMP makes kernels of one thread
            command = [compiler, *_FLAGS, *parallel, str(_SOURCES / "kernels.c"), "-o", str(built), "-lm"]
            try:
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
            except subprocess.CalledProcessError as error:
                last = error
            else:
                built.chmod(0o700)
                sync(built)
                built.replace(target)  # at once, whoever else compiles it too
                return target
    raise last or OSError("no compiler")


def _processor() -> str:
    """What -march=native depends on, for a cache that machines share."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    keys = ("model name", "flags", "CPU implementer", "CPU part", "Features")
    return "".join(next((line for line in lines if line.startswith(key)), "") for key in keys)


def _cache_folder() -> Path:
    """A folder that this user alone can write to."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hico-platform"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
        if found.st_uid == os.getuid() and not found.st_mode & 0o022 and os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # RuntimeError: this user has no home
        pass
    folder = Path(tempfile.mkdtemp(prefix="hico-platform-kernels-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
