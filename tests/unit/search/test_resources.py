from __future__ import annotations

import pytest

from hico_platform.errors import UsageError
from hico_platform.search.resources import (
    OF_A_RETRAINING,
    TrialResources,
    check_fits,
    missing,
    trials_at_once,
    visible_gpus,
)


def test_what_fits_is_let_through() -> None:
    check_fits(TrialResources(cpus=2, gpus=0), cpus=2, gpus=0)
    check_fits(TrialResources(cpus=2, gpus=1), cpus=2, gpus=None)


def test_all_that_is_too_much_is_named_with_its_remedy() -> None:
    with pytest.raises(UsageError) as refused:
        check_fits(TrialResources(cpus=8, gpus=1), cpus=2, gpus=0)
    cpus, gpus = map(str, refused.value.problems)
    assert cpus == (
        "resources.cpus: expected at most the 2 CPUs that a search may use on this machine, got 8; "
        "give --set resources.cpus=2, or --address for a cluster with larger machines"
    )
    assert gpus == (
        "resources.gpus: expected at most the 0 GPUs that a search may use on this machine, got 1; "
        "give --set resources.gpus=0, or --address for a cluster with GPUs"
    )


def test_a_retraining_calls_them_otherwise() -> None:
    with pytest.raises(UsageError, match=r"^--cpus: expected at most the 1 CPU that.*, got 2; give --cpus 1, or"):
        check_fits(TrialResources(cpus=2, gpus=0, options=OF_A_RETRAINING), cpus=1, gpus=0)


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])
def test_gpus_that_are_hidden(visible: str) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": visible}) == 0


@pytest.mark.parametrize(
    ("trial", "nodes", "count"),
    [
        ((1, 0), [{"CPU": 2}, {"CPU": 3}], 5),
        ((2, 0), [{"CPU": 1}, {"CPU": 1}, {"CPU": 3}], 1),
        ((1, 0.4), [{"CPU": 8, "GPU": 2}], 4),
        ((4, 2), [{"CPU": 8, "GPU": 2}, {"CPU": 8}], 1),
        ((0.5, 0), [{"CPU": 2}], 4),
        ((1, 0), [], 0),
    ],
)
def test_a_trial_needs_one_machine(trial: tuple[float, float], nodes: list[dict[str, float]], count: int) -> None:
    cpus, gpus = trial
    assert trials_at_once(TrialResources(cpus=cpus, gpus=gpus), nodes) == count


def test_what_is_missing_names_the_largest_machine() -> None:
    nodes = [{"CPU": 64.0}, {"CPU": 4.0, "GPU": 1.0}]
    assert missing(TrialResources(cpus=8, gpus=1), nodes) == (
        "no machine of the cluster holds a trial: it wants 8 CPUs and 1 GPU on one machine (resources.cpus, "
        "resources.gpus), and the largest of 2 has 4 CPUs and 1 GPU; the search waits for one that does"
    )
    assert missing(TrialResources(cpus=4, gpus=1), nodes) is None
