"""The GPUs that a worker holds, by what identifies them everywhere: NVIDIA's UUIDs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

_UUID = ("GPU-", "MIG-")


def held_gpus(ids: Iterable[object], *, library: Any = None) -> tuple[str, ...]:
    """The UUIDs of the GPUs that Ray names by ``ids``: by their numbers on this machine, or by UUIDs already.

    Ray's number stays where NVIDIA's library cannot be asked. It numbers GPUs by their slots, and so does CUDA on a
    machine whose GPUs are all of one model, or with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``.

    Args:
        ids: as ``get_accelerator_ids`` gives them.
        library: NVIDIA's management library; by default the one that Ray brings.
    """
    names = tuple(str(one) for one in ids)
    if all(name.startswith(_UUID) for name in names):
        return names
    with contextlib.suppress(Exception), _nvidia(library) as nvml:  # of AMD, or without NVIDIA's driver
        return tuple(_uuid(nvml, name) for name in names)
    return names


@contextlib.contextmanager
def _nvidia(library: Any) -> Iterator[Any]:
    if library is None:
        from ray._private.thirdparty import pynvml

        library = pynvml
    library.nvmlInit()
    try:
        yield library
    finally:
        library.nvmlShutdown()


def _uuid(nvml: Any, name: str) -> str:
    if name.startswith(_UUID):
        return name
    uuid = nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(int(name)))
    return uuid.decode() if isinstance(uuid, bytes) else str(uuid)
