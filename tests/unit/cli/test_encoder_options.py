from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch

from hico_platform.cli import encoder_options as module
from hico_platform.cli.encoder_options import TRACKING_FILE, not_in_the_file, tracking_of, use_machine
from hico_platform.enums import Stream
from hico_platform.errors import UsageError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    module.add_tracking(parser)
    module.add_not_in_the_file(parser)
    module.add_machine(parser)
    parser.add_argument("--home", type=Path)
    return parser.parse_args(words)


@pytest.fixture(autouse=True)
def _own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_what_a_released_file_does_not_say() -> None:
    said = not_in_the_file(parsed("--stream", "bone", "--heads", "8", "--layout", "kinect-v1"))
    assert (said.stream, said.heads, said.layout) == (Stream.BONE, 8, "kinect-v1")
    nothing = not_in_the_file(parsed())
    assert (nothing.stream, nothing.heads, nothing.layout) == (None, None, None)
    assert tuple(Stream) == module.STREAMS


def test_a_registered_model_wants_a_store_and_none_is_made_for_it(tmp_path: Path) -> None:
    home = ("--home", str(tmp_path))
    with pytest.raises(UsageError, match=r"model: expected a model of a tracking store, .*--home or --tracking"):
        tracking_of("models:/x@champion", parsed(*home), field="model")
    assert not list(tmp_path.iterdir())
    assert tracking_of("models:/x@champion", parsed(*home, "--tracking", "http://host"), field="model") == "http://host"
    assert TRACKING_FILE in tracking_of(tmp_path / "folder", parsed(*home), field="model")
    (tmp_path / TRACKING_FILE).touch()
    assert TRACKING_FILE in tracking_of("models:/x@champion", parsed(*home), field="model")


def test_a_store_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    assert tracking_of("models:/x@champion", parsed("--home", str(tmp_path)), field="model") == "http://other"


def test_threads_and_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr("hico_platform.cpus.available_cpus", lambda: 7)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert use_machine(parsed()) == use_machine(parsed("--cpus", "3")) == torch.device("cpu")
    assert threads == [7, 3]
    with pytest.raises(UsageError, match=r"gpus: expected a GPU that PyTorch can use, got 1.0; leave it out"):
        use_machine(parsed("--gpus", "1"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert use_machine(parsed("--gpus", "1")) == torch.device("cuda")
