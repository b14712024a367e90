"""Reads a pickle without running it: numbers, text, containers and numpy arrays, and nothing else.

A pickle is a program for a stack machine. This module goes through the program opcode by opcode
(``pickletools.genops``) and looks every call up in a short table of pure functions. Any other name is refused with a
message, and nothing is imported or called for it. Arrays stay in the file and only their positions are read, so a
pickle of many gigabytes needs memory only for its small parts.
"""

from __future__ import annotations

import mmap
import pickletools
import struct
import sys
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import IO, Any, cast

from hico_platform.data.file_kind import file_kind
from hico_platform.data.pickled_array import (
    CALLS,
    NAMES,
    SMALL_BYTES,
    Blob,
    Name,
    PickledArray,
    PickledDtype,
    Refused,
    named,
    plain_key,
)  # fmt: skip
from hico_platform.errors import DataError, Problem

Outside = Callable[[Any], Any]

MOST_BYTES = 2**30  # memory for everything but long arrays; the annotations of NTU-120 need half of it
_BYTES_A_STEP = 64
_BYTES_A_CALL = 600
_PAGES_KEPT_OPCODES = 50_000
_LENGTH_BYTES = {
    "SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8,
    "SHORT_BINUNICODE": 1, "BINUNICODE": 4, "BINUNICODE8": 8,
    "SHORT_BINSTRING": 1, "BINSTRING": 4,
}  # fmt: skip


def read_plain_pickle(path: Path) -> Any:
    """The content of a pickle: None, numbers, text, bytes, lists, tuples, dicts, ``StoredArray``; sets come as lists.

    Raises DataError if it is not a pickle, is too long, or contains anything else, which is named and not executed.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Machine().run(data)
    except Refused as refusal:
        raise DataError(
            Problem(file=path, rule="a pickle of numpy arrays and plain containers alone",
                    value=str(refusal),
                    remedy="ask for it as .npz or .npy, and do not trust this file: nothing of it was run")
        ) from None  # fmt: skip
    except BROKEN as error:
        raise _no_pickle(path, error) from None


def run_pickle(
    data: mmap.mmap, *, calls: Mapping[Name, Callable[..., Any]], names: AbstractSet[Name], outside: Outside
) -> Any:
    """The content of a pickle that may call and name more than a plain one.

    Args:
        data: the pickle.
        calls: pure functions of this project by the names that they stand for.
        names: what it may name without a call.
        outside: what lies outside the pickle under an id that it gives.

    Attributes that it sets of an ``OrderedDict`` are left out. Raises Refused where it names or calls anything else,
    and what ``BROKEN`` lists where it is damaged.
    """
    return _Machine(calls={**CALLS, **calls}, names=NAMES | calls.keys() | names, outside=outside).run(data)


def _no_pickle(path: Path, error: Exception) -> DataError:
    kind = file_kind(path)
    if kind is not None and kind.remedy is not None:
        return DataError(Problem(file=path, rule="a pickle", value=kind.name, remedy=kind.remedy))
    said = f"{type(error).__name__}: {error}" if kind is None or kind.name == "a pickle" else kind.name
    return DataError(Problem(file=path, rule="a whole pickle", value=said, remedy="get the file again"))


BROKEN = (
    ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, EOFError, RecursionError,
    struct.error,
)  # fmt: skip


class _Machine:
    """The stack machine of pickle, without the opcodes that import or call arbitrary functions."""

    def __init__(
        self,
        *,
        calls: Mapping[Name, Callable[..., Any]] = CALLS,
        names: AbstractSet[Name] = NAMES,
        outside: Outside | None = None,
    ) -> None:
        self._calls, self._names, self._outside = calls, names, outside
        self._stack: list[Any] = []
        self._marks: list[int] = []  # heights of the stack
        self._memo: dict[int, Any] = {}

    def run(self, data: mmap.mmap) -> Any:
        """The value that the program leaves on the stack."""
        cost_bytes = 0
        for count, (opcode, argument, position) in enumerate(pickletools.genops(cast(IO[bytes], data))):
            if cost_bytes > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES} bytes beside its arrays")
            cost_bytes += _BYTES_A_CALL if opcode.name == "REDUCE" else _BYTES_A_STEP
            if count % _PAGES_KEPT_OPCODES == 0:
                data.madvise(mmap.MADV_DONTNEED)  # otherwise all pages of the file count as memory of this process
            if opcode.name in _LENGTH_BYTES:
                content = _content(opcode.name, argument, position or 0)
                cost_bytes += sys.getsizeof(content)
                self._stack.append(content)
            elif opcode.name in _STEPS:
                cost_bytes += sys.getsizeof(argument)
                _STEPS[opcode.name](self, argument)
                if opcode.name == "REDUCE":  # which copies what it is given
                    cost_bytes += sys.getsizeof(self._stack[-1])
            else:
                raise Refused(f"the opcode {opcode.name}")
        return _finished(self._stack.pop())

    def nothing(self, argument: Any) -> None:
        """For opcodes that only delimit the program."""

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
        self._stack[-1][plain_key(key)] = value

    def name(self, argument: str | None) -> None:
        if argument is not None:
            module, _, name = argument.partition(" ")
        else:
            name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no text")
        named = Name(module, name)
        if named not in self._names:
            raise Refused(str(named))
        self._stack.append(named)

    def reduce(self, argument: Any) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if not isinstance(called, Name) or called not in self._calls:
            raise Refused(f"a call of {named(called)}")
        self._stack.append(self._calls[called](*arguments))

    def build(self, argument: Any) -> None:
        state = self._stack.pop()
        if isinstance(self._stack[-1], dict) and self._outside is not None:
            return
        if not isinstance(self._stack[-1], PickledArray | PickledDtype):
            raise Refused(f"a state for {type(self._stack[-1]).__name__}")
        self._stack[-1].build(state)

    def persistent(self, argument: Any) -> None:
        if self._outside is None:
            raise Refused("the opcode BINPERSID")
        self._stack.append(self._outside(self._stack.pop()))

    def gathered(self) -> list[Any]:
        """The values that were pushed on the stack since the last mark."""
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
    return list(zip(map(plain_key, items[::2]), items[1::2], strict=True))


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
    "EMPTY_SET": lambda machine, _: machine.literal([]),
    "ADDITEMS": _Machine.extend,
    "FROZENSET": lambda machine, _: machine.literal(machine.gathered()),
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
    "BINPERSID": _Machine.persistent,
}


def _content(name: str, argument: Any, position: int) -> Any:
    """Bytes or text; a ``Blob`` with their position if they are long."""
    text = "UNICODE" in name
    start = position + 1 + _LENGTH_BYTES[name]
    if "STRING" in name:  # bytes of Python 2, which pickletools returns as text
        size, content = len(argument), argument
    elif text:
        content = argument
        size = len(argument.encode("utf-8", "surrogatepass")) if len(argument) > SMALL_BYTES // 4 else 0
    else:
        size, content = len(argument), bytes(argument)
    return Blob(start=start, size=size, as_text=text) if size > SMALL_BYTES else content


def _finished(value: Any) -> Any:
    """The value with arrays under construction replaced by ``StoredArray``, and tuples that contain any by lists."""
    holder = [value]
    seen: set[int] = set()
    converted: dict[int, tuple[Any, Any]] = {}
    pending: list[Any] = [holder]
    while pending:
        container = pending.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        for key, inner in list(container.items() if isinstance(container, dict) else enumerate(container)):
            finished = _convert(inner, converted)
            if finished is not inner:
                container[key] = finished
            if isinstance(finished, list | dict):
                pending.append(finished)
    return holder[0]


def _convert(value: Any, converted: dict[int, tuple[Any, Any]]) -> Any:
    """A converted value; ``converted`` maps ids of tuples to the tuples, so that ids stay valid, and their results."""
    if isinstance(value, PickledArray):
        if value.stored is None:
            raise ValueError("an array without values")
        return value.stored
    if isinstance(value, tuple):
        if not any(isinstance(inner, PickledArray | tuple | list | dict | Name | PickledDtype) for inner in value):
            return value
        if id(value) not in converted:
            converted[id(value)] = value, [_convert(inner, converted) for inner in value]
        return converted[id(value)][1]
    if isinstance(value, Name | PickledDtype):
        raise Refused(f"a bare {value.name}")
    return value
