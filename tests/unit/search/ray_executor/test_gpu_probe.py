"""How the measurement on a GPU is waited for, without a cluster."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from hico_platform.errors import HicoError
from hico_platform.search.gpu_sharing import GpuSharing, MemoryNeed
from hico_platform.search.ray_executor import gpu_probe
from hico_platform.search.ray_executor.gpu_probe import MEASURE_S, POLL_S, WAIT_S, measured_share

NEED = MemoryNeed(trial_bytes=2**30, context_bytes=2**28, device_bytes=2**34, foreign_bytes=0, device="a GPU")


class Probe:
    """Ray, as far as it is used: ``script`` is what each look finds, ``None`` for nothing yet."""

    def __init__(self, script: list[object]) -> None:
        self.script = script
        self.cancelled = False
        self.exceptions = gpu_probe.ray.exceptions

    def cluster_resources(self) -> dict[str, float]:
        return {"GPU": 1.0}

    def remote(self, **options: object) -> object:
        return lambda call: SimpleNamespace(remote=lambda probe: self)

    def wait(self, answers: list[object], timeout: float) -> tuple[list[object], list[object]]:
        if self.script and self.script[0] is not None:
            return answers, []
        if self.script:
            self.script.pop(0)
        return [], answers

    def __next__(self) -> object:
        return self.script.pop(0)

    def get(self, answer: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cancel(self, answers: object, force: bool) -> None:
        self.cancelled = True


def measure(monkeypatch: pytest.MonkeyPatch, script: list[object]) -> tuple[float, Probe]:
    probe = Probe(script)
    monkeypatch.setattr(gpu_probe, "ray", probe)
    sharing = GpuSharing(probe=lambda: NEED, on_measured=lambda share, need: None)
    return measured_share(sharing, cpus=1, interrupted=threading.Event()), probe


def test_it_says_that_it_waits_for_a_gpu(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    share, probe = measure(monkeypatch, [None] * (int(2 * WAIT_S / POLL_S)) + ["host", None, NEED])
    assert 0 < share < 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "no GPU of the cluster is wholly free yet; resources.gpus: auto waits for one"
    ]
    assert not probe.cancelled


def test_a_measurement_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HicoError, match=r"got 'the measurement on host took more than 30 min'; give a number"):
        measure(monkeypatch, ["host"] + [None] * int(MEASURE_S / POLL_S + 2))


def test_a_measurement_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HicoError, match="got 'no CUDA device'"):
        measure(monkeypatch, ["host", gpu_probe.ray.exceptions.RaySystemError("x\nno CUDA device")])
