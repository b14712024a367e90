from __future__ import annotations

from pathlib import Path

from hico_platform import __version__
from hico_platform.worker import datasets
from hico_platform.worker.datasets import code_version, dataset, located, portable


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
