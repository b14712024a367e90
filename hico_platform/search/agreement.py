"""What must stay the same when a search is resumed: trials under other data or fixed settings are not comparable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hico_platform.config.schema import flatten
from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.errors import Problem, UsageError
from hico_platform.search.ledger.base import Facts, SearchRecord


def check_agreement(search: SearchRecord, *, space: CheckedSpace, facts: Facts) -> None:
    """Whether a search may go on with a space and facts; ranges and limits may differ from those before.

    Raises:
        UsageError: with each of data, protocol, transfer dataset and fixed settings that differs.
    """
    was = space_from(search.source)
    problems = [
        Problem(
            field=field,
            rule=f"the same as when the search {search.name} began: {before}",
            value=now,
            remedy="resume with what it began with, or begin another search by --name",
        )
        for field, before, now in (
            *_differences({"data": search.facts.data_digest}, {"data": facts.data_digest}),
            *_differences({"protocol": search.facts.protocol}, {"protocol": facts.protocol}),
            *_differences(_rules(search.facts), _rules(facts)),
            *_differences(_transfer(search.facts, was), _transfer(facts, space)),
            *_differences(_fixed(was), _fixed(space)),
        )
    ]
    if problems:
        raise UsageError(problems)


def resumed_limit(search: SearchRecord, space: CheckedSpace) -> int:
    """The trials of a resumed search: as many as before, unless its space file gives another number than it did."""
    was = space_from(search.source).settings.trials
    return search.limit if space.settings.trials == was else space.settings.trials


def _fixed(space: CheckedSpace) -> dict[str, Any]:
    """Settings that no trial varies."""
    varied = {field for parameter in space.parameters for field in parameter.fields}
    return {f"base.{name}": value for name, value in flatten(space.base).items() if name not in varied}


def _transfer(facts: Facts, space: CheckedSpace) -> dict[str, Any]:
    """What the transfer metrics depend on; searches of older versions have no digest of that dataset."""
    digest = facts.more.get("transfer_digest")
    return {"transfer_protocol": space.settings.transfer_protocol} | ({"transfer": digest} if digest else {})


def _rules(facts: Facts) -> dict[str, Any]:
    """What the files of protocols held; searches of older versions have no digest of them, nor has a mere name one."""
    found = {
        "rule of the protocol": facts.more.get("protocol_digest"),
        "rule of the transfer protocol": facts.more.get("transfer_protocol_digest"),
    }
    return {field: digest for field, digest in found.items() if digest is not None}


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(name, was[name], now[name]) for name in was.keys() & now.keys() if was[name] != now[name]]
