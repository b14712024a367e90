"""What a trial says of its machine, by MLflow's names."""

from __future__ import annotations

import psutil
import pytest

from hico_platform.worker.system_metrics import SWITCH, system_sampler


def test_cpu_and_memory_by_the_names_that_mlflow_shows() -> None:
    found = system_sampler()()
    assert set(found) == {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
        "system/process_cpu_utilization_percentage",
        "system/process_memory_usage_megabytes",
    }
    assert 0 < found["system/process_memory_usage_megabytes"] < found["system/system_memory_usage_megabytes"] * 10
    assert 0 < found["system/system_memory_usage_percentage"] <= 100


def test_memory_is_in_megabytes_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = system_sampler()
    held = type("Memory", (), {"rss": 3_000_000})()
    monkeypatch.setattr(psutil.Process, "memory_info", lambda self: held)
    assert sample()["system/process_memory_usage_megabytes"] == 3.0


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "off")
    assert system_sampler()() == {}


def test_a_system_that_tells_nothing_fails_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = system_sampler()

    def refuse() -> None:
        raise PermissionError("/proc")

    monkeypatch.setattr(psutil, "virtual_memory", refuse)
    assert sample() == {}
