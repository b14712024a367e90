from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from hico_platform import __version__
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.sequence import Sequence
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store_writer import StoreWriter
from hico_platform.enums import Part
from hico_platform.errors import DataError
from hico_platform.worker import datasets
from hico_platform.worker.datasets import (
    Dataset,
    check_labels,
    check_overlap,
    code_version,
    dataset,
    located,
    portable,
    with_usual_protocol,
)
from tests.small import small_store


def test_a_folder_is_named_by_its_whole_path_and_an_address_as_it_is(tmp_path: Path) -> None:
    assert dataset("ntu60", protocol="xsub", home=tmp_path).location == str(Path.cwd() / "ntu60")
    assert dataset("s3://bucket/ntu60", protocol="xsub", home=tmp_path).location == "s3://bucket/ntu60"


def test_the_code_version_names_the_commit_where_it_is_known(monkeypatch: object) -> None:
    monkeypatch.setenv("HICO_COMMIT", "abc123")  # type: ignore[attr-defined]
    assert code_version() == f"{__version__}+abc123"
    monkeypatch.delenv("HICO_COMMIT")  # type: ignore[attr-defined]
    monkeypatch.setattr(datasets, "_commit", lambda: None)  # type: ignore[attr-defined]
    assert code_version() == __version__


def test_datasets_inside_the_home_move_with_it(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    recorded = portable(str(one / "data" / "tiny-0"), home=one)
    assert recorded == "home:data/tiny-0"
    assert located(recorded, home=other) == str(other / "data" / "tiny-0")
    for outside in ("/data/ntu60", "s3://bucket/ntu60"):
        assert located(portable(outside, home=one), home=other) == outside


def test_a_generated_dataset_that_an_older_version_recorded_by_its_whole_path_is_this_homes(tmp_path: Path) -> None:
    assert located("/old/data/embedded-0", home=tmp_path) == "/old/data/embedded-0"
    for name in ("embedded-0", "ntu60"):
        (tmp_path / "data" / name).mkdir(parents=True)
    assert located("/old/data/embedded-0", home=tmp_path) == str(tmp_path / "data" / "embedded-0")
    assert located("/old/data/ntu60", home=tmp_path) == "/old/data/ntu60"


def test_a_generated_dataset_that_another_machine_lacks_is_made_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's home may be on a disk of its own; only the location travels."""
    made: list[str] = []

    def synthesise(directory: Path, *, preset: object, seed: int, progress: object) -> None:
        made.append(directory.name)
        given(directory, tmp_path, a=("train", 1), b=("train", 2), c=("val", 3), d=("test", 4))

    monkeypatch.setattr(datasets, "synthesise", synthesise)
    for name in ("embedded-0", "transfer-0", "embedded-0"):
        location = str(tmp_path / "data" / name)
        store, _ = Dataset(location=location, protocol="given", cache=tmp_path / "cache").open()
        assert len(store) == 4
    assert made == ["embedded-0", "transfer-0"]
    for elsewhere in (tmp_path / "data" / "mine", tmp_path / "other" / "data" / "embedded-0"):
        with pytest.raises(DataError, match="expected a prepared dataset"):
            Dataset(location=str(elsewhere), protocol="given", cache=tmp_path / "cache").open()


def given(folder: Path, cache: Path, **seeds: tuple[str, int]) -> Dataset:
    """A store under its column ``split``; equal seeds make equal poses."""
    with StoreWriter(
        folder, dataset=folder.name, layout=KINECT_V2, class_names=["a"], provenance={}, normalisation=None
    ) as writer:
        for name, (part, seed) in seeds.items():
            pose = np.random.default_rng(seed).standard_normal((4, 1, 25, 3)).astype(np.float32)
            writer.add(Sequence(name=name, label=0, pose=pose, metadata={"split": part}))
    return Dataset(location=str(folder), protocol="given", cache=cache)


def test_what_is_both_pretrained_on_and_scored_is_refused_unless_allowed(tmp_path: Path) -> None:
    clean = given(tmp_path / "clean", tmp_path, a=("train", 1), b=("train", 2), c=("val", 3), d=("test", 4))
    assert check_overlap(clean, None, allowed=False) == 0
    leaking = given(tmp_path / "leaking", tmp_path, a=("train", 1), b=("train", 4), c=("val", 1), d=("test", 4))
    with pytest.raises(DataError, match=r"data: expected no sequence of leaking \(given\) both .* got '2 \(c, d\)'"):
        check_overlap(leaking, None, allowed=False)
    assert check_overlap(leaking, None, allowed=True) == 2


def test_a_transfer_target_may_not_be_tested_on_what_was_pretrained_on(tmp_path: Path) -> None:
    source = given(tmp_path / "source", tmp_path, a=("train", 1), b=("train", 2), c=("val", 3), d=("test", 4))
    target = given(tmp_path / "target", tmp_path, x=("train", 2), y=("val", 3), z=("test", 3), w=("train", 9))
    # c is trained on only in retraining, which scores the test part: z leaks, and y, a search's, does not.
    with pytest.raises(
        DataError, match=r"transfer: expected no sequence of target .* got '1 \(z\)'; .*--allow-overlap"
    ):
        check_overlap(source, target, allowed=False)
    assert check_overlap(source, target, allowed=True) == 1


def test_data_without_labels_is_all_trained_on_unless_a_protocol_is_named(tmp_path: Path) -> None:
    small_store(tmp_path / "none", count=8, unlabelled=range(8))
    small_store(tmp_path / "some", count=8, unlabelled=range(7))
    for name, protocol in (("none", "all"), ("some", "xsub")):
        assert with_usual_protocol(dataset(str(tmp_path / name), protocol="xsub", home=tmp_path)).protocol == protocol


@pytest.mark.parametrize("part", [Part.VAL, Part.TEST])
def test_data_with_too_few_labels_to_score_on_are_refused(tmp_path: Path, part: Part) -> None:
    def opened(name: str, unlabelled: set[int]) -> Dataset:
        small_store(tmp_path / name, unlabelled=unlabelled)
        return Dataset(location=str(tmp_path / name), protocol="odd-subjects", cache=tmp_path)

    check_labels(opened("whole", set()), field="data", part=part)
    check_labels(opened("two", {i for i in range(48) if i % 4 > 1}), field="data", part=part)
    with pytest.raises(DataError, match=r"data: expected .* of at least 2 classes .*, got '1 classes; 12 of"):
        check_labels(opened("one", {i for i in range(48) if i % 4}), field="data", part=part)
    with pytest.raises(DataError, match=r"transfer: expected .*, got '0 classes; 0 of 48 .*; .* or use pretrain"):
        check_labels(opened("none", set(range(48))), field="transfer", part=part)


def test_where_validation_is_pretrained_on_a_target_may_not_validate_on_it(tmp_path: Path) -> None:
    source = given(tmp_path / "source", tmp_path, a=("train", 1), b=("train", 2), c=("val", 3), d=("test", 4))
    assert check_overlap(source, None, allowed=False, on_all=True) == 0, "its own validation part is no accident"
    target = given(tmp_path / "target", tmp_path, x=("train", 5), y=("val", 3), z=("test", 6))
    assert check_overlap(source, target, allowed=False) == 0
    with pytest.raises(DataError, match=r"transfer: expected no sequence of target .* got '1 \(y\)'"):
        check_overlap(source, target, allowed=False, on_all=True)


def test_what_is_fixed_is_opened_as_it_was_or_not_at_all(tmp_path: Path) -> None:
    """Trials begin hours after one another, each with the data and the rule of the first."""
    rule = tmp_path / "rule.yaml"
    rule.write_text("train: {subject: [0, 1]}\ntest: {subject: 5}\n")
    store = small_store(tmp_path / "store")
    fixed = Dataset(location=str(tmp_path / "store"), protocol=str(rule), cache=tmp_path).fixed()
    assert fixed.digest == store.digest
    rule.write_text("train: {subject: [2, 3, 4]}\n")
    _, split = fixed.open()
    assert set(store.column("subject")[split.train_and_val].tolist()) == {0, 1}
    assert fixed.fixed() == fixed
    rule.unlink()
    assert fixed.open()[1].train.tolist() == split.train.tolist(), "a worker elsewhere does not have the file"
    shutil.rmtree(tmp_path / "store")
    small_store(tmp_path / "store", seed=1)
    with pytest.raises(DataError, match=rf"store: digest: expected the data that this began with, {store.digest[:12]}"):
        fixed.open()
    with pytest.raises(DataError):
        fixed.open_with_test(Purpose.COUNTS)
    by_name = Dataset(location=str(tmp_path / "store"), protocol="odd-subjects", cache=tmp_path).fixed()
    assert (by_name.written, by_name.rule_digest) == ("", None)
