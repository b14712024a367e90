"""Loads what other packages bring: one that cannot be loaded is named with its package, and breaks no other."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from hico_platform.errors import HicoError, Problem, UsageError, first_line
from hico_platform.plug_in_names import PlugIn, PlugInGroup, plug_ins

_log = logging.getLogger(__name__)


class BrokenPlugInError(UsageError):
    """A plug-in cannot be imported, or is not what its group asks for."""


@functools.cache
def loaded(group: PlugInGroup, name: str) -> Any:
    """What the entry point ``name`` of a group names; in this process it is imported once.

    Raises:
        BrokenPlugInError: there is none, or importing it fails.
    """
    plug_in = plug_ins(group).get(name)
    if plug_in is None:
        raise BrokenPlugInError(
            Problem(
                field=group.noun,
                rule=f"a plug-in in the group {group.value}",
                value=name,
                remedy="install the package that brings it, on every machine that runs trials",
            )
        )
    try:
        return plug_in.point.load()
    except Exception as error:
        raise broken(plug_in, error) from error


def broken(plug_in: PlugIn, error: Exception) -> BrokenPlugInError:
    """The error for a plug-in that raises where it must not."""
    return BrokenPlugInError(
        Problem(
            field=f"{plug_in.group.noun} {plug_in.name}",
            rule=f"a plug-in that {plug_in.package} {plug_in.version} brings in working order",
            value=f"{type(error).__name__}: {first_line(error)}",
            remedy=f"mend or remove {plug_in.package}",
        )
    )


def made(group: PlugInGroup, name: str, *arguments: Any, **named: Any) -> Any:
    """What the plug-in's factory gives for these arguments.

    Raises:
        BrokenPlugInError: it cannot be imported, or raises an error that is not of this project.
    """
    factory = loaded(group, name)
    try:
        return factory(*arguments, **named)
    except UsageError:
        raise
    except Exception as error:
        raise broken(plug_ins(group)[name], error) from error


@contextlib.contextmanager
def named_with_its_package(group: PlugInGroup, name: str, *, own: Collection[str]) -> Iterator[None]:
    """While what a plug-in made is at work: an error that is no ``HicoError`` becomes one that names the plug-in.

    Names in ``own`` are this project's, whose errors pass; so does what the system refuses, such as a full disk.

    Raises:
        BrokenPlugInError: the plug-in raised.
    """
    try:
        yield
    except (HicoError, OSError):
        raise
    except Exception as error:
        if name in own or name not in plug_ins(group):
            raise
        raise broken(plug_ins(group)[name], error) from error


def skip_broken(error: BrokenPlugInError) -> None:
    """Warns of a plug-in that nobody asked for by name and that is left out."""
    _log.warning("left out: %s", error)


@functools.cache
def warn_of_missing(group: PlugInGroup, name: str, *, recorded: str, search: str) -> None:
    """Warns, once of each, that a search which is looked at used a plug-in that is not installed here.

    Args:
        group: of the plug-in.
        name: its name.
        recorded: the plug-ins of the search as :func:`records` wrote them, which names the package; may be empty.
        search: the search's name.
    """
    called = f"{group.noun} {name}"
    known = next((one for one in recorded.split("; ") if one.startswith(f"{called} of ")), called)
    package = known.removeprefix(f"{called} of ").rpartition(" ")[0] if known != called else "the package that has it"
    _log.warning(
        "search %s used the %s, which is not installed here: what is recorded is shown; install %s to resume, "
        "reproduce or retrain",
        search,
        known,
        package,
    )


def records(used: Iterable[tuple[PlugInGroup, str]]) -> str:
    """The plug-ins among some names, for provenance: ``encoder mine of hico-extras 1.2; ...``; empty without one."""
    known = (plug_ins(group).get(name) for group, name in dict.fromkeys(used))
    return "; ".join(str(one) for one in known if one is not None)
