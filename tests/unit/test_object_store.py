from __future__ import annotations

import socket
from pathlib import Path

import pytest
from pyarrow import fs

from hico_platform import object_store
from hico_platform.object_store import file_system_of


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that pyarrow was given."""
    found: list[str] = []
    real = fs.FileSystem.from_uri

    class Watched:
        @staticmethod
        def from_uri(url: str) -> tuple[fs.FileSystem, str]:
            found.append(url)
            return real(url)

    monkeypatch.setattr(fs, "FileSystem", Watched)
    return found


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("gs://bucket/a/b", "gs://bucket/a/b?retry_limit_seconds=20"),
        ("gs://anonymous@bucket/a?scheme=http", "gs://anonymous@bucket/a?scheme=http&retry_limit_seconds=20"),
        ("gs://bucket/a?retry_limit_seconds=3", "gs://bucket/a?retry_limit_seconds=3"),
        ("s3://bucket/a?region=eu-west-1", "s3://bucket/a?region=eu-west-1"),
    ],
)
def test_googles_library_is_told_when_to_give_up(url: str, opened: str, asked: list[str]) -> None:
    _, path = file_system_of(url)
    assert asked == [opened]
    assert path == url.partition("?")[0].partition("://")[2].removeprefix("anonymous@")


def test_a_folder_is_opened_as_it_is(tmp_path: Path, asked: list[str]) -> None:
    filesystem, path = file_system_of(f"file://{tmp_path}")
    assert isinstance(filesystem, fs.LocalFileSystem)
    assert (path, asked) == (str(tmp_path), [f"file://{tmp_path}"])


def test_a_store_that_is_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "RETRY_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    filesystem, path = file_system_of(f"gs://anonymous@bucket/a?endpoint_override=127.0.0.1:{port}&scheme=http")
    with pytest.raises(OSError, match="Could not connect"):
        filesystem.get_file_info(path)
