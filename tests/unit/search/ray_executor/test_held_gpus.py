from __future__ import annotations

import pytest

from hico_platform.search.ray_executor.held_gpus import held_gpus


class Nvml:
    """NVIDIA's library on a machine with four GPUs."""

    def __init__(self) -> None:
        self.open = False

    def nvmlInit(self) -> None:
        self.open = True

    def nvmlShutdown(self) -> None:
        self.open = False

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if not self.open or index > 3:
            raise RuntimeError("no such device")
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> bytes:
        return f"GPU-{handle}".encode()


def test_numbers_become_uuids_and_uuids_stay() -> None:
    library = Nvml()
    assert held_gpus(["2", 3, "MIG-a"], library=library) == ("GPU-2", "GPU-3", "MIG-a")
    assert not library.open
    assert held_gpus(["GPU-9"], library=None) == ("GPU-9",)
    assert held_gpus([]) == ()


@pytest.mark.parametrize("library", [Nvml(), object()], ids=["unknown number", "no driver"])
def test_a_number_stays_where_the_library_does_not_know_it(library: object) -> None:
    assert held_gpus(["7"], library=library) == ("7",)
