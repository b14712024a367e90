"""Documents laid over one another: a file over the file that it extends, ``--set`` over both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from hico_platform.config.yaml_loader import MOST_DEPTH, Document, FieldPath, dotted, parse_yaml
from hico_platform.errors import ConfigError, Problem

SET = "--set"


def nested(document: Document, *, sections: AbstractSet[str], whole: AbstractSet[str]) -> Document:
    """``document`` with dotted keys unfolded: ``a.b: 1`` is the same as ``a: {b: 1}``.

    Args:
        document: any mapping.
        sections: the top-level keys under which keys are unfolded; the top level itself is too.
        whole: a mapping with one of these keys is a value of its own, and left as it is.

    Raises:
        ConfigError: a key stands twice, once dotted and once nested.
    """
    lines: dict[FieldPath, int] = {}
    files: dict[FieldPath, Path | str | None] = {}
    problems: list[Problem] = []

    def copy_location(old: FieldPath, new: FieldPath) -> None:
        if old in document.lines:
            lines[new] = document.lines[old]
        if old in document.files:
            files[new] = document.files[old]

    def walk(data: Any, old: FieldPath, new: FieldPath, *, unfold: bool) -> Any:
        copy_location(old, new)
        if isinstance(data, list):
            return [walk(item, (*old, i), (*new, i), unfold=False) for i, item in enumerate(data)]
        if not isinstance(data, Mapping):
            return data
        unfold = unfold and whole.isdisjoint(data)
        if not unfold:
            return {key: walk(child, (*old, key), (*new, key), unfold=False) for key, child in data.items()}
        unfolded: dict[str, Any] = {}
        for key, child in data.items():
            parts = key.split(".")
            for depth in range(1, len(parts)):
                copy_location((*old, key), (*new, *parts[:depth]))
            inside = bool(new) or parts[0] in sections
            value = walk(child, (*old, key), (*new, *parts), unfold=inside)
            for part in reversed(parts[1:]):
                value = {part: value}
            twice = _merge(unfolded, {parts[0]: value}, whole)
            problems.extend(
                document.problem(
                    (*old, key),
                    rule="a field that is set once",
                    value=dotted((*new, *path)),
                    remedy="remove one of the two",
                )
                for path in twice
            )
        return unfolded

    check_depth(document)
    data = walk(document.data, (), (), unfold=True)
    if problems:
        raise ConfigError(problems)
    return Document(data=data, file=document.file, lines=lines, files=files)


def check_depth(document: Document) -> None:
    """Checks that no dotted key is deeper than any field, so that keys can be unfolded recursively.

    Raises:
        ConfigError: a key has too many dots.
    """

    def walk(data: Any, path: FieldPath) -> None:
        if isinstance(data, Mapping):
            for key, child in data.items():
                if key.count(".") > MOST_DEPTH:
                    rule = f"a field at most {MOST_DEPTH} levels deep"
                    remedy = "write such as contrast.temperature"
                    raise ConfigError(document.problem(path, rule=rule, value=f"{key[:80]}...", remedy=remedy))
                walk(child, (*path, key))
        elif isinstance(data, list):
            for index, child in enumerate(data):
                walk(child, (*path, index))

    walk(document.data, ())


def lay_over(upper: Document, lower: Document, *, whole: AbstractSet[str]) -> Document:
    """``lower`` with everything that ``upper`` sets; mappings with a key in ``whole`` replace, others merge."""
    data = _copy(lower.data)
    _merge(data, _copy(upper.data), whole)
    replaced = upper.lines.keys() | upper.files.keys()
    lines = {path: line for path, line in lower.lines.items() if path not in replaced}
    files = {path: lower.files.get(path, lower.file) for path in lower.lines.keys() | lower.files.keys()}
    files |= {path: upper.files.get(path, upper.file) for path in replaced}
    return Document(data=data, file=upper.file, lines=lines | dict(upper.lines), files=files)


def override(document: Document, assignments: Iterable[str], *, whole: AbstractSet[str]) -> Document:
    """``document`` with ``key=value`` assignments laid over it; a value is read as YAML.

    Raises:
        ConfigError: an assignment without ``=``, a value that is no YAML, or a document that is no mapping.
    """
    assignments = list(assignments)
    if assignments and not isinstance(document.data, Mapping):
        remedy = "write key: value lines"
        raise ConfigError(document.problem((), rule="a mapping of fields", value=document.data, remedy=remedy))
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                Problem(
                    file=SET,
                    rule="KEY=VALUE",
                    value=assignment,
                    remedy="write --set contrast.temperature=0.1",
                )
            )
        path: FieldPath = tuple(key.strip().split("."))
        if len(path) > MOST_DEPTH:
            remedy = "name a field, such as contrast.temperature"
            raise ConfigError(Problem(file=SET, rule=f"at most {MOST_DEPTH} levels", value=key[:80], remedy=remedy))
        try:
            value = parse_yaml(text, file=SET).data
        except ConfigError as error:
            raise ConfigError(
                [dataclasses.replace(problem, line=None, field=key) for problem in error.problems]
            ) from error
        data: Any = value
        for part in reversed(path):
            data = {part: data}
        sources: dict[FieldPath, Path | str | None] = {path: SET}
        document = lay_over(Document(data=data, file=document.file, files=sources), document, whole=whole)
    return document


def _merge(target: dict[str, Any], source: Mapping[str, Any], whole: AbstractSet[str]) -> list[FieldPath]:
    """Merges in place; returns the paths of values that stood in both."""
    twice: list[FieldPath] = []
    for key, value in source.items():
        both = isinstance(target.get(key), dict) and isinstance(value, Mapping)
        if both and whole.isdisjoint(target[key]) and whole.isdisjoint(value):
            twice += [(key, *path) for path in _merge(target[key], value, whole)]
        else:
            if key in target:
                twice.append((key,))
            target[key] = value
    return twice


def _copy(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data
