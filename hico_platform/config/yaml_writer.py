"""Writes a configuration as YAML that the same reader takes back unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from hico_platform.config.schema import Settings, to_mapping


def as_yaml(config: Settings, *, comments: Sequence[str] = ()) -> str:
    """The whole configuration in the order of its fields, below ``comments`` of one line each."""
    text = yaml.safe_dump(to_mapping(config), sort_keys=False, allow_unicode=True, default_flow_style=False)
    head = "".join(f"# {_one_line(comment)}\n" for comment in comments)
    return f"{head}{text}"


def yaml_text(data: Mapping[str, Any]) -> str:
    """Plain values in their own order, such as the space that a ledger keeps."""
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
