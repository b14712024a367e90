"""What a file is, by its first bytes, so that a message about the wrong file names it, and says what to do with it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

_SNIFFED_BYTES = 512
_BEGINNING = 40
_CONTROL = frozenset(map(chr, range(32))) - set("\t\n\r\f\v")


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """A kind of file, with an article, and what to do to get at its content."""

    name: str
    remedy: str | None = None


_UNPACK_REMEDY = "unpack it first, for example with"
_ENCODING_REMEDY = "save it as UTF-8"
_KINDS = (
    (b"\x93NUMPY", FileKind(name="an .npy array")),
    (b"PK\x03\x04", FileKind(name="a zip archive (an .npz is one)")),
    (b"\x1f\x8b", FileKind(name="a gzip file", remedy=f"{_UNPACK_REMEDY} gunzip")),
    (b"BZh", FileKind(name="a bzip2 file", remedy=f"{_UNPACK_REMEDY} bunzip2")),
    (b"\xfd7zXZ", FileKind(name="an xz file", remedy=f"{_UNPACK_REMEDY} unxz")),
    (b"\x28\xb5\x2f\xfd", FileKind(name="a zstd file", remedy=f"{_UNPACK_REMEDY} unzstd")),
    (b"7z\xbc\xaf", FileKind(name="a 7z archive", remedy=f"{_UNPACK_REMEDY} 7z x")),
    (b"Rar!", FileKind(name="a rar archive", remedy=f"{_UNPACK_REMEDY} unrar x")),
    (b"PAR1", FileKind(name="a Parquet file")),
    (b"\x89HDF", FileKind(name="an HDF5 file")),
    (b"MATLAB 5.0", FileKind(name="a MATLAB file")),
    (b"version https://git-lfs", FileKind(name="a pointer of Git LFS", remedy="fetch the file itself: git lfs pull")),
    (codecs.BOM_UTF16_LE, FileKind(name="a text in UTF-16", remedy=_ENCODING_REMEDY)),
    (codecs.BOM_UTF16_BE, FileKind(name="a text in UTF-16", remedy=_ENCODING_REMEDY)),
)


def file_kind(file: Path) -> FileKind | None:
    """The kind of a file, or None if it cannot be read or its first bytes do not say."""
    try:
        with file.open("rb") as stream:
            start = stream.read(_SNIFFED_BYTES)
    except (OSError, ValueError):
        return None
    if not start:
        return FileKind(name="an empty file")
    for magic, kind in _KINDS:
        if start.startswith(magic):
            return kind
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return FileKind(name="a pickle")
    return _text_kind(start)


def _text_kind(start: bytes) -> FileKind | None:
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)  # the last character may be cut
    except UnicodeDecodeError:
        return None
    if _CONTROL & set(text):
        return None
    beginning = text.strip().split("\n", 1)[0].strip()[:_BEGINNING]
    return FileKind(name=f"a text file that begins with {beginning!r}")
