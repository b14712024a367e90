"""What is installed, reachable and wrong on this machine, each in a line with what to do.

Exit code 1 says that something does not work; what may be slow or fail later is marked by "!".

examples:
  hico-platform doctor
  hico-platform doctor --address auto --tracking http://mlflow:5000
  hico-platform doctor --json | jq '.[] | select(.grade != "good")'
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.cli.terminal import plain_line

_MARKS = {"good": "ok", "warning": "!", "wrong": "WRONG"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--address", metavar="RAY", help="an existing Ray cluster that a search is to join")
    parser.add_argument("--quick", action="store_true", help="only what a search checks when it begins")
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print a list of findings as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints findings as they come; 1 if something is wrong."""
    from hico_platform.commands.doctor.examine import QUICK, THOROUGH, examine
    from hico_platform.commands.doctor.finding import Grade, Surroundings

    around = Surroundings(paths=home_paths(arguments), environment=dict(os.environ), address=arguments.address)
    findings = []
    for finding in examine(around, checks=QUICK if arguments.quick else (*QUICK, *THOROUGH)):
        findings.append(finding)
        if not arguments.json:
            advice = "" if finding.remedy is None else f"; {finding.remedy}"
            print(plain_line(f"{_MARKS[finding.grade]:<6}{finding.about:<15} {finding.found}{advice}"), flush=True)
    if arguments.json:
        json.dump([finding.as_dict() for finding in findings], sys.stdout, indent=1)
        print()
    return int(any(finding.grade is Grade.WRONG for finding in findings))
