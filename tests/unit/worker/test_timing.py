from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint_files import keep_encoder_alone
from hico_platform.enums import Decision
from hico_platform.trial import run_trial
from hico_platform.worker import timing
from hico_platform.worker.timing import time_trials
from tests.small import small_config, small_split, small_store
from tests.unit.worker.test_gpu_memory import Data


@pytest.mark.slow
def test_an_epoch_is_scaled_from_a_few_steps_and_evaluation_from_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = small_split(small_store(tmp_path / "store"))
    data = Data(split)
    monkeypatch.setattr(timing, "_seconds", lambda work: (work(), 2.0)[1])
    whole = time_trials([small_config(), small_config(model__encoder="lstm")], data=data, cpus=1, gpus=0)
    assert whole.epoch_s > 0
    assert (whole.report_s, whole.evaluation_s) == (2.0, 2.0)
    monkeypatch.setattr(timing, "MOST_SEQUENCES", (len(split.train) + len(split.eval)) // 2)
    half = time_trials([small_config()], data=data, cpus=1, gpus=0)
    assert half.report_s == pytest.approx(4.0, rel=0.1)


@pytest.mark.slow
def test_only_a_few_steps_of_each_configuration_are_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = small_split(small_store(tmp_path / "store"))
    config = small_config(budget__batch_size=2)
    trained: list[int] = []
    train = timing.TrainingSession.train

    def counted(self: timing.TrainingSession, **options: object) -> object:
        trained.append(len(options["sequences"]))  # type: ignore[arg-type]
        return train(self, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(timing.TrainingSession, "train", counted)
    time_trials([config, config], data=Data(split), cpus=1, gpus=0)
    assert trained == [min(len(split.train), timing.STEPS * 2)] * 2


@pytest.mark.slow
def test_the_bytes_of_a_checkpoint_are_those_that_a_trial_writes(tmp_path: Path) -> None:
    split = small_split(small_store(tmp_path / "store"))
    config = small_config()
    found = time_trials([config], data=Data(split), cpus=1, gpus=0)
    outcome = run_trial(
        config, split=split, target=None, directory=tmp_path / "run", report_epochs=(),
        report=lambda report: Decision.CONTINUE, device=torch.device("cpu"),
    )  # fmt: skip
    tensors = outcome.checkpoint / "state.safetensors"
    assert found.checkpoint_bytes == pytest.approx(tensors.stat().st_size, rel=0.2)
    keep_encoder_alone(outcome.checkpoint)
    assert found.encoder_bytes == pytest.approx((outcome.checkpoint / "encoder.safetensors").stat().st_size, rel=0.2)
