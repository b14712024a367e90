from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
import torch

from hico_platform.api.session import session, warn


def test_the_process_is_left_as_it_was(tmp_path: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    before = os.umask(0o022)
    try:
        threads = torch.get_num_threads()
        with session(tmp_path / "home"):
            torch.set_num_threads(threads + 1)
            (tmp_path / "home" / "file").touch()
        assert (tmp_path / "home" / "file").stat().st_mode & 0o777 == 0o600
        assert os.umask(0o022) == 0o022
        assert torch.get_num_threads() == threads
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    finally:
        os.umask(before)


def test_an_interruption_is_raised_and_nothing_ends_the_process(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with pytest.raises(KeyboardInterrupt), session(None):
            os.kill(os.getpid(), number)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_outside_the_main_thread_there_are_no_handlers(tmp_path: Path) -> None:
    found = []

    def work() -> None:
        with session(tmp_path / "home"):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


def test_a_home_that_is_not_made(tmp_path: Path) -> None:
    with session(tmp_path / "home", creates=False):
        pass
    assert not (tmp_path / "home").exists()


def test_a_warning_names_the_line_of_the_caller() -> None:
    with pytest.warns(UserWarning, match="mind this") as warned:
        warn("mind this")
    assert warned[0].filename == __file__
