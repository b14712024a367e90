from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hico_platform.errors import HicoError
from hico_platform.search.ray_executor import session_folder as module
from hico_platform.search.ray_executor.session_folder import LONGEST, PREFIX, for_ray, session_folder, temporary_folders


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name."""
    with tempfile.TemporaryDirectory(prefix="h", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def test_its_owners_alone_short_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    with session_folder() as folder:
        assert folder.parent == short
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert for_ray(folder).parent == folder
        socket = f"{for_ray(folder)}/session_2026-11-28_15-39-19_907729_1163934/sockets/plasma_store"
        assert len(socket) <= 107
    assert list(short.iterdir()) == []


def test_a_long_folder_for_temporary_files_is_left_aside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * LONGEST)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert temporary_folders() == [Path("/tmp")]
    with session_folder() as folder:
        assert folder.parent == Path("/tmp")


def test_the_folder_of_a_login_comes_last(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    short.chmod(0o700)
    assert temporary_folders() == [Path("/tmp"), short]
    short.chmod(0o755)
    assert temporary_folders() == [Path("/tmp")]


def test_none_that_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "temporary_folders", lambda: [tmp_path / "none"])
    message = rf"^TMPDIR: expected a folder that can be written, .* at most {LONGEST} bytes.*/tmp"
    with pytest.raises(HicoError, match=message), session_folder():
        pass


def test_what_nobody_holds_is_removed_and_what_is_held_stays(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    left = short / f"{PREFIX}killed"
    (left / "r").mkdir(parents=True)
    others = short / "hico-other"
    others.mkdir()
    with session_folder() as held:
        assert not left.exists()
        with session_folder() as second:
            assert held.exists()
            assert second != held
    assert others.exists()


def test_on_a_network_file_system_those_of_other_machines_stay(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    monkeypatch.setattr(module, "network_file_system", lambda place: "nfs4" if place == short else None)
    others = {short / f"{PREFIX}0ther-abcdefgh", short / f"{PREFIX}abcdefgh"}
    for folder in others:
        folder.mkdir()
    with session_folder() as held:
        assert held.parent == short
        own = held.with_name(f"{held.name[:-8]}killed__")
        assert len(f"{for_ray(held)}{module._SOCKET_NAME}") <= 107
    own.mkdir()
    with session_folder():
        assert not own.exists()
    assert set(short.iterdir()) == others
    own.mkdir()
    monkeypatch.setattr(module, "network_file_system", lambda place: None)  # the machine whose disk it is
    with session_folder() as held:
        assert held.name.count("-") == 1
    assert set(short.iterdir()) == {short / f"{PREFIX}0ther-abcdefgh"}


def test_a_network_file_system_has_fewer_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/" + "x" * (LONGEST - 1))
    assert len(temporary_folders()) == 2
    monkeypatch.setattr(module, "network_file_system", lambda place: "nfs4")
    assert temporary_folders() == [Path("/tmp")]


def test_a_machine_is_known_without_the_name_of_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._machine() == module._machine()
    monkeypatch.setattr(module, "_BOOT", Path("/nowhere"))
    assert len(module._machine()) == 5
