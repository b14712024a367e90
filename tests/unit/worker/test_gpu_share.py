"""A device that stands in for a GPU; the last test wants a real one."""

from __future__ import annotations

import pytest
import torch

from hico_platform.errors import Problem, TrainingError
from hico_platform.train.guards import memory_explained
from hico_platform.worker.gpu_share import hold_to_share, share_explained
from tests.small import small_config

GPU = torch.device("cuda", 0)
FULL = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139.80 GiB. 31.46 GiB allowed; ..."
)


def test_a_trial_is_held_to_its_share_less_the_margin_and_a_whole_gpu_is_whole() -> None:
    limits: list[tuple[float, torch.device]] = []
    for gpus in (0.25, 1.0, 0.5, 2.0):  # a worker runs trials one after another
        hold_to_share(gpus, GPU, limit=lambda fraction, device: limits.append((fraction, device)))
    assert limits == [(pytest.approx(0.225), GPU), (1.0, GPU), (pytest.approx(0.45), GPU), (1.0, GPU)]
    hold_to_share(0.25, torch.device("cpu"), limit=lambda *given: pytest.fail("a CPU has no limit"))


def test_a_trial_over_its_share_fails_with_the_share_and_what_to_do() -> None:
    with (
        pytest.raises(TrainingError) as caught,
        share_explained(0.25, GPU),
        memory_explained(small_config()),
    ):
        raise torch.OutOfMemoryError(FULL)
    text = str(caught.value)
    assert "resources.gpus: expected a trial within its share of a GPU, 0.25 of the memory" in text
    assert "22.5%" in text
    assert "31.46 GiB allowed" in text
    assert "give a larger resources.gpus, or auto" in text


@pytest.mark.parametrize(("gpus", "device"), [(1.0, GPU), (0.25, torch.device("cpu"))])
def test_a_whole_gpu_and_a_cpu_are_explained_as_before(gpus: float, device: torch.device) -> None:
    with (
        pytest.raises(TrainingError, match=r"^budget\.batch_size"),
        share_explained(gpus, device),
        memory_explained(small_config()),
    ):
        raise torch.OutOfMemoryError(FULL)


def test_other_errors_stay() -> None:
    with pytest.raises(TrainingError, match="a finite loss"), share_explained(0.25, GPU):
        raise TrainingError(Problem(rule="a finite loss", remedy="lower optimiser.learning_rate"))
    with pytest.raises(ValueError, match="shapes"), share_explained(0.25, GPU):
        raise ValueError("shapes")


@pytest.mark.gpu
def test_a_gpu_gives_no_more_than_the_share() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    total = torch.cuda.mem_get_info(GPU)[1]
    hold_to_share(0.1, GPU)
    try:
        torch.empty(int(total * 0.05), dtype=torch.uint8, device=GPU)
        with pytest.raises(torch.OutOfMemoryError, match="allowed"):
            torch.empty(int(total * 0.095), dtype=torch.uint8, device=GPU)
    finally:
        hold_to_share(1.0, GPU)
        torch.cuda.empty_cache()
