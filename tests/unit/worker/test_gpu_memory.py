from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform.config.trial import TrialConfig
from hico_platform.enums import EncoderType
from hico_platform.search.cost import Machine
from hico_platform.search.gpu_sharing import MemoryNeed
from hico_platform.trial import TrainEvalSplit
from hico_platform.worker import gpu_memory
from hico_platform.worker.gpu_memory import greedy_configs, machine_with_gpus, measure_need
from hico_platform.worker.run_task import TrialData
from tests.small import small_config, small_split, small_store
from tests.toy import toy_space


class CpuMeter:
    """Counts what a model of the configuration weighs, as if that were all; a CPU stands in for the GPU."""

    peaks: list[int]

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.peaks = []

    def start(self) -> None:
        pass

    def peak_bytes(self) -> int:
        self.peaks.append(len(self.peaks) + 1)
        return self.peaks[-1]

    def need(self, trial_bytes: int) -> MemoryNeed:
        return MemoryNeed(trial_bytes=trial_bytes, context_bytes=1, device_bytes=100, foreign_bytes=0, device="cpu")


class Data(TrialData):
    """Small splits."""

    def __init__(self, split: TrainEvalSplit) -> None:
        object.__setattr__(self, "_split", split)

    def splits(self) -> tuple[TrainEvalSplit, TrainEvalSplit | None]:
        return self._split, self._split


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(small_split(small_store(tmp_path / "store")))


@pytest.mark.slow
def test_each_is_trained_and_the_greediest_are_evaluated(data: Data) -> None:
    meter = CpuMeter()
    configs = [small_config(), small_config(model__encoder="lstm"), small_config(model__layers=2)]
    need = measure_need(configs, data=data, meter=lambda: meter)
    assert len(meter.peaks) == 3 + 2
    assert need.trial_bytes == 5


def test_one_that_does_not_fit_counts_as_the_whole_device(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*arguments: object, **more: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gpu_memory, "begin_session", out_of_memory)
    assert measure_need([small_config()], data=data, meter=CpuMeter).trial_bytes == 100


@pytest.mark.parametrize(
    ("free_beside", "later", "foreign", "context"),
    [
        (70, 30, 10, 20),  # a second context takes 10 of the 20 that are used: others hold 10; training loads 10 more
        (60, 30, 0, 30),
        (None, 30, 0, 30),  # what cannot be told apart counts as the trial's own
        (70, 55, 10, 10),  # others gave memory back meanwhile
    ],
)
def test_what_others_hold_is_told_from_the_context(
    monkeypatch: pytest.MonkeyPatch, free_beside: int | None, later: int, foreign: int, context: int
) -> None:
    free = iter([80, later])
    monkeypatch.setattr(gpu_memory, "_open", lambda device: None)
    monkeypatch.setattr(gpu_memory, "_free_beside", lambda: free_beside)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (next(free), 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 40)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    need = gpu_memory.CudaMeter().need(35)
    assert (need.foreign_bytes, need.context_bytes) == (foreign, context)
    assert (need.trial_bytes, need.device_bytes, need.device) == (35, 100, "a GPU")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu(data: Data) -> None:
    need = measure_need([small_config(), small_config(model__hidden_width=64)], data=data)
    assert 0 < need.trial_bytes < need.device_bytes
    assert 0 < need.context_bytes < 4 * 2**30


class TestGreedyConfigs:
    def find(self, **search: object) -> tuple[TrialConfig, ...]:
        return greedy_configs(toy_space(search=search))

    def test_the_highest_numbers_with_every_choice(self) -> None:
        configs = self.find(
            **{
                "model.encoder": {"choice": ["gru", "lstm", "transformer"]},
                "model.layers": {"low": 1, "high": 3},
                "contrast.queue_size": {"choice": [256, 1024, 512]},
            }
        )
        for encoder in EncoderType:
            assert any(
                (config.model.encoder, config.model.layers, config.contrast.queue_size) == (encoder, 3, 1024)
                for config in configs
            )

    def test_what_does_not_matter_is_measured_once(self) -> None:
        configs = self.find(
            **{
                "contrast.temperature": {"low": 0.05, "high": 0.5},
                "contrast.level_weights": {"simplex": ["clip", "part"], "sum": 2},
                "optimiser.learning_rate": {"low": 0.001, "high": 0.1},
            }
        )
        assert len(configs) == 1

    def test_many_choices_are_sampled(self) -> None:
        configs = self.find(
            **{
                "model.encoder": {"choice": ["gru", "lstm", "transformer"]},
                "views.stream": {"choice": ["joint", "bone", "motion"]},
                "contrast.queue_wrap": {"choice": ["full", "released"]},
                "optimiser.name": {"choice": ["sgd", "adamw"]},
            }
        )
        assert len(configs) <= 1 + gpu_memory.MOST_COMBINATIONS + gpu_memory.DRAWN
        assert {config.model.encoder for config in configs} == set(EncoderType)

    def test_a_constraint_that_forbids_the_highest(self) -> None:
        space = toy_space(
            search={"model.layers": {"low": 1, "high": 4}, "model.granularities": {"low": 1, "high": 4}},
            constraints=["model.layers * model.granularities <= 8"],
        )
        configs = greedy_configs(space)
        assert configs
        assert all(config.model.layers * config.model.granularities <= 8 for config in configs)


def test_a_machine_without_gpus_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    space = toy_space(resources={"gpus": "auto"})
    machine = machine_with_gpus(space, Machine(cpus=4, gpus=0), probe=lambda: pytest.fail("measured"))
    assert (machine.gpus, machine.gpus_per_trial) == (0, 0.0)


def test_a_machine_with_gpus_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    need = MemoryNeed(trial_bytes=10, context_bytes=5, device_bytes=100, foreign_bytes=0, device="a GPU")
    machine = machine_with_gpus(toy_space(resources={"gpus": "auto"}), Machine(cpus=4, gpus=0), probe=lambda: need)
    assert (machine.gpus, machine.gpus_per_trial) == (2, 0.1666)
