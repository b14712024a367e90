"""Reads a pickle without running it: numbers, text, containers and numpy arrays, and nothing else.

A pickle is a program for a small machine. Here the program is walked opcode by opcode (``pickletools.genops``) and
every call in it is looked up in a short table of pure functions; whatever else it names is refused by name, and
nothing is ever imported or called on its behalf. Arrays stay in the file: what is read is where they lie, so a
pickle of many gigabytes costs the memory of its small parts.
"""

from __future__ import annotations

import math
import mmap
import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from hico_platform.errors import DataError, Problem

MOST_OPCODES = 30_000_000
_SMALL_BYTES = 4096
_PAGES_KEPT_OPCODES = 50_000
_LENGTH_BYTES = {
    "SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8,
    "SHORT_BINUNICODE": 1, "BINUNICODE": 4, "BINUNICODE8": 8,
    "SHORT_BINSTRING": 1, "BINSTRING": 4,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Bytes that were left in the file; as UTF-8 of latin-1 where ``as_text`` (pickles of protocol 2 and less)."""

    start: int
    size: int
    as_text: bool


@dataclass(frozen=True, kw_only=True)
class StoredArray:
    """An array in a pickle: its kind, and its bytes or their place in the file."""

    stored_shape: tuple[int, ...]
    dtype: str
    fortran: bool
    content: Blob | bytes
    axes: tuple[int, ...]
    """The stored axis that each axis of the array is."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return tuple(self.stored_shape[axis] for axis in self.axes)

    def load(self, path: Path) -> npt.NDArray[Any]:
        """Its values. Raises DataError where the file holds fewer bytes than the shape wants."""
        wanted = math.prod(self.stored_shape)
        try:
            values = np.frombuffer(self._bytes(path), np.dtype(self.dtype))
        except ValueError:
            values = np.zeros(0)
        if values.size != wanted:
            raise DataError(
                Problem(file=path, rule="an array in a pickle has as many values as its shape",
                        value=f"{values.size} for {list(self.shape)}", remedy="get the file again")
            )  # fmt: skip
        return values.reshape(self.stored_shape, order="F" if self.fortran else "C").transpose(self.axes)

    def _bytes(self, path: Path) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        with path.open("rb") as file:
            file.seek(self.content.start)
            raw = file.read(self.content.size)
        return raw.decode("utf-8").encode("latin-1") if self.content.as_text else raw


def read_plain_pickle(path: Path) -> Any:
    """What a pickle holds: None, numbers, text, bytes, lists, tuples, dicts, ``StoredArray``.

    Raises DataError where it is no pickle, is too long, or holds anything else, which is named and not executed.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Machine().run(data)
    except _Refused as refusal:
        raise DataError(
            Problem(file=path, rule="a pickle may hold numpy arrays and plain containers only; nothing of it was run",
                    value=str(refusal), remedy="do not trust this file; ask for it as .npz or .npy")
        ) from None  # fmt: skip
    except _BROKEN as error:
        raise DataError(
            Problem(
                file=path, rule=f"is no whole pickle ({type(error).__name__}: {error})", remedy="get the file again"
            )
        ) from None


_BROKEN = (
    ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, EOFError, RecursionError,
    struct.error,
)  # fmt: skip


class _Refused(Exception):  # noqa: N818 - it never leaves this file
    """The pickle names something that is not on the list."""


@dataclass(frozen=True)
class _Name:
    """A function or class that the pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class _Dtype:
    """A numpy dtype under construction; its state gives the byte order."""

    name: str

    def build(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise ValueError(f"a byte order {order!r}")
        self.name = np.dtype(self.name).newbyteorder(order).str


@dataclass
class _Array:
    """A numpy array under construction."""

    stored: StoredArray | None = None

    def build(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        self.stored = _stored(shape, dtype, fortran, content)


def _stored(shape: Any, dtype: Any, fortran: Any, content: Any, axes: Any = None) -> StoredArray:
    if not isinstance(dtype, _Dtype):
        raise ValueError("an array without a dtype")
    if isinstance(content, str):
        content = content.encode("latin-1")
    if not isinstance(content, Blob | bytes):
        raise _Refused("an array of objects")
    if not all(isinstance(size, int) and 0 <= size < 2**40 for size in shape):
        raise ValueError(f"an array of shape {shape}")
    axes = tuple(range(len(shape))) if axes is None else tuple(axes)
    if sorted(axes) != list(range(len(shape))):
        raise ValueError(f"axes {axes} of an array of shape {shape}")
    return StoredArray(stored_shape=tuple(shape), dtype=dtype.name, fortran=bool(fortran), content=content, axes=axes)


def _dtype(name: Any, *_: Any) -> _Dtype:
    text = name.decode("ascii") if isinstance(name, bytes) else str(name)
    dtype = np.dtype(text) if text[1:].isdigit() and text[:1] in "fiubUS" else None
    if dtype is None:
        raise _Refused(f"an array of {text}")
    return _Dtype(dtype.str)


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind != _NDARRAY:
        raise _Refused(str(kind))
    return _Array()


def _scalar(dtype: Any, content: Any) -> int | float:
    stored = _stored((), dtype, False, content)
    if isinstance(stored.content, Blob):
        raise ValueError("a number of many bytes")
    value: int | float = np.frombuffer(stored.content, stored.dtype)[0].item()
    return value


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> _Array:
    return _Array(_stored(shape, dtype, order == "F", content, axes if order == "K" else None))


def _encode(text: Any, encoding: Any) -> Blob | bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _Refused(f"_codecs.encode to {encoding}")
    if isinstance(text, Blob):
        return text
    encoded: bytes = text.encode("latin-1")
    return encoded


_NUMPY_CORES = ("numpy.core", "numpy._core")
_CALLS: dict[_Name, Callable[..., Any]] = {
    **{_Name(f"{core}.multiarray", "_reconstruct"): _reconstruct for core in _NUMPY_CORES},
    **{_Name(f"{core}.multiarray", "scalar"): _scalar for core in _NUMPY_CORES},
    **{_Name(f"{core}.numeric", "_frombuffer"): _frombuffer for core in _NUMPY_CORES},
    _Name("numpy", "dtype"): _dtype,
    _Name("_codecs", "encode"): _encode,
    _Name("collections", "OrderedDict"): lambda items=(): dict(items),
}
_NDARRAY = _Name("numpy", "ndarray")
_NAMED = frozenset({*_CALLS, _NDARRAY})


class _Machine:
    """The pickle machine, without the parts that act."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []  # heights of the stack
        self._memo: dict[int, Any] = {}

    def run(self, data: mmap.mmap) -> Any:
        """What the program leaves on the stack."""
        for count, (opcode, argument, position) in enumerate(pickletools.genops(cast(IO[bytes], data))):
            if count > MOST_OPCODES:
                raise ValueError(f"more than {MOST_OPCODES} steps")
            if count % _PAGES_KEPT_OPCODES == 0:
                data.madvise(mmap.MADV_DONTNEED)  # else the pages of the whole file count as this process's
            if opcode.name in _LENGTH_BYTES:
                self._stack.append(_content(opcode.name, argument, position or 0))
            elif opcode.name in _STEPS:
                _STEPS[opcode.name](self, argument)
            else:
                raise _Refused(f"the opcode {opcode.name}")
        return _finished(self._stack.pop())

    def nothing(self, argument: Any) -> None:
        """For opcodes that only frame the program."""

    def literal(self, argument: Any) -> None:
        self._stack.append(argument)

    def remember(self, argument: Any) -> None:
        self._memo[len(self._memo) if argument is None else int(argument)] = self._stack[-1]

    def recall(self, argument: Any) -> None:
        self._stack.append(self._memo[int(argument)])

    def mark(self, argument: Any) -> None:
        self._marks.append(len(self._stack))

    def pop(self, argument: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def duplicate(self, argument: Any) -> None:
        self._stack.append(self._stack[-1])

    def append(self, argument: Any) -> None:
        value = self._stack.pop()
        self._stack[-1].append(value)

    def set_item(self, argument: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._stack[-1][key] = value

    def name(self, argument: str | None) -> None:
        if argument is not None:
            module, _, name = argument.partition(" ")
        else:
            name, module = self._stack.pop(), self._stack.pop()
        named = _Name(str(module), str(name))
        if named not in _NAMED:
            raise _Refused(str(named))
        self._stack.append(named)

    def reduce(self, argument: Any) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if called not in _CALLS:
            raise _Refused(f"a call of {called}")
        self._stack.append(_CALLS[called](*arguments))

    def build(self, argument: Any) -> None:
        state = self._stack.pop()
        if not isinstance(self._stack[-1], _Array | _Dtype):
            raise _Refused(f"a state for {type(self._stack[-1]).__name__}")
        self._stack[-1].build(state)

    def gathered(self) -> list[Any]:
        """What was put on the stack since the last mark."""
        at = self._marks.pop()
        items = self._stack[at:]
        del self._stack[at:]
        return items

    def extend(self, argument: Any) -> None:
        items = self.gathered()
        self._stack[-1].extend(items)

    def set_items(self, argument: Any) -> None:
        items = _pairs(self.gathered())
        for key, value in items:
            self._stack[-1][key] = value

    def last_as_tuple(self, count: int) -> None:
        self._stack[-count:] = [tuple(self._stack[-count:])]


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(items[::2], items[1::2], strict=True))


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _Machine.nothing),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "UNICODE"),
        _Machine.literal,
    ),
    **dict.fromkeys(("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"), _Machine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.recall),
    "NONE": lambda machine, _: machine.literal(None),
    "NEWTRUE": lambda machine, _: machine.literal(True),
    "NEWFALSE": lambda machine, _: machine.literal(False),
    "EMPTY_LIST": lambda machine, _: machine.literal([]),
    "EMPTY_DICT": lambda machine, _: machine.literal({}),
    "EMPTY_TUPLE": lambda machine, _: machine.literal(()),
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "DUP": _Machine.duplicate,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "TUPLE": lambda machine, _: machine.literal(tuple(machine.gathered())),
    "LIST": lambda machine, _: machine.literal(machine.gathered()),
    "DICT": lambda machine, _: machine.literal(dict(_pairs(machine.gathered()))),
    "POP_MARK": lambda machine, _: machine.nothing(machine.gathered()),
    "TUPLE1": lambda machine, _: machine.last_as_tuple(1),
    "TUPLE2": lambda machine, _: machine.last_as_tuple(2),
    "TUPLE3": lambda machine, _: machine.last_as_tuple(3),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


def _content(name: str, argument: Any, position: int) -> Any:
    """Bytes or text; where long, only their place."""
    text = "UNICODE" in name
    start = position + 1 + _LENGTH_BYTES[name]
    if "STRING" in name:  # bytes of Python 2, which pickletools gives as text
        size, content = len(argument), argument
    elif text:
        content = argument
        size = len(argument.encode("utf-8", "surrogatepass")) if len(argument) > _SMALL_BYTES // 4 else 0
    else:
        size, content = len(argument), bytes(argument)
    return Blob(start=start, size=size, as_text=text) if size > _SMALL_BYTES else content


def _finished(value: Any) -> Any:
    """The value with arrays in place of those under construction; containers are changed in place."""
    holder = [value]
    seen: set[int] = set()
    pending: list[Any] = [holder]
    while pending:
        container = pending.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        for key, inner in list(container.items() if isinstance(container, dict) else enumerate(container)):
            finished = _settled(inner)
            if finished is not inner:
                container[key] = finished
            if isinstance(finished, list | dict):
                pending.append(finished)
    return holder[0]


def _settled(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.stored is None:
            raise ValueError("an array without values")
        return value.stored
    if isinstance(value, tuple):
        return [*map(_settled, value)] if any(isinstance(v, _Array | tuple | list | dict) for v in value) else value
    if isinstance(value, _Name | _Dtype):
        raise _Refused(f"a bare {value.name}")
    return value
