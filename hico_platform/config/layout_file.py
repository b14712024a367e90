"""A skeleton layout by name, or from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hico_platform.config.yaml_loader import read_yaml
from hico_platform.data.layout import Layout
from hico_platform.data.layouts import ALSO, LAYOUTS
from hico_platform.errors import ConfigError, Problem


def find_layout(name_or_file: str) -> Layout:
    """A layout that is built in, or that of a YAML file with the keys of ``Layout``; joints count from 0.

    Raises ConfigError naming file, line and key.
    """
    named = LAYOUTS | ALSO
    if name_or_file in named:
        return named[name_or_file]
    file = Path(name_or_file)
    if not file.is_file():
        raise ConfigError(
            Problem(field="layout", rule=f"one of {', '.join(LAYOUTS)}, or a YAML file", value=name_or_file,
                    remedy="check the name or the path; `hico-platform data layouts` shows them")
        )  # fmt: skip
    document = read_yaml(file)
    if not isinstance(document.data, Mapping):
        raise ConfigError(
            document.problem((), rule="a mapping of a layout's keys", remedy="see `hico-platform help data layouts`")
        )
    try:
        return Layout.from_plain(document.data)
    except ConfigError as error:
        problems = []
        for said in error.problems:
            key = said.field.rpartition(".")[2]
            problems.append(document.problem((key,), rule=said.rule, value=said.value, remedy=said.remedy))
        raise ConfigError(problems) from None
