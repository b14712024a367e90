"""A map of a table's columns by name, or from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hico_platform.config.yaml_loader import read_yaml
from hico_platform.data.table_map import TableMap
from hico_platform.errors import ConfigError, Problem

FOLDER = Path(__file__).parent / "table_maps"


def shipped_maps() -> dict[str, Path]:
    """The maps that are built in, by name."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.yaml"))}


def find_table_map(name_or_file: str) -> TableMap:
    """A map that is built in, or that of a YAML file with the keys of ``TableMap``.

    Raises ConfigError naming file, line and key.
    """
    shipped = shipped_maps()
    file = shipped.get(name_or_file, Path(name_or_file))
    if not file.is_file():
        raise ConfigError(
            Problem(field="map", rule=f"one of {', '.join(shipped)}, or a YAML file", value=name_or_file,
                    remedy="check the name or the path")
        )  # fmt: skip
    document = read_yaml(file)
    if not isinstance(document.data, Mapping):
        remedy = f"write keys such as files, joints and unit, as in {FOLDER / 'mediapipe.yaml'}"
        raise ConfigError(document.problem((), rule="a mapping of a map's keys", remedy=remedy))
    try:
        return TableMap.from_plain(document.data)
    except ConfigError as error:
        problems = []
        for said in error.problems:
            path = tuple(said.field.removeprefix("map.").split("."))
            problems.append(document.problem(path, rule=said.rule, value=said.value, remedy=said.remedy))
        raise ConfigError(problems) from None
