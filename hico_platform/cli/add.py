"""Add a point to a search, to be tried next, beside the trials that it has left.

Fields that are left out are those of the space's base. A value that the space does not have is refused.

examples:
  hico-platform add level_weights --point contrast.temperature=0.07,model.encoder=lstm
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, cast

from hico_platform.cli.steer_options import add_steer_options, print_asked
from hico_platform.cli.store_options import home_paths
from hico_platform.errors import Problem, UsageError
from hico_platform.names import check_known_name

if TYPE_CHECKING:
    from hico_platform.config.scalars import Scalar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("--point", metavar="KEY=VALUE,...", required=True, help="values of fields that it varies")
    add_steer_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Checks the point, writes the request, and waits a little for the answer."""
    from hico_platform.commands.steer import ask
    from hico_platform.search.requests import RequestKind

    name, values = check_known_name(arguments.name, field="NAME"), _point(arguments.point)
    asked = ask(home_paths(arguments), name, RequestKind.ADD, values=values, patience_s=arguments.wait)
    return print_asked(asked, name, as_json=arguments.json)


def _point(text: str) -> dict[str, Scalar]:
    """The values of a point. Raises UsageError for a part that is no ``KEY=VALUE``, and for a field without a value."""
    from hico_platform.config.scalars import ScalarError, plain_scalar

    values: dict[str, Scalar] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, sign, given = (piece.strip() for piece in part.partition("="))
        if not sign or not key:
            raise UsageError(
                Problem(field="--point", rule="KEY=VALUE", value=part, remedy="write such as contrast.temperature=0.07")
            )
        try:
            value = plain_scalar(given)
        except ScalarError as error:
            rule, remedy = error.rule, error.remedy
            raise UsageError(Problem(field=f"--point: {key}", rule=rule, value=given, remedy=remedy)) from error
        if not given:
            remedy = "leave the field out for that of the base"
            raise UsageError(Problem(field=f"--point: {key}", rule="a value", remedy=remedy))
        if key in values:
            both, remedy = f"{given} after {values[key]}", "give the field once"
            raise UsageError(Problem(field=f"--point: {key}", rule="one value", value=both, remedy=remedy))
        values[key] = cast("Scalar", value)  # or null, where a search has it among its choices
    return values
