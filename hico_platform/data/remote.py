"""Remote stores: downloaded once into a local cache, and checked by their digest."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from hico_platform.data.store import HEADER_FILE, INDEX_FILE, POSE_FILE, Store
from hico_platform.data.verify import measured_digest
from hico_platform.errors import DataError, Problem
from hico_platform.object_store import file_system_of
from hico_platform.own_file import open_own_file

_SCHEMES = ("file", "s3", "gs")


def open_store(address: Path | str, *, cache: Path) -> Store:
    """The store at ``address``: a folder, or ``file://``, ``s3://`` or ``gs://``, downloaded into ``cache``.

    A store is cached under its digest, so opening it again reads only ``store.json`` remotely, and the processes of a
    machine download it once. Raises DataError if it cannot be reached or its digest differs.
    """
    scheme, separator, _ = str(address).partition("://")
    if not separator:
        return Store.open(address)
    if scheme not in _SCHEMES:
        raise _unreachable(str(address), f"{scheme} is not one of {', '.join(_SCHEMES)}")
    try:
        filesystem, path = file_system_of(str(address))
        with filesystem.open_input_stream(f"{path}/{HEADER_FILE}") as stream:
            digest = str(json.loads(stream.read())["digest"])
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise _unreachable(str(address), str(error)) from None
    if not digest.isalnum():
        raise _unreachable(str(address), "its store.json has no digest")
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / digest
    with os.fdopen(open_own_file(cache / f"{digest}.lock"), "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_whole(target):
            shutil.rmtree(target, ignore_errors=True)
            _fetch(filesystem, path, target, str(address))
    return Store.open(target)


def _is_whole(directory: Path) -> bool:
    try:
        Store.open(directory)
    except DataError:
        return False
    return True


def _fetch(filesystem: fs.FileSystem, path: str, target: Path, address: str) -> None:
    partial = target.with_name(f".partial-{target.name}")
    shutil.rmtree(partial, ignore_errors=True)  # of a killed download; this process has the lock
    partial.mkdir()
    try:
        for name in (POSE_FILE, INDEX_FILE, HEADER_FILE):
            with filesystem.open_input_stream(f"{path}/{name}") as source, (partial / name).open("wb") as sink:
                shutil.copyfileobj(source, sink, 16 * 2**20)
        measured = measured_digest(Store.open(partial))
        if measured != target.name:
            raise DataError(
                Problem(file=address, field="digest", rule=f"a store of the digest {target.name}", value=measured,
                        remedy="fetch again; if it comes again, the source is damaged: `hico-platform data verify` it")
            )  # fmt: skip
        partial.rename(target)
    except (OSError, pa.ArrowException) as error:
        raise _unreachable(address, str(error)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unreachable(address: str, why: str) -> DataError:
    return DataError(
        Problem(file=address, rule="a store that can be fetched", value=why,
                remedy="check the address, and that this machine may read it (its cloud credentials)")
    )  # fmt: skip
