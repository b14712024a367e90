from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hico_platform.errors import HicoError, UsageError
from hico_platform.home import HomePaths
from hico_platform.search.lock import holder, search_lock


def test_a_second_driver_is_refused_by_the_first_ones_name(tmp_path: Path) -> None:
    file = tmp_path / "toy" / "lock"
    with search_lock(file, name="toy"):
        known = holder(file)
        assert known is not None
        assert known["pid"] == os.getpid()
        with (
            pytest.raises(
                UsageError, match=rf"got 'toy: process {os.getpid()} on \S+ \(\S+\) has run it since \d{{4}}-"
            ),
            search_lock(file, name="toy"),
        ):
            pass
    assert holder(file) is None


def test_it_can_be_held_again(tmp_path: Path) -> None:
    for _ in range(2):
        with search_lock(tmp_path / "lock", name="toy"):
            pass


def test_no_lock_no_holder(tmp_path: Path) -> None:
    assert holder(tmp_path / "lock") is None


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    code = (
        "import os, signal, sys; from pathlib import Path; from hico_platform.search.lock import search_lock\n"
        "with search_lock(Path(sys.argv[1]), name='toy'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert json.loads(file.read_text())["pid"] != os.getpid()
    assert holder(file) is None
    with search_lock(file, name="toy"):
        known = holder(file)
        assert known is not None
        assert known["pid"] == os.getpid()


def test_whoever_looks_does_not_stop_whoever_begins(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.touch()
    with file.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.05, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        with search_lock(file, name="toy"):
            assert holder(file) is not None


def test_a_holder_that_has_not_written_yet(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        known = holder(file)
    assert known is not None
    assert known["pid"] is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"pid": 7, "host": "gpu-1", "since_s": 0}', "process 7 on gpu-1 has run it since"),  # an older version's
        ('{"user": "a\\u001b[2J", "pid": 7, "host": "b\\nc", "since_s": 0}', r"process 7 on b\?c \(a\?\[2J\) has"),
        ('{"pid": 7}', "another process runs it"),
        ('["text"]', "another process runs it"),
        ('{"pid": 7, "host": "gpu-1", "since_s": 1e300}', "process 7 on gpu-1 has run it since an unknown time"),
    ],
)
def test_a_holder_that_another_program_wrote(content: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.write_text(content)
    with file.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert holder(file) is not None
        with pytest.raises(UsageError, match=words):
            search_lock(file, name="toy").__enter__()


@pytest.mark.parametrize("how", ["symlink_to", "hardlink_to"])
def test_a_link_is_not_followed(tmp_path: Path, how: str) -> None:
    """In a folder where others may write it leads to a file of this user's, which would be emptied."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    getattr(tmp_path / "lock", how)(victim)
    with pytest.raises(UsageError, match="a file of your own, no link, got"):
        search_lock(tmp_path / "lock", name="toy").__enter__()
    assert victim.read_text() == "precious"


def test_a_link_to_nothing_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "new")
    with pytest.raises(UsageError, match="no link"):
        search_lock(tmp_path / "lock", name="toy").__enter__()
    assert not (tmp_path / "new").exists()


def test_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(UsageError, match="no link"):
        search_lock(tmp_path / "lock", name="toy").__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another account")
def test_a_lock_file_of_another_account_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("theirs")
    os.chown(tmp_path / "lock", 54321, 54321)
    with pytest.raises(UsageError, match="got 'one of the user 54321'"):
        search_lock(tmp_path / "lock", name="toy").__enter__()
    assert (tmp_path / "lock").read_text() == "theirs"


def test_a_reader_that_holds_the_lock_is_thought_of(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.touch()
    with file.open() as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"or one that may read .*lock holds its lock"):
            search_lock(file, name="toy").__enter__()


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(handle: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(HicoError, match="a file system that has locks, got 'No locks available'"):
        search_lock(tmp_path / "lock", name="toy").__enter__()


def test_a_study_file_is_locked_for_other_homes_too(tmp_path: Path) -> None:
    one, other = (
        HomePaths(home=tmp_path / home, storage=f"sqlite:///{tmp_path}/study.db") for home in ("one", "other")
    )
    assert one.locks("toy")[-1] == other.locks("toy")[-1] == tmp_path / "study.db.toy.lock"
    assert HomePaths(home=tmp_path).locks("toy") == (tmp_path / "searches" / "toy" / "lock",)
    assert HomePaths(home=tmp_path, storage="postgresql+psycopg://db").locks("toy") == (
        HomePaths(home=tmp_path).lock("toy"),
    )
