from __future__ import annotations

import logging
import os
from types import SimpleNamespace

import pytest

from hico_platform.errors import UsageError
from hico_platform.search.ray_executor.busy_gpus import GpuUse, busy_gpus_left_alone, gpus_in_use

GIB = 2**30


class Nvml:
    """NVIDIA's library on a machine with GPUs of 10 GiB, of which processes hold so many GiB by their numbers."""

    def __init__(self, *held: dict[int, float]) -> None:
        self.held = held
        self.open = False

    def nvmlInit(self) -> None:
        self.open = True

    def nvmlShutdown(self) -> None:
        self.open = False

    def nvmlDeviceGetCount(self) -> int:
        assert self.open
        return len(self.held)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(used=int(sum(self.held[handle].values()) * GIB), total=10 * GIB)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid, usedGpuMemory=int(gib * GIB)) for pid, gib in self.held[handle].items()]

    def nvmlDeviceGetUUID(self, handle: int) -> bytes:
        return f"GPU-{handle}".encode()

    def nvmlDeviceGetName(self, handle: int) -> str:
        return "NVIDIA L4"


def test_gpus_that_others_use_are_hidden_and_what_this_process_holds_is_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    library, environment = Nvml({7: 6.0}, {7: 0.5}, {os.getpid(): 5.0}), {"A": "b"}
    with caplog.at_level(logging.WARNING), busy_gpus_left_alone(library=library, environment=environment) as busy:
        assert environment == {"A": "b", "CUDA_VISIBLE_DEVICES": "GPU-1,GPU-2"}
    assert environment == {"A": "b"}
    assert [gpu.uuid for gpu in busy] == ["GPU-0"]
    assert "NVIDIA L4, GPU-0: 6.0 of 10.0 GiB are held by other processes; it is left alone" in caplog.text
    assert not library.open


@pytest.mark.parametrize("visible", ["0,1", ""])
def test_gpus_that_the_user_has_named_are_used_whoever_else_does(visible: str) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": visible}
    with busy_gpus_left_alone(library=Nvml({7: 9.0}), environment=environment) as busy:
        assert (busy, environment["CUDA_VISIBLE_DEVICES"]) == ((), visible)
    assert environment["CUDA_VISIBLE_DEVICES"] == visible


def test_where_all_are_busy_the_search_does_not_begin() -> None:
    with (
        pytest.raises(UsageError, match=r"expected a GPU of which others use at most a tenth, got .*6\.0 of 10\.0 GiB"),
        busy_gpus_left_alone(library=Nvml({7: 6.0}, {8: 9.0}), environment={}),
    ):
        pytest.fail("nothing is started")


@pytest.mark.parametrize("library", [Nvml(), Nvml({}), object()], ids=["no GPU", "a free one", "no driver"])
def test_where_nobody_uses_one_nothing_is_hidden(library: object) -> None:
    environment: dict[str, str] = {}
    with busy_gpus_left_alone(library=library, environment=environment) as busy:
        assert (busy, environment) == ((), {})


def test_processes_whose_memory_is_not_known_are_others() -> None:
    library = Nvml({})
    library.nvmlDeviceGetMemoryInfo = lambda handle: SimpleNamespace(used=5 * GIB, total=10 * GIB)  # type: ignore[method-assign]
    library.nvmlDeviceGetComputeRunningProcesses = (  # type: ignore[method-assign]
        lambda handle: [SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)]
    )
    (found,) = gpus_in_use(library=library)
    assert found == GpuUse(uuid="GPU-0", name="NVIDIA L4", foreign_bytes=5 * GIB, total_bytes=10 * GIB)
    assert found.is_busy
