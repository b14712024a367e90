from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.atomic_io import write_new_folder, write_synced, write_whole


def test_a_file_appears_whole_and_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file.json"
    write_whole(file, b"one")
    write_whole(file, b"two")
    assert file.read_bytes() == b"two"
    assert [path.name for path in file.parent.iterdir()] == ["file.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.json"
    write_whole(file, b"one")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, b"two")
    assert file.read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "file").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_synced(tmp_path / "file", b"new")
    write_whole(tmp_path / "file", b"new")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "new" / "folder"
    write_new_folder(folder, {"a": b"one", "b": b"two"})
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {"a": b"one", "b": b"two"}
    with pytest.raises(OSError, match="not empty"):
        write_new_folder(folder, {"a": b"three"})
    assert (folder / "a").read_bytes() == b"one"

    def killed(file: Path, content: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hico_platform.atomic_io.write_synced", killed)
    with pytest.raises(KeyboardInterrupt):
        write_new_folder(tmp_path / "new" / "other", {"a": b"one"})
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]
