"""Print the configuration of the best trial of a search, as YAML that pretrain and retrain take.

examples:
  hico-platform best level_weights > best.yaml
  hico-platform best level_weights --trial 7 > seven.yaml
  hico-platform pretrain --config best.yaml
  hico-platform retrain --config best.yaml
"""

from __future__ import annotations

import argparse
import json

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("--trial", type=int, metavar="N", help="another trial than the best")
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, with the trial's number and scores")


def run(arguments: argparse.Namespace) -> int:
    """Prints the configuration."""
    from hico_platform.commands.best_config import best_config
    from hico_platform.config.schema import to_mapping

    name = check_known_name(arguments.name, field="NAME")
    found = best_config(home_paths(arguments), name, trial=arguments.trial)
    if not arguments.json:
        print(found.as_yaml(), end="")
        return 0
    print(
        json.dumps(
            {
                "search": name,
                "trial": found.trial.number,
                "value": found.trial.value,
                "standard_error": found.trial.standard_error,
                "epoch": found.trial.epoch,
                "config": to_mapping(found.config),
            }
        )
    )
    return 0
