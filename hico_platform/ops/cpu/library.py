"""Compiles the kernels where they run, once a machine, and loads them.

As torch.compile does, but with a C compiler alone, in seconds, and shared by every process of the machine through a
cache. Without a compiler PyTorch's own operators do the same, slower (docs/decisions/0007).
"""

from __future__ import annotations

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

from hico_platform.atomic_io import sync
from hico_platform.bounded_process import run_bounded
from hico_platform.feature_flags import left_out, switched_off
from hico_platform.trusted_paths import open_trusted, trusted_folder

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
        library.lanes_of_products.restype = ctypes.c_int64
        self.multiplies = bool(library.lanes_of_products())  # whether they know this processor's registers

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
_FALLIBLE = ("downsample_", "token_max_backward", "crop_resize", "rnn_layer_", "rnn_weight_grad", "matmul", "info_nce",
             "attention_")  # fmt: skip


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
        return Kernels(_library(compiler))
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace") or str(error)
        _LOG.warning(
            "the CPU kernels could not be compiled and loaded with %s, training takes longer: %s",
            compiler,
            said.strip(),
        )
        return None


def call(name: str, *arguments: Argument) -> None:
    """Calls a kernel of the library that :func:`loaded` found; see :meth:`Kernels.call`."""
    _found().call(name, *arguments)


def repeated(name: str) -> Callable[..., None]:
    """A kernel for many calls; see :meth:`Kernels.repeated`."""
    return _found().repeated(name)


def multiplies() -> bool:
    """Whether the kernels multiply matrices: they know this processor's registers."""
    return _found().multiplies


def _found() -> Kernels:
    found = loaded()
    if found is None:
        raise RuntimeError("there are no CPU kernels: ask _backend before")
    return found


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CC", ""), "cc", "gcc", "clang"))), None)


def _library(compiler: str) -> ctypes.CDLL:
    """The library from the cache, or compiled anew where the cache has none that is whole, or cannot be trusted."""
    try:
        folder = trusted_folder(_cache_folder())
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} may only be read")
    except (OSError, RuntimeError) as error:  # RuntimeError: this user has no home
        _LOG.warning("no cache of CPU kernels, each process compiles them anew: %s", error)
        with tempfile.TemporaryDirectory(prefix="hico-platform-kernels-") as folder_of_this_process:
            return _loaded(_compiled(compiler, trusted_folder(Path(folder_of_this_process))))
    for file in sorted(folder.glob(f"{_name(compiler)}-*.so")):
        try:
            return _loaded(file)
        except OSError as error:  # cut short by a power failure, or made for another system
            _LOG.info("%s is compiled again: %s", file, error)
            file.unlink(missing_ok=True)  # another process may have been first
    return _loaded(_compiled(compiler, folder))


def _name(compiler: str) -> str:
    """What a library is made of; the digest of what was made follows it in a file's name."""
    sources = sorted((*_SOURCES.glob("*.c"), *_SOURCES.glob("*.h")))
    parts = [compiler, *_FLAGS, platform.machine(), _processor(), *(each.read_text() for each in sources)]
    return f"kernels-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:16]}"


def _loaded(file: Path) -> ctypes.CDLL:
    """The library that was checked: loaded through the descriptor on which it was.

    The descriptor stays open, as the loader takes two libraries of one path for the same.

    Raises:
        OSError: the file is not whole, another account could change it, or it cannot be loaded.
    """
    descriptor = open_trusted(file)
    try:
        with open(descriptor, "rb", closefd=False) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if not file.stem.endswith(f"-{digest}"):
            raise OSError(f"{file} is not what was compiled")
        opened = Path(f"/proc/self/fd/{descriptor}")
        return ctypes.CDLL(str(opened if opened.exists() else file))
    except BaseException:
        os.close(descriptor)
        raise


def _compiled(compiler: str, folder: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        built = Path(scratch) / "kernels.so"
        environment = {**os.environ, "TMPDIR": scratch}  # what the compiler makes on the way lies there too
        last: subprocess.CalledProcessError | None = None
        for parallel in (["-fopenmp"], []):  # a compiler without OpenMP makes kernels of one thread
            command = [compiler, *_FLAGS, *parallel, str(_SOURCES / "kernels.c"), "-o", str(built), "-lm"]
            try:
                run_bounded(command, timeout_s=120, environment=environment).check_returncode()
            except subprocess.CalledProcessError as error:
                last = error
            else:
                built.chmod(0o700)
                sync(built)
                target = folder / f"{_name(compiler)}-{hashlib.sha256(built.read_bytes()).hexdigest()}.so"
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
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hico-platform"
