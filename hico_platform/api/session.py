"""Work inside a script or a notebook: interrupted as a command is, and leaving the process as it was."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from hico_platform.home_access import HomeAccess, follow_home, prepare_home, umask_restored
from hico_platform.interruptions import interruptible


@contextlib.contextmanager
def session(home: Path | None, *, shared: bool = False, creates: bool = True) -> Iterator[None]:
    """In the block Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt, and what is written has the modes of the home.

    Afterwards signal handlers, umask and PyTorch's threads are as before. A second Ctrl-C raises once more; nothing
    ends the process. Outside the main thread no handler is installed.

    Args:
        home: where is written; None where nothing is.
        shared: whether its group may read it, as ``--shared``.
        creates: whether the home is made where there is none; else only its umask is followed.

    Raises:
        UsageError: as :func:`hico_platform.home_access.prepare_home`.
    """
    threads = _threads()
    with interruptible(leave=None), umask_restored():
        if home is not None and creates:
            notice = prepare_home(home, shared=shared)
            if notice is not None:
                warn(notice)
        elif shared:
            os.umask(HomeAccess.GROUP.umask)
        elif home is not None:
            follow_home(home)
        try:
            yield
        finally:
            _restore_threads(threads)


def warn(message: str) -> None:
    """Warns of something that does not stop the work; the warning names the line of the caller of this package."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("hico_platform", "contextlib")):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, UserWarning, stacklevel=depth)


def _threads() -> int | None:
    """PyTorch's threads, where it is imported already: importing it to ask would take a second."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def _restore_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
