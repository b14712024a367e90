"""YAML with the line of every value, so that a mistake can be named by its place.

The only module that imports a YAML parser, and of that only the parser: what plain scalars mean is YAML 1.2's core
schema (:mod:`hico_platform.config.scalars`). Size, depth and the number of values are bounded, aliases counted as often
as they are used.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hico_platform.config.document import Document, FieldPath, dotted
from hico_platform.config.scalars import ScalarError, plain_scalar
from hico_platform.config.yaml_text import check_text, read_text
from hico_platform.errors import ConfigError, Problem

__all__ = ["MOST_DEPTH", "Document", "FieldPath", "dotted", "parse_yaml", "read_yaml"]

MOST_DEPTH = 32
MOST_VALUES = 10_000
IGNORED = "x-"
"""Top-level keys that begin so are the user's own, as in compose files: a place for anchors."""

_Parser = Any
"""PyYAML's parser; its stubs leave its events untyped."""

_MERGE = "<<"
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = tuple(f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "null"))
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_yaml(file: Path) -> Document:
    """Reads one YAML file; top-level keys that begin with ``x-`` are left out.

    Raises:
        ConfigError: the file is missing, unreadable, empty, no YAML, has one key twice, or is too large.
    """
    text = read_text(file)
    document = parse_yaml(text, file=file)
    if document.data is None:
        raise ConfigError(
            Problem(file=file, rule="fields", value="an empty file", remedy="write {} to keep everything as it is")
        )
    if not isinstance(document.data, Mapping):
        return document
    own = {key: value for key, value in document.data.items() if not key.startswith(IGNORED)}
    return dataclasses.replace(document, data=own)


def parse_yaml(text: str, *, file: Path | str | None = None) -> Document:
    """Parses YAML text; ``file`` is named in errors. The data is None where there is none.

    Raises:
        ConfigError: as :func:`read_yaml`.
    """
    check_text(text, file=file)
    composer = _Composer(file)
    loader = yaml.SafeLoader(text)
    try:
        root = composer.document(loader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax_problem(error, file)) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # such as an escape of no character
        problem = Problem(file=file, rule="valid YAML", value=str(error), remedy="check quotes and escapes")
        raise ConfigError(problem) from error
    finally:
        loader.dispose()
    builder = _Builder(file)
    data = None if root is None else builder.build(root, ())
    return Document(data=data, file=file, lines=builder.lines)


@dataclass(frozen=True, kw_only=True)
class _Node:
    """A part of a document: a scalar's value, a list of nodes, or a mapping of keys to (line of the key, node)."""

    line: int
    content: Any


class _Composer:
    """Turns a parser's events into nodes; an alias is the node that its anchor names."""

    def __init__(self, file: Path | str | None) -> None:
        self._file = file
        self._anchors: dict[str, _Node] = {}
        self._open: set[str] = set()
        self._merged = 0

    def document(self, loader: _Parser) -> _Node | None:
        """The one document of a stream, if there is one."""
        loader.get_event()  # the stream's start
        if loader.check_event(yaml.StreamEndEvent):
            return None
        loader.get_event()  # the document's start
        event = loader.peek_event()
        root = self._node(loader, depth=0)
        loader.get_event()  # the document's end
        if not loader.check_event(yaml.StreamEndEvent):
            line = loader.peek_event().start_mark.line + 1
            raise self._wrong(line, "one document", "a second one", "remove what begins with ---")
        is_empty = isinstance(event, yaml.ScalarEvent) and event.value == "" and event.implicit[0]
        return None if is_empty and event.tag is None and event.anchor is None else root

    def _node(self, loader: _Parser, *, depth: int) -> _Node:
        event = loader.get_event()
        line = event.start_mark.line + 1
        if depth > MOST_DEPTH:
            raise ConfigError(_too_deep(self._file, line))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, line)
        anchor = event.anchor
        if anchor is not None:
            self._anchors.pop(anchor, None)
            self._open.add(anchor)
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(line=line, content=self._scalar(event, line))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._known_tag(event.tag, (f"{_TAG}seq",), line)
            items = []
            while not loader.check_event(yaml.SequenceEndEvent):
                items.append(self._node(loader, depth=depth + 1))
            loader.get_event()
            node = _Node(line=line, content=items)
        else:
            self._known_tag(event.tag, (f"{_TAG}map",), line)
            node = _Node(line=line, content=self._mapping(loader, depth=depth))
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = node
        return node

    def _mapping(self, loader: _Parser, *, depth: int) -> dict[str, tuple[int, _Node]]:
        """A mapping's own keys, and behind them what ``<<`` merges; own keys go first, then the mapping named first."""
        own: dict[str, tuple[int, _Node]] = {}
        merges: list[_Node] | None = None
        while not loader.check_event(yaml.MappingEndEvent):
            event = loader.peek_event()
            line = event.start_mark.line + 1
            is_merge = isinstance(event, yaml.ScalarEvent) and event.value == _MERGE and event.implicit[0]
            key = self._key(loader, depth=depth)
            if key in own or (is_merge and merges is not None):
                first = f" (the first is on line {own[key][0]})" if key in own else ""
                raise self._wrong(line, "a key that is given once", key, f"remove one of the two{first}", field=key)
            value = self._node(loader, depth=depth + 1)
            if is_merge:
                merges = self._mergeable(value, line)
            else:
                own[key] = (line, value)
        loader.get_event()
        merged: dict[str, tuple[int, _Node]] = {}
        for mapping in merges or ():
            self._merged += len(mapping.content)
            if self._merged > MOST_VALUES:
                raise ConfigError(_too_many(self._file, mapping.line))
            merged = mapping.content | merged
        return merged | own

    def _key(self, loader: _Parser, *, depth: int) -> str:
        """A key is text, as it is written: ``1: x`` has the key ``1``."""
        event = loader.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            if event.value and event.anchor is None and event.tag in (None, "!", f"{_TAG}str"):
                loader.get_event()
                return self._text(event.value, line)
        elif isinstance(event, yaml.AliasEvent):
            found = self._node(loader, depth=depth).content
            if isinstance(found, str):
                return found
        raise self._wrong(line, "a key that is plain text", "something else", "write key: value")

    def _mergeable(self, value: _Node, line: int) -> list[_Node]:
        mappings = value.content if isinstance(value.content, list) else [value]
        if not all(isinstance(mapping.content, dict) for mapping in mappings):
            raise self._wrong(line, "a mapping, or a list of mappings, to merge", "something else", "write <<: *anchor")
        return mappings

    def _alias(self, name: str | None, line: int) -> _Node:
        if name in self._open:
            raise self._wrong(line, "an alias of what does not hold it", f"*{name}", "remove the alias")
        if name is None or name not in self._anchors:
            raise self._wrong(line, "an alias of an anchor above it", f"*{name}", f"write &{name} where it is defined")
        return self._anchors[name]

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Any:
        text = self._text(event.value, line)
        tag = event.tag
        if tag is None or tag == "!":
            if tag is None and event.implicit[0]:
                return self._plain(text, line)
            return text
        self._known_tag(tag, _SCALAR_TAGS, line)
        kind = tag.removeprefix(_TAG)
        if kind == "str":
            return text
        value = self._plain(text, line)
        if kind == "float" and type(value) is int:
            value = float(value)
        wanted = {"int": int, "float": float, "bool": bool, "null": type(None)}[kind]
        if type(value) is not wanted:
            raise self._wrong(line, f"a value of the tag !!{kind}", text, "correct the value, or remove the tag")
        return value

    def _plain(self, text: str, line: int) -> Any:
        try:
            return plain_scalar(text)
        except ScalarError as error:
            shown = text if len(text) <= 40 else f"{text[:40]}..."
            raise self._wrong(line, error.rule, shown, error.remedy) from None

    def _text(self, text: str, line: int) -> str:
        """Escapes may make what no file could hold (half of a surrogate pair) or hold it where none is wanted."""
        found = _SURROGATE.search(text) or re.search("\0", text)
        if found is not None:
            code = f"\\u{ord(found.group()):04x}"
            raise self._wrong(line, "a character that a text can hold", code, "remove the escape")
        return text

    def _known_tag(self, tag: str | None, known: tuple[str, ...], line: int) -> None:
        if tag is not None and tag != "!" and tag not in known:
            shown = tag.replace(_TAG, "!!")
            names = ", ".join(one.replace(_TAG, "!!") for one in known)
            raise self._wrong(line, f"a tag that is known here ({names})", shown, "remove the tag")

    def _wrong(self, line: int, rule: str, value: str, remedy: str, *, field: str = "") -> ConfigError:
        return ConfigError(Problem(file=self._file, line=line, field=field, rule=rule, value=value, remedy=remedy))


class _Builder:
    """Plain data from nodes, with the line of every part; an alias is a copy, and counts as one."""

    def __init__(self, file: Path | str | None) -> None:
        self.lines: dict[FieldPath, int] = {}
        self._file = file
        self._values = 0

    def build(self, node: _Node, path: FieldPath) -> Any:
        """The data of ``node`` at ``path``."""
        self._values += 1
        if self._values > MOST_VALUES:
            raise ConfigError(_too_many(self._file, node.line))
        if len(path) > MOST_DEPTH:
            raise ConfigError(_too_deep(self._file, node.line))
        self.lines.setdefault(path, node.line)
        if isinstance(node.content, dict):
            mapping = {}
            for key, (line, child) in node.content.items():
                self.lines[*path, key] = line
                mapping[key] = self.build(child, (*path, key))
            return mapping
        if isinstance(node.content, list):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.content)]
        return node.content


def _syntax_problem(error: yaml.MarkedYAMLError, file: Path | str | None) -> Problem:
    mark = error.problem_mark or error.context_mark
    said = error.problem or str(error)
    is_tab = "'\\t'" in said
    return Problem(
        file=file,
        line=None if mark is None else mark.line + 1,
        rule="valid YAML",
        value="a tab where YAML wants spaces" if is_tab else said,
        remedy="indent with spaces" if is_tab else "check indentation, colons and quotes",
    )


def _too_deep(file: Path | str | None, line: int) -> Problem:
    remedy = "write fields less deep"
    return Problem(file=file, line=line, rule=f"at most {MOST_DEPTH} levels", value="more", remedy=remedy)


def _too_many(file: Path | str | None, line: int) -> Problem:
    remedy = "remove aliases that multiply, or what is no configuration"
    return Problem(file=file, line=line, rule=f"at most {MOST_VALUES:,} values", value="more", remedy=remedy)
