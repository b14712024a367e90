"""Bytes of a search in its folder and in stores."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.search.disk_use import folder_bytes, stored_bytes


def test_a_folder_without_what_its_links_name(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one").write_bytes(b"123")
    (tmp_path / "big").write_bytes(b"1" * 5000)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "big")
    assert folder_bytes(tmp_path / "a") == 3 + (tmp_path / "a" / "link").lstat().st_size
    assert folder_bytes(tmp_path / "none") is None


def test_each_byte_of_a_store_once_and_what_does_not_answer_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = CheckpointStore(f"file://{tmp_path}", "toy-1")
    inside = CheckpointStore(f"file://{tmp_path}", "toy-1/final/0123")
    away, slow = CheckpointStore("file:///away"), CheckpointStore("file:///slow")
    (tmp_path / "toy-1" / "final" / "0123").mkdir(parents=True)
    (tmp_path / "toy-1" / "search.json").write_bytes(b"12345")
    (tmp_path / "toy-1" / "final" / "0123" / "a").write_bytes(b"123")
    (tmp_path / "toy-10").mkdir()
    (tmp_path / "toy-10" / "b").write_bytes(b"1234567")
    never, total = threading.Event(), CheckpointStore.total_bytes

    def ask(store: CheckpointStore) -> int:
        if store is away:
            raise StoreAwayError("away")
        if store is slow:
            never.wait()
        return total(store)

    monkeypatch.setattr(CheckpointStore, "total_bytes", ask)
    found = stored_bytes([whole, inside, away, slow, CheckpointStore(f"file://{tmp_path}", "toy-10")], patience_s=0.2)
    assert found == {whole.address(): 8, away.address(): None, slow.address(): None, f"file://{tmp_path}/toy-10": 7}
    never.set()
    assert stored_bytes([]) == {}
