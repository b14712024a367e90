"""YAML with the line of every value, so that a mistake can be named by its place.

The only module that imports a YAML parser.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from hico_platform.config.document import Document, FieldPath, dotted
from hico_platform.errors import ConfigError, Problem

__all__ = ["Document", "FieldPath", "dotted", "parse_yaml", "read_yaml"]


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number and only true/false as truth (YAML 1.2), unlike PyYAML's default."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))


def read_yaml(file: Path) -> Document:
    """Reads one YAML file.

    Raises:
        ConfigError: the file is missing, unreadable, no YAML, or has one key twice.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            Problem(file=file, rule="a readable UTF-8 text file", value=str(error), remedy="check the path")
        ) from error
    return parse_yaml(text, file=file)


def parse_yaml(text: str, *, file: Path | None = None) -> Document:
    """Parses YAML text; ``file`` is named in errors. Raises ConfigError as :func:`read_yaml`."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[FieldPath, int] = {}
        data = None if node is None else _build(node, (), lines, loader, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(
            Problem(
                file=file,
                line=None if mark is None else mark.line + 1,
                rule="valid YAML",
                value=error.problem or str(error),
                remedy="check indentation, colons and quotes",
            )
        ) from error
    finally:
        loader.dispose()
    return Document(data={} if data is None else data, file=file, lines=lines)


def _build(node: yaml.Node, path: FieldPath, lines: dict[FieldPath, int], loader: _Loader, file: Path | None) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(loader.construct_object(key_node, deep=True))
            if key in mapping:
                raise ConfigError(
                    Problem(
                        file=file,
                        line=key_node.start_mark.line + 1,
                        field=dotted((*path, key)),
                        rule="a key stands once",
                        value=key,
                        remedy=f"remove one of the two (the first is on line {lines[*path, key]})",
                    )
                )
            mapping[key] = _build(value_node, (*path, key), lines, loader, file)
            lines[*path, key] = key_node.start_mark.line + 1
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*path, i), lines, loader, file) for i, child in enumerate(node.value)]
    return loader.construct_object(node, deep=True)
