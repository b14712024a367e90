"""A protocol by name, or as a rule over metadata in a YAML file."""

from __future__ import annotations

import json
from pathlib import Path

from hico_platform.config.yaml_loader import read_yaml
from hico_platform.data.protocol_rule import ProtocolRule

SUFFIXES = (".yaml", ".yml")


def find_protocol_rule(name_or_file: str, *, text: str = "") -> str | ProtocolRule:
    """The rule of a YAML file (``train: {subject: odd}``); any other name is for the store to know.

    ``text`` is what :func:`rule_text` gave of the file, which is then not read.

    Raises:
        ConfigError: the file cannot be read or is no rule.
    """
    if not name_or_file.endswith(SUFFIXES):
        return name_or_file
    file = Path(name_or_file)
    plain = json.loads(text) if text else read_yaml(file).data
    return ProtocolRule.from_plain(file.stem, plain, field=str(file))


def rule_text(file: str) -> str:
    """What a protocol's file holds, as JSON, whatever its layout and comments. Raises ConfigError as above."""
    return json.dumps(read_yaml(Path(file)).data, sort_keys=True)
