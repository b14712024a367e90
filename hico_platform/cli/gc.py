"""Remove what a rule does not keep of a search's checkpoints. It asks first.

A search whose space has keep: applies that rule while it runs; this command is for one that has ended, or has no rule.
Trials that are not over keep all that they need to go on. Runs in MLflow get what is left, and say why.

examples:
  hico-platform gc level_weights --dry-run --keep best=5,per_rung=1
  hico-platform gc level_weights --keep best=5,per_rung=1,encoder_only=rest,days=30
  hico-platform gc level_weights --yes
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator

from hico_platform.amounts import shown_bytes
from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.commands.gc import Collection
from hico_platform.errors import Problem, UsageError
from hico_platform.names import check_known_name
from hico_platform.search.keep_rule import Kept

_FORM_RULE = "KEY=VALUE,KEY=VALUE with best, per_rung, encoder_only and days"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument(
        "--keep", metavar="RULE",
        help="best=N, per_rung=N, encoder_only=rest|none, days=N, with commas between (default: the space's keep)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="say what would go, with its bytes; change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--force", action="store_true", help="also where another user ran it last")
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print what goes as JSON; needs --yes or --dry-run")


def run(arguments: argparse.Namespace) -> int:
    """Says what goes, asks, and removes it."""
    from hico_platform.commands.gc import collect, collection_of

    paths, name = home_paths(arguments), check_known_name(arguments.name, field="NAME")
    keep = None if arguments.keep is None else _rule(arguments.keep)
    asks = not (arguments.dry_run or arguments.yes)
    if asks and (arguments.json or not sys.stdin.isatty()):
        raise UsageError(
            Problem(field="--yes", rule="a terminal to ask on, or --yes", remedy="give --yes, or --dry-run to look")
        )
    found = collection_of(paths, name, keep=keep)
    if not arguments.json:
        print("\n".join(_lines(found)))
    if arguments.dry_run:
        print(json.dumps({**found.as_dict(), "removed": False}) if arguments.json else "nothing was removed")
        return 0
    if asks and input(f"remove {shown_bytes(found.bytes)} of {name}? [y/N] ").strip().lower() not in {"y", "yes"}:
        print("nothing was removed")
        return 1
    done = collect(paths, name, keep=keep, force=arguments.force)
    if done.untracked is not None:
        print(f"warning: MLflow does not show it yet: {done.untracked}; run it again later", file=sys.stderr)
    if arguments.json:
        print(json.dumps({**done.as_dict(), "removed": True}))
    else:
        print(f"{shown_bytes(done.bytes)} removed")
    return 0


def _rule(text: str) -> dict[str, str]:
    """The parts of a rule; what they are is checked as a space's."""
    found: dict[str, str] = {}
    for part in text.split(","):
        key, separator, value = part.partition("=")
        if not separator or not key.strip().isidentifier():
            raise UsageError(
                Problem(field="--keep", rule=_FORM_RULE, value=part, remedy="give such as best=5,encoder_only=none")
            )
        found[key.strip()] = value.strip()
    return found


def _lines(found: Collection) -> Iterator[str]:
    """A line for each trial of which something goes, and what is kept in all."""
    keep = found.keep
    days = "" if keep.days is None else f", days={keep.days:g}"
    yield f"rule     best={keep.best}, per_rung={keep.per_rung}, encoder_only={keep.encoder_only}{days}"
    for one in found.trials:
        if one.bytes > one.bytes_after:
            left = "older checkpoints go" if one.verdict.kept is Kept.WHOLE else str(one.verdict.kept)
            sizes = f"{shown_bytes(one.bytes)} to {shown_bytes(one.bytes_after)}"
            yield f"trial {one.number:<4} {left}, {sizes}: {one.verdict.why}"
    counts = Counter(one.verdict.kept for one in found.trials)
    yield (
        f"kept     {counts[Kept.WHOLE]} whole, {counts[Kept.ENCODER]} as encoders, {counts[Kept.NOTHING]} not at all; "
        f"{found.unfinished} trials that have not ended are left alone"
    )
    before = sum(one.bytes for one in found.trials)
    yield f"bytes    {shown_bytes(before)} now, {shown_bytes(before - found.bytes)} afterwards"
