from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hico_platform.data import remote
from hico_platform.data.remote import open_store
from hico_platform.data.store import HEADER_FILE, POSE_FILE
from hico_platform.errors import DataError
from tests.small import small_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "store"
    small_store(folder, count=6)
    return folder


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Path:
    """A store to be changed."""
    return Path(shutil.copytree(made, tmp_path / "source"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "new" / "cache"


def refusal(address: str, cache: Path) -> str:
    with pytest.raises(DataError) as raised:
        open_store(address, cache=cache)
    return str(raised.value)


def test_a_folder_is_read_where_it_is(made: Path, cache: Path) -> None:
    assert open_store(made, cache=cache).directory == open_store(str(made), cache=cache).directory == made
    assert not cache.exists()


def test_a_store_is_fetched_once_under_its_digest(source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"file://{source}", cache=cache)
    assert store.directory == cache / store.digest
    assert sorted(file.name for file in cache.iterdir()) == [store.digest, f"{store.digest}.lock"]
    monkeypatch.setattr(remote, "_fetch", lambda *_: pytest.fail("it is there already"))
    assert open_store(f"file://{source}", cache=cache).digest == store.digest


def test_a_copy_that_was_torn_is_fetched_anew(source: Path, cache: Path) -> None:
    store = open_store(f"file://{source}", cache=cache)
    (store.directory / HEADER_FILE).unlink()
    (cache / f".partial-{store.digest}").mkdir()
    again = open_store(f"file://{source}", cache=cache)
    assert (again.digest, len(again)) == (store.digest, 6)
    assert not (cache / f".partial-{store.digest}").exists()


def test_a_damaged_source_leaves_nothing_in_the_cache(source: Path, cache: Path) -> None:
    content = bytearray((source / POSE_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (source / POSE_FILE).write_bytes(content)
    said = refusal(f"file://{source}", cache)
    assert f"file://{source}: digest: expected a store of the digest" in said
    assert [file.suffix for file in cache.iterdir()] == [".lock"]


def test_a_source_of_which_a_file_is_missing(source: Path, cache: Path) -> None:
    (source / POSE_FILE).unlink()
    assert "expected a store that can be fetched" in refusal(f"file://{source}", cache)
    assert [file.suffix for file in cache.iterdir()] == [".lock"]


@pytest.mark.parametrize("header", ["", "[]", "{}", '{"digest": "../../elsewhere"}', '{"digest": ""}'])
def test_a_header_without_a_digest_leads_nowhere(source: Path, cache: Path, header: str) -> None:
    (source / HEADER_FILE).write_text(header)
    assert "expected a store that can be fetched" in refusal(f"file://{source}", cache)
    assert not cache.exists()


@pytest.mark.parametrize("address", ["http://host/store", "ftp://host/store", "file:///nowhere/at/all"])
def test_other_addresses(address: str, cache: Path) -> None:
    assert f"{address}: expected a store that can be fetched" in refusal(address, cache)


def test_the_header_decides_which_store_it_is(source: Path, cache: Path) -> None:
    store = open_store(f"file://{source}", cache=cache)
    header = json.loads((source / HEADER_FILE).read_text())
    (source / HEADER_FILE).write_text(json.dumps({**header, "digest": "f" * 64}))
    assert "digest" in refusal(f"file://{source}", cache)
    assert sorted(file.name for file in cache.iterdir() if file.is_dir()) == [store.digest]
