from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform.config.trial import EvaluationConfig
from hico_platform.enums import Clusters, Signal
from hico_platform.evaluate.data import of_raw_pose
from hico_platform.evaluate.tasks.knn import Knn
from hico_platform.worker import timing
from hico_platform.worker import validation_noise as module
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData
from hico_platform.worker.validation_noise import measure_noise
from tests.small import small_config, small_store


@pytest.fixture
def source(tmp_path: Path) -> Dataset:
    small_store(tmp_path / "store", count=96)
    return Dataset(location=str(tmp_path / "store"), protocol="odd-subjects", cache=tmp_path)


def test_the_noise_is_that_of_raw_poses_on_validation_subjects(source: Dataset) -> None:
    data = TrialData(source=source, target=None)
    found = measure_noise(small_config(), data=data)
    assert found is not None
    assert (found.sequences, found.persons) == (16, 1)
    split, _ = data.splits()
    evaluated = of_raw_pose(data=split.eval_data(small_config(), device=torch.device("cpu")), config=EvaluationConfig())
    assert found.score == Knn().run(evaluated).values()["knn_top1"]
    assert found.standard_error == pytest.approx((found.score * (1 - found.score) / 16) ** 0.5)
    assert found.is_coarse


def test_with_knn_subjects_it_is_that_of_all_training_subjects(source: Dataset) -> None:
    found = measure_noise(small_config(), data=TrialData(source=source, target=None, signal=Signal.KNN_SUBJECTS))
    assert found is not None
    assert (found.sequences, found.persons, found.signal) == (48, 3, Signal.KNN_SUBJECTS)


def test_of_many_sequences_a_part_is_measured_and_its_noise_scaled(
    source: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = TrialData(source=source, target=None)
    monkeypatch.setattr(timing, "MOST_SEQUENCES", 24)
    found = measure_noise(small_config(), data=data)
    assert found is not None
    assert found.sequences == 16
    assert found.standard_error == pytest.approx((found.score * (1 - found.score) / 8) ** 0.5 / 2**0.5)


def test_many_sequences_of_many_people_are_not_measured(source: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW_SEQUENCES", 15)
    monkeypatch.setattr(module, "FEW_PERSONS", 1)
    assert measure_noise(small_config(), data=TrialData(source=source, target=None)) is None


def test_many_sequences_of_one_person_are_measured_all_the_same(
    source: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW_SEQUENCES", 15)
    found = measure_noise(small_config(), data=TrialData(source=source, target=None))
    assert found is not None
    assert (found.sequences, found.persons, found.clusters) == (16, 1, Clusters.PERSONS)
