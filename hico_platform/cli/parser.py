"""Parsers of commands, whose errors have the grammar of all errors and name what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable
from types import ModuleType
from typing import NoReturn

from hico_platform.errors import Problem, UsageError

_CHOICE = re.compile(r"invalid choice: (?P<value>.+?) \(choose from (?P<choices>.*)\)$", re.DOTALL)
_TYPE = re.compile(r"invalid (?P<type>\S+) value: (?P<value>.+)$", re.DOTALL)

_ONE_OF = re.compile(r"one of the arguments (?P<options>.+) is required$")
_BESIDE = re.compile(r"not allowed with argument (?P<other>\S.*)$")


class CommandParser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print its usage and end the process."""

    def error(self, message: str) -> NoReturn:
        """Raises what argparse found wrong."""
        raise UsageError(self._problem(message))

    def options(self) -> list[str]:
        """The long options."""
        return [word for action in self._actions for word in action.option_strings if word.startswith("--")]

    def is_flag(self, option: str) -> bool:
        """Whether it has such an option, and that takes no value."""
        return any(option in action.option_strings and action.nargs == 0 for action in self._actions)

    def _problem(self, message: str) -> Problem:
        see_remedy = f"see {self.prog} --help"
        if message.startswith("unrecognized arguments: "):
            return self._unknown(message.partition(": ")[2])
        if message.startswith("the following arguments are required: "):
            missing = message.partition(": ")[2]
            return Problem(field=missing, rule="a value", remedy=see_remedy)
        if found := _ONE_OF.match(message):
            return Problem(rule=f"one of {', '.join(found['options'].split())}", remedy=see_remedy)
        field = ""
        if found := re.match(r"argument (?P<names>[^:]+): ", message):
            field, message = found["names"].split("/")[-1].split()[0], message[found.end() :]
        if found := _CHOICE.match(message):
            choices = [choice.strip().strip("'") for choice in found["choices"].split(",")]
            value = found["value"].strip("'")
            remedy = _nearest_remedy(value, choices) or see_remedy
            return Problem(field=field, rule=f"one of {', '.join(choices)}", value=value, remedy=remedy)
        if found := _TYPE.match(message):
            kind_rule = _type_rule(found["type"])
            return Problem(field=field, rule=kind_rule, value=found["value"].strip("'"), remedy=see_remedy)
        if found := _BESIDE.match(message):
            rule = f"an option that goes with {found['other'].split('/')[-1].split()[0]}"
            return Problem(field=field, rule=rule, remedy="leave out one of the two")
        if found := re.fullmatch(r"expected (?P<rule>.+)", message, re.DOTALL):
            # With what it got, where a type of this package says so.
            return Problem(field=field, rule=_said_rule(found["rule"]), remedy=see_remedy)
        return Problem(field=field, rule=f"the options of {self.prog}", value=message, remedy=see_remedy)

    def _unknown(self, words: str) -> Problem:
        """An option or a word that the command does not take."""
        option = next((word for word in words.split() if word.startswith("-")), None)
        if option is None:
            rule = f"the arguments of {self.prog} and no more"
            return Problem(rule=rule, value=words, remedy=f"see {self.prog} --help")
        near_remedy = _nearest_remedy(option.partition("=")[0], self.options()) or f"see {self.prog} --help"
        return Problem(rule=f"an option of {self.prog}", value=option, remedy=near_remedy)


def parser_of(name: str, module: ModuleType) -> CommandParser:
    """The parser of a command, with the options that all commands have."""
    parser = CommandParser(
        prog=f"hico-platform {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    group = parser.add_argument_group("options of every command")
    group.add_argument(
        "--home", metavar="DIR", help="the folder that holds everything (default: $HICO_HOME, else ~/.hico)"
    )
    group.add_argument(
        "-q", "--quiet", action="store_true", help="print errors, warnings and the result, and no progress"
    )
    group.add_argument(
        "--traceback",
        action="store_true",
        help="where an error came from, line by line (default: $HICO_TRACEBACK)",
    )
    return parser


def no_such_command(words: Iterable[str], *, commands: Iterable[str], what_rule: str = "a command") -> UsageError:
    """The error for words that name no command (or topic), with the one that was probably meant."""
    value = " ".join(words)
    remedy = _nearest_remedy(value, list(commands)) or "see hico-platform --help"
    return UsageError(Problem(rule=f"{what_rule} of hico-platform", value=value, remedy=remedy))


def _type_rule(kind: str) -> str:
    """What a type of argparse's takes, by its name."""
    if kind in {"int", "count"}:
        return "a whole number"
    return "a number" if kind in {"float", "cpus", "gpus"} else f"a value of the kind {kind}"


def _said_rule(said_rule: str) -> str:
    """What argparse, or a type of this package, says that it expected."""
    if said_rule == "one argument":
        return "a value"
    return "at least one value" if said_rule == "at least one argument" else said_rule


def _nearest_remedy(word: str, known: list[str]) -> str | None:
    """A remedy that names the nearest of the known words, if one is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else None
