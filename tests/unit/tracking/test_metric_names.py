"""The names by which people find metrics in the tracking store."""

from __future__ import annotations

import pytest

from hico_platform.tracking.base import Run, RunStatus
from hico_platform.tracking.metric_names import GROUPED, NAMES_TAG, MetricNames, grouped, plain


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("knn_top1", "val/knn_top1"),
        ("knn_top1_standard_error", "val/knn_top1_standard_error"),
        ("retrieval_map", "val/retrieval_map"),
        ("loss", "train/loss"),
        ("loss_domain", "train/loss_domain"),
        ("sequences_per_s", "train/sequences_per_s"),
        ("transfer_top1", "transfer/top1"),
        ("transfer_regularised_top1", "transfer/regularised_top1"),
        ("parameters", "model/parameters"),
    ],
)
def test_each_metric_has_its_group_and_finds_back(name: str, shown: str) -> None:
    assert grouped(name) == shown
    assert grouped(shown) == shown
    assert plain(shown) == name
    assert plain(name) == name, "as earlier versions wrote it"


def test_a_metric_of_the_system_keeps_the_name_that_mlflow_gives_it() -> None:
    assert grouped("system/gpu_0_utilization_percentage") == "system/gpu_0_utilization_percentage"
    assert plain("system/gpu_0_utilization_percentage") == "system/gpu_0_utilization_percentage"


def run(key: str, **tags: str) -> Run:
    return Run(run_id=key, key=key, status=RunStatus.KILLED, tags=tags)


def test_only_the_runs_of_an_earlier_version_keep_plain_names() -> None:
    new = {"a@1": run("a@1", **{NAMES_TAG: GROUPED}), "a@2": run("a@2")}
    assert MetricNames.of_runs(new, key="a@1").are_grouped, "another search of the name is another matter"
    assert not MetricNames.of_runs(new, key="a@2").are_grouped
    assert not MetricNames.of_runs({"a@3/0": run("a@3/0")}, key="a@3").are_grouped, "the search's own run was deleted"
    assert MetricNames.of_runs({}, key="a@1").are_grouped


def test_names_of_an_earlier_version() -> None:
    names = MetricNames(are_grouped=False)
    assert names.of_trial({"loss": 1.0, "knn_top1": 0.5}) == {"loss": 1.0, "knn_top1": 0.5}
    assert (names.best("knn_top1"), names.of_part("test", "knn_top1")) == ("best_knn_top1", "test_knn_top1")
    assert names.of_entry("raw_pose", "seeds") == "raw_pose_seeds"
    assert not names.tags
