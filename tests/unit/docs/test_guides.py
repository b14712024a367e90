"""The plug-ins whose code the guides print: as they stand there, they do what the guides say."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def printed(page: str, monkeypatch: pytest.MonkeyPatch, block: int = 0) -> ModuleType:
    """The code on a page as a module."""
    source = BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))[block]
    module = ModuleType(f"printed_{page.replace('/', '_').replace('-', '_').removesuffix('.md')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    exec(compile(source, page, "exec"), module.__dict__)
    return module


def test_the_encoder_keeps_granularities_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = printed("guides/new-encoder.md", monkeypatch).Mixer(width=8, layers=2, heads=1, dropout=0.0).eval()
    tokens = torch.randn(6, 3, 8)
    encoded = encoder(tokens, (4, 2))
    assert encoded.shape == tokens.shape
    tokens[4:] = 0.0
    assert torch.equal(encoder(tokens, (4, 2))[:4], encoded[:4])


def test_the_reader_reads_its_files_and_names_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hico_platform.data.readers import ReadOptions
    from hico_platform.errors import DataError

    module = printed("guides/new-reader.md", monkeypatch)
    pose = np.random.default_rng(0).normal(size=(5, 60)).round(4)
    np.savetxt(tmp_path / "wave_anna_1.mine", pose, fmt="%.4f")
    (tmp_path / "walk_ben_1.mine").write_text("1 2 three\n")
    assert module.FORMAT.recognises(tmp_path, ReadOptions()) == "files that end in .mine"
    source = module.FORMAT(tmp_path, ReadOptions())
    assert source.class_names == ("walk", "wave")
    torn, sound = source.plan().items
    with pytest.raises(DataError, match=r"walk_ben_1\.mine: expected 60 numbers a line, got .*; record it again"):
        list(source.read(torn))
    [read] = source.read(sound)
    assert (read.name, read.label, read.metadata) == ("wave_anna_1", 1, {"subject": "anna"})
    np.testing.assert_allclose(read.pose, pose.reshape(5, 1, 20, 3), atol=1e-6)


def test_the_task_counts_the_nearest_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from hico_platform.config.trial import EvaluationConfig
    from hico_platform.evaluate.data import EvalFeatures, Evaluated

    module = printed("guides/new-task.md", monkeypatch)
    features = EvalFeatures(
        train=torch.tensor([[1.0, 0.0], [2.0, 0.2], [0.0, 1.0]]),
        eval=torch.tensor([[5.0, 0.1], [0.1, 5.0], [4.0, 1.0], [1.0, 0.0]]),
    )
    data = SimpleNamespace(train_labels=torch.tensor([3, 3, 7]), eval_labels=torch.tensor([3, 7, 7, 3]))
    evaluated = Evaluated(data=data, features=features, config=EvaluationConfig())
    task = module.NearestMean()
    assert task.missing(evaluated) is None
    assert task.run(evaluated).scores["nearest_mean_top1"].value == pytest.approx(0.75)


def test_the_sampler_and_the_scheduler_follow_from_what_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    from hico_platform.enums import Decision

    module = printed("guides/new-policy.md", monkeypatch)
    assert type(module.dice(None, 3)).__name__ == "RandomSampler"
    half = module.Half(None, 10)
    assert half.report_epochs == (5, 10)
    curves = {0: {5: 0.4}, 1: {5: 0.6}, 2: {}}
    assert half.decide(number=2, epoch=5, value=0.3, curves=curves) is Decision.STOP
    assert half.decide(number=2, epoch=5, value=0.5, curves=curves) is Decision.CONTINUE
    assert half.decide(number=2, epoch=5, value=0.1, curves={}) is Decision.CONTINUE
    assert half.decide(number=2, epoch=10, value=0.1, curves={0: {10: 0.9}}) is Decision.CONTINUE
