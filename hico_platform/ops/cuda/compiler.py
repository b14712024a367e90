"""CUDA C++ compiled where it runs, by NVRTC, which comes with PyTorch for NVIDIA GPUs; needs no toolkit."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

_OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY
_SHARED_MEMORY = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


class Kernel:
    """A function on the GPU that was current when it was compiled."""

    def __init__(self, function: ctypes.c_void_p, *, threads: int, shared_memory: int) -> None:
        self._function = function
        self._threads = threads
        self._shared_memory = shared_memory
        _driver(_cuda().cuFuncSetAttribute(function, _SHARED_MEMORY, shared_memory))

    def __call__(self, blocks: int, *arguments: Tensor | int) -> None:
        """Launches ``blocks`` on the current stream.

        Raises:
            OutOfMemoryError: the driver has no memory for it.
            RuntimeError: the driver refuses the launch, and why.
        """
        held = [
            ctypes.c_void_p(each.data_ptr()) if isinstance(each, Tensor) else ctypes.c_int(each) for each in arguments
        ]
        addresses = (ctypes.c_void_p * len(held))(*(ctypes.addressof(each) for each in held))
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        _driver(
            _cuda().cuLaunchKernel(
                self._function, blocks, 1, 1, self._threads, 1, 1, self._shared_memory, stream, addresses, None
            )
        )


def compiled(source: Path, values: Mapping[str, int]) -> ctypes.c_void_p:
    """The loaded module of ``source``, with ``values`` as its macros, for the current GPU.

    Raises:
        OSError: there is no NVRTC.
        RuntimeError: it does not compile, and the compiler's words; the driver refuses it.
    """
    major, minor = torch.cuda.get_device_capability()
    options = [f"--gpu-architecture=sm_{major}{minor}", *(f"-D{name}={value}" for name, value in values.items())]
    module = ctypes.c_void_p()
    _driver(_cuda().cuModuleLoadData(ctypes.byref(module), _binary(source, options)))
    return module


def function(module: ctypes.c_void_p, name: str) -> ctypes.c_void_p:
    """A module's function, declared extern "C"."""
    found = ctypes.c_void_p()
    _driver(_cuda().cuModuleGetFunction(ctypes.byref(found), module, name.encode()))
    return found


def _binary(source: Path, options: list[str]) -> bytes:
    compiler, program, size = _nvrtc(), ctypes.c_void_p(), ctypes.c_size_t()
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    if compiler.nvrtcCreateProgram(ctypes.byref(program), source.read_bytes(), source.name.encode(), 0, None, None):
        raise RuntimeError(f"{source.name}: NVRTC takes no program")
    try:
        if compiler.nvrtcCompileProgram(program, len(options), given):
            compiler.nvrtcGetProgramLogSize(program, ctypes.byref(size))
            said = ctypes.create_string_buffer(size.value)
            compiler.nvrtcGetProgramLog(program, said)
            raise RuntimeError(f"{source.name} does not compile: {said.value.decode()}")
        compiler.nvrtcGetCUBINSize(program, ctypes.byref(size))
        made = ctypes.create_string_buffer(size.value)
        compiler.nvrtcGetCUBIN(program, made)
        return made.raw
    finally:
        compiler.nvrtcDestroyProgram(ctypes.byref(program))


@cache
def _nvrtc() -> ctypes.CDLL:
    """NVRTC of PyTorch's own CUDA: the system's, or that of NVIDIA's wheels."""
    name = f"libnvrtc.so.{(torch.version.cuda or '').split('.')[0]}"
    try:
        return ctypes.CDLL(name)
    except OSError:
        wheels = find_spec("nvidia")
        folders = [Path(each) for each in (wheels.submodule_search_locations or [])] if wheels is not None else []
        for found in (path for folder in folders for path in sorted(folder.glob(f"*/lib/{name}"))):
            return ctypes.CDLL(str(found))
        raise


@cache
def _cuda() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


def _driver(result: int) -> None:
    if result == _OUT_OF_MEMORY:
        raise torch.OutOfMemoryError("CUDA out of memory, while a kernel was loaded or launched")
    if result:
        said = ctypes.c_char_p()
        _cuda().cuGetErrorString(result, ctypes.byref(said))
        raise RuntimeError(f"CUDA driver: {said.value.decode() if said.value else f'error {result}'}")
