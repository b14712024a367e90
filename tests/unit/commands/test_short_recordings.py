from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.commands.dry_run import dry_run
from hico_platform.commands.search_inputs import search_inputs
from hico_platform.commands.short_recordings import crop_warning, least_crop_frames
from hico_platform.config.space import CheckedSpace, check
from hico_platform.config.yaml_loader import Document
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.sequence import Sequence
from hico_platform.data.store_writer import StoreWriter
from hico_platform.home import HomePaths
from hico_platform.worker.datasets import Dataset
from tests.small import small_store
from tests.toy import toy_space


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("made")
    small_store(folder / "store", count=48)
    return Dataset(location=str(folder / "store"), protocol="odd-subjects", cache=folder / "cache")


def median(source: Dataset) -> int:
    store, split = source.open()
    return int(np.sort(store.num_frames[split.train])[(len(split.train) - 1) // 2])


def test_half_of_the_training_sequences_decide(source: Dataset) -> None:
    frames = median(source)
    assert crop_warning(source, min_crop_frames=frames) is None
    warning = crop_warning(source, min_crop_frames=90)
    assert warning is not None
    assert "shorter than views.min_crop_frames, 90, are never cropped in time" in warning
    assert warning.endswith("; set it to 8")


def test_what_is_shorter_than_eight_frames_has_no_remedy(tmp_path: Path) -> None:
    with StoreWriter(
        tmp_path / "store", dataset="short", layout=KINECT_V2, class_names=["a", "b"], provenance={}, normalisation=None
    ) as writer:
        for i in range(24):
            pose = np.ones((5, 1, 25, 3), np.float32) * i
            writer.add(Sequence(name=f"S{i}", label=i % 2, pose=pose, metadata={"subject": i // 4}))
    source = Dataset(location=str(tmp_path / "store"), protocol="odd-subjects", cache=tmp_path / "cache")
    warning = crop_warning(source, min_crop_frames=8)
    assert warning is not None
    assert warning.startswith("half of the sequences have at most 5 frames")
    assert "set it to" not in warning


def space(**search: object) -> CheckedSpace:
    base = {"views": {"min_crop_frames": 40}}
    return check(Document(data={"name": "one", "base": base, "search": search}))


def test_the_smallest_value_of_a_space_counts() -> None:
    temperature = {"contrast.temperature": {"low": 0.1, "high": 0.5}}
    assert least_crop_frames(space(**temperature)) == 40
    assert least_crop_frames(space(**{"views.min_crop_frames": {"choice": [64, 8, 16]}})) == 8
    assert least_crop_frames(space(**{"views.min_crop_frames": {"low": 12, "high": 80}})) == 12


def test_a_search_and_its_dry_run_are_warned(tmp_path: Path, source: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    small_store(tmp_path / "home" / "data" / "transfer-0")  # stands for the generated one
    short = toy_space(batch_size=4, protocol="odd-subjects", transfer_protocol="odd-subjects")
    inputs = search_inputs(short, home=tmp_path / "home", data=source.location)
    assert short.base.views.min_crop_frames == 64 > median(source)
    assert crop_warning(source, min_crop_frames=64) in inputs.warnings
    monkeypatch.setattr("hico_platform.worker.timing.time_trials", lambda configs, **options: None)
    plan = dry_run(short, paths=HomePaths(home=tmp_path / "home"), name="toy", data=source.location)
    assert plan.warnings == inputs.warnings
    assert plan.as_dict()["warnings"] == list(inputs.warnings)
    fits = toy_space(
        batch_size=4,
        protocol="odd-subjects",
        transfer_protocol="odd-subjects",
        search={"views.min_crop_frames": {"choice": [8, 64]}},
    )
    others = search_inputs(fits, home=tmp_path / "home", data=source.location).warnings
    assert not any("min_crop_frames" in warning for warning in others)
