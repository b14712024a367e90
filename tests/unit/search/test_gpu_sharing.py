from __future__ import annotations

import pytest

from hico_platform.search.gpu_sharing import MemoryNeed, memory_fraction, share_of_a_gpu, trials_on_a_gpu

GIB = 2**30


def need(*, trial: float, context: float = 0.5, device: float = 80, foreign: float = 0) -> MemoryNeed:
    return MemoryNeed(
        trial_bytes=int(trial * GIB),
        context_bytes=int(context * GIB),
        device_bytes=int(device * GIB),
        foreign_bytes=int(foreign * GIB),
        device="a GPU",
    )


@pytest.mark.parametrize(
    ("measured", "trials"),
    [
        (need(trial=5.5), 12),  # 72 GiB of 80 to share, 6 GiB each
        (need(trial=5.5, context=3.5), 8),
        (need(trial=5.5, foreign=12), 10),
        (need(trial=40), 1),
        (need(trial=80), 1),  # does not fit alone, and will say so itself
        (need(trial=5.5, foreign=80), 1),
        (need(trial=0, context=0, device=1 / GIB), 1),
    ],
)
def test_as_many_as_the_memory_holds(measured: MemoryNeed, trials: int) -> None:
    assert trials_on_a_gpu(measured) == trials


@pytest.mark.parametrize(
    "measured", [need(trial=5.5), need(trial=5.5, foreign=12), need(trial=1, context=0.3, device=16)]
)
def test_a_trial_as_large_as_was_measured_is_within_the_memory_that_it_may_hold(measured: MemoryNeed) -> None:
    trials = trials_on_a_gpu(measured)
    held = memory_fraction(share_of_a_gpu(trials)) * measured.device_bytes
    assert held >= measured.trial_bytes
    assert trials * held <= 0.9 * measured.device_bytes + 1
    assert memory_fraction(1.0) == memory_fraction(4.0) == 1.0


@pytest.mark.parametrize("trials", [1, 2, 3, 6, 7, 12, 31, 9_999, 10_000])
def test_so_many_shares_fit_and_not_one_more(trials: int) -> None:
    share = round(share_of_a_gpu(trials) * 10_000)
    assert share * trials <= 10_000 < share * (trials + 1) + share * trials // 100


def test_a_single_trial_holds_the_whole() -> None:
    assert share_of_a_gpu(1) == 1.0


def test_no_share_is_below_what_ray_counts() -> None:
    assert share_of_a_gpu(50_000) == 0.0001
