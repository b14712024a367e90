"""Reads files of ``torch.save`` without unpickling them: plain containers, and tensors by their place in the file.

Such a file is a zip archive that is not compressed, with a pickle (``data.pkl``) and the numbers of each storage in an
entry of its own (``data/0``, ...). The pickle goes through ``plain_pickle``, which runs nothing of it; the tensors that
are wanted are then read one by one. So neither PyTorch's unpickler nor any code that the file names is involved.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hico_platform.data.file_kind import file_kind
from hico_platform.data.pickled_array import Name, Refused, brief, named
from hico_platform.data.plain_pickle import BROKEN, run_pickle
from hico_platform.errors import DataError, Problem

if TYPE_CHECKING:
    from torch import Tensor

MOST_BYTES = 4 << 30
"""Of a whole file; a released checkpoint has some 200 MB."""
_MOST_PICKLE_BYTES = 16 << 20  # that of a released checkpoint has some 60 kB
_MOST_ENTRIES = 100_000
_PICKLE, _RECORDS, _BYTE_ORDER = "data.pkl", "data/", "byteorder"
_SCRIPT = "constants.pkl"
_STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
_AGAIN_REMEDY = "get the file again"
_NOT_WHOLE = (*BROKEN, OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError)


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Numbers of one type in an entry of the archive."""

    record: str
    dtype: str
    count: int


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A tensor in a file: its shape, and where in a storage its numbers lie (in numbers, not bytes)."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def dtype(self) -> str:
        """The type of its numbers, by PyTorch's name."""
        return self.storage.dtype


def read_torch_file(path: Path) -> Any:
    """The content of a file of ``torch.save``: plain containers, numbers and text, and ``StoredTensor``.

    Raises DataError if it is no such file, is damaged or too large, or names anything else, which is not run.
    """
    try:
        with _archive(path) as (archive, prefix):
            pickled = _read(archive, prefix + _PICKLE, at_most=_MOST_PICKLE_BYTES)
            with mmap.mmap(-1, len(pickled)) as data:
                data.write(pickled)
                data.seek(0)
                return run_pickle(data, calls=_REBUILD, names=_STORAGE_NAMES, outside=_outside)
    except Refused as refusal:
        raise DataError(
            Problem(file=path, rule="a checkpoint of tensors and plain containers alone", value=str(refusal),
                    remedy="save its state_dict alone, and do not trust this file: nothing of it was run")
        ) from None  # fmt: skip
    except _NOT_WHOLE as error:
        raise _not_whole(path, error) from None


def texts_of(path: Path) -> tuple[str, ...]:
    """Every text in the pickle of a file, among them the names of its tensors; none where there is no such pickle.

    It tells what a file looks like that names too much to be read.
    """
    with contextlib.suppress(DataError, *_NOT_WHOLE), _archive(path) as (archive, prefix):
        opcodes = pickletools.genops(_read(archive, prefix + _PICKLE, at_most=_MOST_PICKLE_BYTES))
        return tuple(argument for _, argument, _ in opcodes if isinstance(argument, str))
    return ()


def load_tensors(path: Path, tensors: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
    """The numbers of some tensors of a file, each in memory of its own.

    Raises DataError where the file has fewer numbers than a tensor needs.
    """
    by_record: dict[str, list[str]] = {}
    for name, tensor in tensors.items():
        by_record.setdefault(tensor.storage.record, []).append(name)
    found: dict[str, Tensor] = {}
    try:
        with _archive(path) as (archive, prefix):
            for record, names in by_record.items():
                content = bytearray(_read(archive, f"{prefix}{_RECORDS}{record}", at_most=MOST_BYTES))
                found |= {name: _tensor(tensors[name], content) for name in names}
    except _NOT_WHOLE as error:
        raise _not_whole(path, error) from None
    return {name: found[name] for name in tensors}


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """The archive of a file, and the folder in it."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{size:,} bytes, more than {MOST_BYTES:,}")
    if not zipfile.is_zipfile(path):
        raise _another_kind(path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > _MOST_ENTRIES:
            raise ValueError(f"{len(entries):,} entries, more than {_MOST_ENTRIES:,}")
        names = {entry.filename for entry in entries}
        folders = [name.removesuffix(_PICKLE) for name in names if name.count("/") == 1 and name.endswith(_PICKLE)]
        if len(folders) != 1 or folders[0] + _SCRIPT in names:
            raise _another_kind(path, script=any(name.endswith(_SCRIPT) for name in names))
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size > size for entry in entries):
            raise ValueError("compressed entries, which torch.save does not write")
        order = folders[0] + _BYTE_ORDER
        if order in names and _read(archive, order, at_most=16) != b"little":
            raise ValueError("numbers in the order of bytes of another kind of processor")
        yield archive, folders[0]


def _read(archive: zipfile.ZipFile, name: str, *, at_most: int) -> bytes:
    size = archive.getinfo(name).file_size
    if size > at_most:
        raise ValueError(f"{name} of {size:,} bytes, more than {at_most:,}")
    return archive.read(name)


def _tensor(tensor: StoredTensor, content: bytearray) -> Tensor:
    import torch

    dtype: torch.dtype = getattr(torch, tensor.dtype)
    if len(content) != tensor.storage.count * dtype.itemsize:
        raise ValueError(f"{len(content)} bytes for {tensor.storage.count} numbers of {tensor.dtype}")
    if 0 in tensor.shape:
        return torch.zeros(tensor.shape, dtype=dtype)
    last = tensor.offset + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True))
    if last >= tensor.storage.count or math.prod(tensor.shape) > tensor.storage.count:
        raise ValueError(f"a tensor of shape {list(tensor.shape)} in {tensor.storage.count} numbers")
    numbers = torch.frombuffer(content, dtype=dtype)
    return numbers.as_strided(tensor.shape, tensor.stride, tensor.offset).clone(memory_format=torch.contiguous_format)


def _rebuilt(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> StoredTensor:
    """What ``torch._utils._rebuild_tensor_v2`` would make."""
    if not isinstance(storage, Storage):
        raise ValueError(f"a tensor in {brief(storage)}")
    sizes = (offset, *shape, *stride)
    if len(shape) != len(stride) or not all(type(size) is int and 0 <= size < 2**40 for size in sizes):
        raise ValueError("a tensor of no possible shape")
    return StoredTensor(storage=storage, offset=offset, shape=tuple(shape), stride=tuple(stride))


def _parameter(tensor: Any, *_: Any) -> StoredTensor:
    """What ``torch._utils._rebuild_parameter`` would make: the tensor itself."""
    if not isinstance(tensor, StoredTensor):
        raise ValueError(f"a parameter of {brief(tensor)}")
    return tensor


_REBUILD: dict[Name, Callable[..., Any]] = {
    Name("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    Name("torch._utils", "_rebuild_parameter"): _parameter,
}
_STORAGE_NAMES = frozenset(Name("torch", name) for name in _STORAGES)


def _outside(persistent_id: Any) -> Storage:
    """The storage of ``("storage", type, record, device, count)``; on which device it was does not matter."""
    kind, name, record, _, count = persistent_id
    if kind != "storage" or name not in _STORAGE_NAMES:
        raise Refused(f"a storage of {named(name)}")
    if not isinstance(record, str) or type(count) is not int or not 0 <= count < 2**40:
        raise ValueError("a storage of no possible size")
    return Storage(record=record, dtype=_STORAGES[name.name], count=count)


def _another_kind(path: Path, *, script: bool = False) -> DataError:
    kind = file_kind(path)
    value, remedy = None if kind is None else kind.name, "give the file that torch.save wrote"
    if script:
        value, remedy = "a program of TorchScript", "save its state_dict instead"
    elif kind is not None and kind.name == "a pickle":
        value, remedy = "a file of PyTorch before 1.6", "save it again by torch.save of a newer PyTorch"
    elif kind is not None and kind.remedy is not None:
        remedy = kind.remedy
    return DataError(Problem(file=path, rule="a file of torch.save", value=value, remedy=remedy))


def _not_whole(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(Problem(file=path, rule="a file that exists", remedy="check the path"))
    said = str(error) or type(error).__name__
    return DataError(Problem(file=path, rule="a whole file of torch.save", value=said[:200], remedy=_AGAIN_REMEDY))
