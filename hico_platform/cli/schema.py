"""The JSON Schema of space files, for editors; a space names it in its first line.

example:
  hico-platform schema > space.schema.json
"""

from __future__ import annotations

import argparse
import json

from hico_platform.config.json_schema import space_schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options: none."""


def run(arguments: argparse.Namespace) -> int:
    """Prints the schema."""
    print(json.dumps(space_schema(), indent=1))
    return 0
