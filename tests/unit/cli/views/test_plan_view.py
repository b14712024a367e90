from __future__ import annotations

import dataclasses

import pytest

from hico_platform.cli.views.plan_view import print_plan
from hico_platform.search.search_plan import SearchPlan

PLAN = SearchPlan(
    limit=20,
    origins=("released", "sampler"),
    first=({"contrast.temperature": 0.2, "model.encoder": "transformer"}, {"contrast.temperature": 0.0123}),
    rungs={1: 20.0, 3: 6.6666},
    epochs=66.6,
    epochs_without_stopping=180,
    workers=2,
    seconds_per_epoch=30.0,
    seconds_evaluating=60.0,
    gpus=0.25,
)


def shown(capsys: pytest.CaptureFixture[str], **changed: object) -> str:
    print_plan(dataclasses.replace(PLAN, **changed))
    return capsys.readouterr().out


def test_a_whole_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys).splitlines() == [
        "first trials:",
        "  0  released:    temperature 0.2, encoder transformer",
        "  1  sampler:     temperature 0.0123",
        "expected trials at each report:",
        "  epoch 1: 20.0, epoch 3: 6.7",
        "expected epochs: 67 of 180 without stopping",
        "GPUs: 0.25 a trial",
        "checkpoints: all are kept (keep: in the space keeps fewer); give --data to measure their bytes",
        # (66.6 epochs * 30 s + 20 trials * 60 s) / 2 workers = 1599 s
        "time: about 27 min with 2 trials at once, 0.2 GPU-hours",
        "  30.0 s an epoch, 60.0 s of evaluation a trial, alone on this machine",
    ]


def test_warnings_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, warnings=("half of them are short",)).splitlines()
    assert lines[:2] == ["warning: half of them are short", "first trials:"]


@pytest.mark.parametrize(("gpus", "line"), [(None, "GPUs: measured when the search begins"), (0.0, "")])
def test_gpus_that_are_not_known_and_none(gpus: float | None, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, gpus=gpus)
    assert ("\nGPUs: " in text) == bool(line)
    assert line in text
    assert ("GPU-hours" in text) == (gpus is not None)


def test_without_data_nothing_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    last = shown(capsys, seconds_per_epoch=None, seconds_evaluating=None).splitlines()[-1]
    assert last == "time: give --data to time a few steps of the first trials on this machine"


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0.0001, "1 min"),
        (1.49, "89 min"),
        (1.5, "1.5 hours"),
        (47.9, "47.9 hours"),
        (48.0, "2.0 days"),
        (240.0, "10.0 days"),
    ],
)
def test_durations_are_in_units_that_people_use(hours: float, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, epochs=1.0, workers=1, limit=1, seconds_per_epoch=hours * 3600, seconds_evaluating=0.0)
    assert f"time: about {said} with 1 trial at once" in text


def test_bytes_on_disk(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"checkpoint_bytes": 2**20, "encoder_bytes": 2**18}
    # all: 20 trials * 2 checkpoints; while it runs two more for each of 2 workers
    line = "all are kept (keep: in the space keeps fewer); about 40.0 MiB on disk at the end, at most 44.0 MiB"
    assert line in shown(capsys, kept=(20.0, 0.0), **known)
    # 5 whole and 15 encoders of a quarter MiB
    line = "checkpoints: 5.0 kept whole, 15.0 as encoders alone; about 8.8 MiB on disk at the end, at most 12.8 MiB"
    assert line in shown(capsys, kept=(5.0, 15.0), keeps_all=False, **known)
