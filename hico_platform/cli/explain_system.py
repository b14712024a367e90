"""Errors of the operating system, of memory, of text encoding and of missing packages."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NamedTuple

from hico_platform.cli.explain_database import database_of, disk_full
from hico_platform.cli.explanation import (
    DATA,
    FAILED,
    USAGE,
    Chain,
    Explanation,
    Scene,
    libraries_of,
    modules_of,
    one_problem,
    path_of,
    short,
    shortened,
)
from hico_platform.errors import Problem
from hico_platform.search.disk_full import is_full


class _Known(NamedTuple):
    """The explanation of an error number of the operating system."""

    rule: str
    remedy: str
    exit_code: int


_SYSTEM: dict[int, _Known] = {
    errno.EACCES: _Known(
        rule="a path that this user may use", remedy="check its owner and rights, or give another", exit_code=USAGE
    ),
    errno.EPERM: _Known(
        rule="a path that this user may change", remedy="check its owner and rights, or give another", exit_code=USAGE
    ),
    errno.EROFS: _Known(
        rule="a path that can be written", remedy="give another: its file system is read-only", exit_code=USAGE
    ),
    errno.ENOENT: _Known(
        rule="an existing file or folder", remedy="check how it is written, or make it", exit_code=USAGE
    ),
    errno.ENOTDIR: _Known(
        rule="a path whose parents are folders", remedy="give another: one of them is a file", exit_code=USAGE
    ),
    errno.EISDIR: _Known(rule="a file, not a folder", remedy="give a file in it, or another path", exit_code=USAGE),
    errno.EEXIST: _Known(
        rule="a folder, or a new path", remedy="move away the file that is there, or give another", exit_code=USAGE
    ),
    errno.ENAMETOOLONG: _Known(rule="a path that the file system takes", remedy="give a shorter one", exit_code=USAGE),
    errno.ELOOP: _Known(
        rule="a path without a loop of links", remedy="mend the links, or give another", exit_code=USAGE
    ),
    errno.EADDRINUSE: _Known(
        rule="an address and port that are free", remedy="give another: another process listens there", exit_code=USAGE
    ),
    errno.EADDRNOTAVAIL: _Known(
        rule="an address of this machine", remedy="give one of its own, such as 127.0.0.1", exit_code=USAGE
    ),
    errno.EMFILE: _Known(
        rule="fewer open files than this user may have", remedy="raise the limit: ulimit -n 65536", exit_code=FAILED
    ),
    errno.ENFILE: _Known(
        rule="fewer open files than this machine allows", remedy="end what else holds files open", exit_code=FAILED
    ),
    errno.EIO: _Known(
        rule="a disk that reads and writes",
        remedy="check the disk and its mount, then run the command again",
        exit_code=FAILED,
    ),
    errno.ESTALE: _Known(
        rule="a network file system that answers", remedy="mount it again, then run the command again", exit_code=FAILED
    ),
    errno.ECONNREFUSED: _Known(
        rule="a server that answers", remedy="check the address, and that the server runs", exit_code=FAILED
    ),
    errno.ENOEXEC: _Known(
        rule="a program that this machine can run", remedy="install it for this processor", exit_code=FAILED
    ),
}
_OTHER = _Known(
    rule="a request that the operating system carries out",
    remedy="check what the message names, then run the command again",
    exit_code=FAILED,
)


_RIGHTS = {errno.EACCES, errno.EPERM, errno.EROFS}
# Once Ray has written to a driver's terminal, builtins.print is a function of its module tqdm_ray.
_PRINTING = ("hico_platform.cli", "rich", "ray.experimental.tqdm_ray")


def full_disk(link: BaseException, chain: Chain, scene: Scene) -> Explanation | None:
    """A full disk or an exhausted quota, whichever library noticed it."""
    if link is not chain[0] or not is_full(link):
        return None
    file = next((one.filename for one in chain if isinstance(one, OSError) and one.filename), None)
    if file is None and any("sqlite3" in libraries_of(one) for one in chain):
        file = database_of(chain, scene)
    elif file is None:
        raised_in = (modules_of(link) or [""])[-1]
        printed = raised_in.startswith(_PRINTING)
        file = "standard output" if printed else scene.out or scene.home
    return one_problem(disk_full(path_of(file), short(link)), FAILED)


def no_memory(link: BaseException, chain: Chain, scene: Scene) -> Explanation | None:
    """Out of memory, on the CPU or a GPU."""
    refused = isinstance(link, OSError) and link.errno == errno.ENOMEM
    if not (isinstance(link, MemoryError) or type(link).__name__ == "OutOfMemoryError" or refused):
        return None
    remedy = "end what else runs here, or lower budget.batch_size, model.hidden_width, --workers or --cpus"
    return one_problem(Problem(rule="memory enough for the command", value=short(link), remedy=remedy), FAILED)


def operating_system(link: BaseException, chain: Chain, scene: Scene) -> Explanation | None:
    """An error of the operating system, by its number."""
    if not isinstance(link, OSError):
        return None
    file = next((one.filename for one in chain if isinstance(one, OSError) and one.filename is not None), None)
    known = _SYSTEM.get(link.errno or 0, _OTHER)
    rule, remedy, code = known.rule, known.remedy, known.exit_code
    path = path_of(file)
    in_home = isinstance(path, Path) and scene.home is not None and _is_in(path, scene.home)
    if isinstance(path, Path) and link.errno in _RIGHTS and not _exists(path):
        path, rule = _nearest(path), "a folder that this user may write"
    if code == USAGE and isinstance(path, Path) and any(_is_in(path, folder) for folder in scene.data):
        code = DATA
    if in_home:
        remedy = f"{remedy}; the home is given by --home or HICO_HOME"
    value = link.strerror or short(link)
    return one_problem(Problem(file=shortened(path), rule=rule, value=value, remedy=remedy), code)


def encoding(link: BaseException, chain: Chain, scene: Scene) -> Explanation | None:
    """Text that is not UTF-8."""
    if not isinstance(link, UnicodeError):
        return None
    remedy = "write the file or name in UTF-8; run again with --traceback to see which"
    return one_problem(Problem(rule="text in UTF-8", value=short(link), remedy=remedy), DATA)


def missing_package(link: BaseException, chain: Chain, scene: Scene) -> Explanation | None:
    """A package that is not installed, or is incomplete."""
    if not isinstance(link, ImportError):
        return None
    name = link.name or "a package"
    if name.partition(".")[0] == "hico_platform":
        return None
    remedy = "install it in this environment (pip install 'hico-platform'), or mend its installation"
    return one_problem(Problem(rule=f"the package {name}, installed whole", value=short(link), remedy=remedy), FAILED)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that this user may not enter
        return True


def _nearest(path: Path) -> Path:
    """The nearest existing folder of a path; shown instead of the name of a temporary file, which users do not know."""
    return next(parent for parent in path.absolute().parents if _exists(parent))


def _is_in(path: Path, folder: Path) -> bool:
    return path.absolute().is_relative_to(folder.absolute())
