"""Writes a configuration as YAML that the same reader takes back unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from hico_platform.config.scalars import ScalarError, plain_scalar
from hico_platform.config.schema import Settings, to_mapping


def as_yaml(config: Settings, *, comments: Sequence[str] = ()) -> str:
    """The whole configuration in the order of its fields, below ``comments`` of one line each."""
    head = "".join(f"# {_one_line(comment)}\n" for comment in comments)
    return head + _dumped(to_mapping(config), default_flow_style=False)


def yaml_text(data: Mapping[str, Any]) -> str:
    """Plain values in their own order, such as the space that a ledger keeps."""
    return _dumped(data, width=110, default_flow_style=None)


class _Writer(yaml.SafeDumper):
    """Quotes texts for readers of both YAML 1.1, which PyYAML has in mind, and 1.2, in which 1e5 and 0o17 are numbers.

    A text with a character that is not printable, such as a line separator, is written with escapes.
    """

    def text(self, text: str) -> yaml.ScalarNode:
        """A text as it is written."""
        style = '"' if not text.isprintable() else None if _is_read_as_text(text) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _Writer.text)


def _dumped(data: Mapping[str, Any], **style: Any) -> str:
    return str(yaml.dump(dict(data), Dumper=_Writer, sort_keys=False, allow_unicode=True, **style))


def _is_read_as_text(text: str) -> bool:
    try:
        return plain_scalar(text) == text
    except ScalarError:
        return False


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and each part where it stands, even if it is the same twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def yaml_documents(documents: Sequence[Mapping[str, Any]]) -> str:
    """Several documents of plain values in one text, as kubectl takes them."""
    return yaml.dump_all(
        [dict(document) for document in documents],
        Dumper=_Readable,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=110,
    )


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
