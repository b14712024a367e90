"""Checkpoints in an object store (``s3://``, ``gs://``) or a folder (``file://``), written whole and checked when read.

A checkpoint is ``0003/epoch-000012/state.json``, as on disk, and a file of tensors that is named by its digest.
``state.json`` is written last and names the tensors by that digest: without it there is no checkpoint, and a writer
that was killed leaves tensors that nothing names. The store writes each file whole; a folder gets it by a rename.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hico_platform.atomic_io import write_new_folder
from hico_platform.checkpoint_files import (
    ENCODER,
    FACTS,
    NAME,
    TENSORS,
    TornCheckpointError,
    checked_checkpoint,
    encoder_alone,
    facts_file,
    order,
    read_checkpoint,
    torn,
)
from hico_platform.errors import Problem, UsageError
from hico_platform.object_store import file_system_of

if TYPE_CHECKING:  # it takes a while to import, and commands that show a search need it not
    from pyarrow import fs

SCHEMES = ("s3", "gs", "file")
KEPT_EPOCHS = 2


class StoreAwayError(OSError):
    """The store does not answer, or not as it should; what was to be done can be done again."""


class CheckpointStore:
    """The checkpoints of one search in a store.

    Args:
        url: such as ``s3://bucket/prefix``; without keys.
        folder: of the search, below it.
        filesystem: in place of the one that ``url`` names, whose path it is then.
    """

    def __init__(self, url: str, folder: str = "", *, filesystem: fs.FileSystem | None = None) -> None:
        self.url, self.folder = url, folder
        self._given = filesystem
        self._opened: tuple[fs.FileSystem, str] | None = None

    def __reduce__(self) -> tuple[type[CheckpointStore], tuple[str, str]]:
        """Travels to workers by its address; each process opens it for itself."""
        return type(self), (self.url, self.folder)

    def address(self, name: str = "") -> str:
        """The address of what has ``name`` in it."""
        base, mark, query = self.url.partition("?")
        return "/".join(part for part in (base.rstrip("/"), self.folder, name) if part) + mark + query

    def names(self, trial: str) -> list[str]:
        """The whole checkpoints of a trial's folder such as ``0003``, the oldest first.

        Raises:
            StoreAwayError: the store does not answer.
        """
        found = {Path(info.path).parent.name for info in self._list(trial) if Path(info.path).name == FACTS}
        return sorted((name for name in found if NAME.fullmatch(name)), key=lambda name: order(Path(name)))

    def sizes(self, trial: str) -> Mapping[str, int]:
        """The bytes of each of them."""
        found: dict[str, int] = {}
        for info in self._list(trial):
            name = Path(info.path).parent.name
            if info.is_file and NAME.fullmatch(name):
                found[name] = found.get(name, 0) + info.size
        return found

    def total_bytes(self) -> int:
        """The bytes of all that is below the address.

        Raises:
            StoreAwayError: the store does not answer.
        """
        return sum(info.size for info in self._list("") if info.is_file)

    def upload(self, folder: Path, trial: str) -> None:
        """Copies a checkpoint's folder into the store, and removes all but the newest epochs of its trial there.

        Raises:
            StoreAwayError: the store does not take it; what was there is unchanged.
            CheckpointError: it is torn.
        """
        content, blob = read_checkpoint(folder)
        self._write_checkpoint(f"{trial}/{folder.name}", content, blob)
        for name in self.names(trial)[:-KEPT_EPOCHS]:
            self.remove(f"{trial}/{name}")

    def read(self, name: str) -> tuple[dict[str, Any], bytes]:
        """The facts and the tensors of the checkpoint ``name``, checked against their digests.

        Raises:
            TornCheckpointError: it is not what was written, or not there.
            StoreAwayError: the store does not answer.
        """
        address = self.address(name)
        try:
            content = json.loads(self._get(f"{name}/{FACTS}"))
            blob = self._get(f"{name}/{_tensors(content)}")
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise torn(address, error) from error
        return checked_checkpoint(address.partition("?")[0], content, blob)

    def fetch(self, name: str, into: Path) -> Path:
        """Copies the checkpoint ``name`` to this machine, into a folder of its name below ``into``; returns that.

        Raises:
            TornCheckpointError: it is not what was written, or not there.
            StoreAwayError: the store does not answer.
        """
        content, blob = self.read(name)
        target = into / Path(name).name
        write_new_folder(target, {TENSORS[content["schema_version"]]: blob, FACTS: facts_file(content)})
        return target

    def keep_encoder_alone(self, name: str) -> bool:
        """Cuts a checkpoint down to its encoder; one that was cut already, or half, is finished.

        Returns whether it was whole.

        Raises:
            TornCheckpointError: it is not what was written.
            StoreAwayError: the store does not answer; it can be read all the same.
        """
        content, blob = self.read(name)
        was_whole = bool(content["schema_version"] != ENCODER)
        if was_whole:
            content, blob = encoder_alone(content, blob)
            self._write_checkpoint(name, content, blob)
        kept = {FACTS, _tensors(content)}
        for info in self._list(name):
            if info.is_file and Path(info.path).name not in kept:
                with self._errors():
                    self._filesystem.delete_file(info.path)
        return was_whole

    def remove(self, name: str) -> None:
        """Removes a checkpoint, or a folder with all that is in it; killed in between it is no checkpoint any more.

        Raises:
            StoreAwayError: the store does not answer.
        """
        with self._errors(), contextlib.suppress(FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.delete_file(self._path(f"{name}/{FACTS}".lstrip("/")))
            self._filesystem.delete_dir(self._path(name))

    def read_json(self, name: str) -> Any:
        """The content of a small file; None where there is none.

        Raises:
            StoreAwayError: the store does not answer.
        """
        try:
            return json.loads(self._get(name))
        except (FileNotFoundError, ValueError):
            return None

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes or replaces a small file whole.

        Raises:
            StoreAwayError: the store does not take it.
        """
        self._put(name, json.dumps(content).encode())

    def _write_checkpoint(self, name: str, content: Mapping[str, Any], blob: bytes) -> None:
        self._put(f"{name}/{_tensors(content)}", blob)
        self._put(f"{name}/{FACTS}", facts_file(content))

    def _list(self, name: str) -> list[Any]:
        from pyarrow import fs

        with self._errors():
            selector = fs.FileSelector(self._path(name), recursive=True, allow_not_found=True)
            return list(self._filesystem.get_file_info(selector))

    def _get(self, name: str) -> bytes:
        with self._errors(), self._filesystem.open_input_stream(self._path(name)) as stream:
            return bytes(stream.read())

    def _put(self, name: str, content: bytes) -> None:
        path = self._path(name)
        with self._errors(), self._refused_path():
            if not _is_folder(self._filesystem):
                with self._filesystem.open_output_stream(path) as stream:
                    stream.write(content)
                return
            parent, _, own = path.rpartition("/")
            self._filesystem.create_dir(parent, recursive=True)
            temporary = f"{parent}/.{own}.{secrets.token_hex(4)}"
            try:
                with self._filesystem.open_output_stream(temporary) as stream:
                    stream.write(content)
                self._filesystem.move(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    self._filesystem.delete_file(temporary)
                raise

    @contextlib.contextmanager
    def _refused_path(self) -> Iterator[None]:
        """A bucket that there is not, while something is written to it."""
        try:
            yield
        except FileNotFoundError as error:
            raise StoreAwayError(f"{self.address()}: {error}") from error

    @property
    def _filesystem(self) -> fs.FileSystem:
        return self._open()[0]

    def _path(self, name: str) -> str:
        return "/".join(part for part in (self._open()[1], self.folder, name) if part)

    def _open(self) -> tuple[fs.FileSystem, str]:
        if self._opened is None:
            found = (self._given, self.url) if self._given is not None else file_system_of(self.url)
            self._opened = found[0], found[1].rstrip("/")
        return self._opened

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Any error of the store but that something is not there, as StoreAwayError."""
        import pyarrow as pa

        try:
            yield
        except (FileNotFoundError, StoreAwayError):
            raise
        except (OSError, pa.ArrowException) as error:
            raise StoreAwayError(f"{self.address()}: {str(error).strip().splitlines()[0]}") from error


def check_store(url: str, *, field: str) -> None:
    """Whether an address can be one of a store.

    Raises:
        UsageError: it has another scheme, or names no bucket or folder.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in SCHEMES and separator and rest.strip("/"):
        return
    shown_rule = "an address such as s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or file:///FOLDER"
    raise UsageError(Problem(field=field, rule=shown_rule, value=url, remedy="give the address of a store"))


def is_in_a_store(source: object) -> bool:
    """Whether a source is an address in a store, and not a path or a registered model."""
    return isinstance(source, str) and source.partition("://")[0] in SCHEMES and "://" in source


def fetch_address(address: str, into: Path) -> Path:
    """Copies the checkpoint at an address, or the newest of the trial there, to this machine; returns its folder.

    Raises:
        UsageError: there is none.
        TornCheckpointError: it is not what was written.
        StoreAwayError: the store does not answer.
    """
    base, mark, query = address.partition("?")
    parent, _, name = base.rstrip("/").rpartition("/")
    store = CheckpointStore(parent + mark + query)
    if NAME.fullmatch(name):
        return store.fetch(name, into)
    found = store.names(name)
    if not found:
        raise UsageError(
            Problem(field="checkpoint", rule="a checkpoint, or a trial's folder, in a store", value=address,
                    remedy="check the address: it ends in epoch-000012, or the number of a trial such as 0003")
        )  # fmt: skip
    return store.fetch(f"{name}/{found[-1]}", into)


def newest_whole(store: CheckpointStore, trial: str, into: Path) -> Path | None:
    """Fetches the newest checkpoint of a trial that is what was written; None where there is none.

    Raises:
        StoreAwayError: the store does not answer.
    """
    for name in reversed(store.names(trial)):
        with contextlib.suppress(TornCheckpointError):
            return store.fetch(f"{trial}/{name}", into)
    return None


def _tensors(content: Mapping[str, Any]) -> str:
    return f"{str(content['tensors_sha256'])[:32]}.safetensors"


def _is_folder(filesystem: fs.FileSystem) -> bool:
    from pyarrow import fs

    base = filesystem.base_fs if isinstance(filesystem, fs.SubTreeFileSystem) else filesystem
    return isinstance(base, fs.LocalFileSystem)
