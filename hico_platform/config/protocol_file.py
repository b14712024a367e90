"""A protocol by name, or as a rule over metadata in a YAML file."""

from __future__ import annotations

from pathlib import Path

from hico_platform.config.yaml_loader import read_yaml
from hico_platform.data.protocol_rule import ProtocolRule

SUFFIXES = (".yaml", ".yml")


def find_protocol_rule(name_or_file: str) -> str | ProtocolRule:
    """The rule of a YAML file (``train: {subject: odd}``); any other name is for the store to know.

    Raises:
        ConfigError: the file cannot be read or is no rule.
    """
    if not name_or_file.endswith(SUFFIXES):
        return name_or_file
    file = Path(name_or_file)
    return ProtocolRule.from_plain(file.stem, read_yaml(file).data, field=str(file))
