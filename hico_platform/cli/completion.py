"""Print a script that completes commands, options, spaces, searches and files in your shell.

In ~/.bashrc, in ~/.zshrc after compinit, and once for fish:

  eval "$(hico-platform completion bash)"
  eval "$(hico-platform completion zsh)"
  hico-platform completion fish > ~/.config/fish/completions/hico-platform.fish

A shell starts sooner where the script is kept in a file: in a folder of bash-completion (such as
~/.local/share/bash-completion/completions/hico-platform), or of zsh's fpath (as _hico-platform). Make it again after
an upgrade. Names of searches are those of --home, else $HICO_HOME, else ~/.hico at the moment.

examples:
  hico-platform completion bash
  hico-platform completion zsh
  hico-platform completion fish
"""

from __future__ import annotations

import argparse
from typing import Any

from hico_platform.cli.parser import CommandParser, parser_of

SHELLS = ("bash", "zsh", "fish")
_NAMES = {
    "bash": r"""
_hico_platform_searches() {
  local home="${HICO_HOME:-$HOME/.hico}" index
  for ((index = 1; index < ${#COMP_WORDS[@]} - 1; index++)); do
    [[ ${COMP_WORDS[index]} == --home ]] && home="${COMP_WORDS[index + 1]/#\~/$HOME}"
  done
  local names=() folder
  for folder in "$home"/searches/*/; do
    [[ -d $folder ]] && folder="${folder%/}" && names+=("${folder##*/}")
  done
  compgen -W "${names[*]}" -- "$1"
}
_hico_platform_spaces() {
  compgen -W "SPACES" -- "$1"
  compgen -f -X '!*.yaml' -- "$1"
  compgen -f -X '!*.yml' -- "$1"
  compgen -d -- "$1"
}""",
    "zsh": r"""
_hico_platform_searches() {
  local home="${HICO_HOME:-$HOME/.hico}" index
  index=${words[(I)--home]}
  (( index )) && home="${words[index + 1]/#\~/$HOME}"
  local -a names
  names=("$home"/searches/*(N/:t))
  compadd -a names
}
_hico_platform_spaces() {
  compadd SPACES
  _files -g '*.y(a|)ml'
}""",
    "fish": r"""
function _hico_platform_searches
  set -l home ~/.hico
  set -q HICO_HOME; and set home $HICO_HOME
  set -l tokens (commandline -opc)
  set -l index (contains -i -- --home $tokens); and set home (string replace -r '^~' $HOME $tokens[(math $index + 1)])
  for folder in $home/searches/*/
    basename $folder
  end
end
function _hico_platform_spaces
  for name in SPACES
    echo $name
  end
  __fish_complete_suffix .yaml
end""",
}
_SEARCHES = {
    "bash": "_hico_platform_searches", "zsh": "_hico_platform_searches", "fish": "(_hico_platform_searches)"
}  # fmt: skip
_SPACES = {"bash": "_hico_platform_spaces", "zsh": "_hico_platform_spaces", "fish": "(_hico_platform_spaces)"}
_FOLDERS = ("DIR", "FOLDER")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's argument."""
    parser.add_argument("shell", choices=SHELLS, help="your shell")


def run(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    print(script(arguments.shell))
    return 0


def script(shell: str) -> str:
    """The script for a shell, made of the parsers of all commands."""
    import shtab  # alone here: no other command waits for it

    from hico_platform.cli.main import COMMANDS
    from hico_platform.config.package_files import shipped_spaces

    parser = whole_parser(list(COMMANDS))
    preamble = _NAMES[shell].replace("SPACES", " ".join(shipped_spaces()))
    found: str = shtab.complete(parser, shell=shell, preamble=preamble)
    return found


def whole_parser(commands: list[str]) -> CommandParser:
    """One parser of all commands, whose arguments say how they are completed."""
    from hico_platform.cli.main import COMMANDS, load_command

    parser = CommandParser(prog="hico-platform")
    parser.add_argument("--version", action="store_true", help="show the version")
    top = parser.add_subparsers(metavar="COMMAND", parser_class=CommandParser)
    groups: dict[str, Any] = {}
    for name in commands:
        first, _, second = name.partition(" ")
        if second and first not in groups:
            groups[first] = top.add_parser(first, help=f"commands of {first}").add_subparsers(
                metavar="COMMAND", parser_class=CommandParser
            )
        made = parser_of(name, load_command(name))
        for action in made._actions:
            _complete(action, command=name)
        word, place = (second, groups[first]) if second else (name, top)
        place.add_parser(word, help=COMMANDS[name][1], parents=[made], add_help=False, description=COMMANDS[name][1])
    return parser


def _complete(action: argparse.Action, *, command: str) -> None:
    """Says how the values of an argument are completed, by its name in help texts."""
    import shtab

    metavar = action.metavar if isinstance(action.metavar, str) else ""
    if action.choices is not None or action.nargs == 0:
        return
    how: Any = None
    if action.dest == "space":
        how = _SPACES
    elif command == "help" and action.dest == "topic":
        from hico_platform.cli.main import COMMANDS
        from hico_platform.cli.topics import TOPICS

        action.choices = sorted({*TOPICS, *(name.partition(" ")[0] for name in COMMANDS)})
    elif action.dest in {"name", "names"}:
        how = _SEARCHES
    elif metavar.startswith("FILE"):
        how = shtab.FILE
    elif metavar.startswith(_FOLDERS):
        how = shtab.DIRECTORY
    if how is not None:
        action.complete = how  # type: ignore[attr-defined]
