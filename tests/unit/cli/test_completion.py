"""The scripts complete in real shells; those of zsh and fish where these are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hico_platform.cli.completion import SHELLS, script
from hico_platform.cli.main import COMMANDS, main

pytestmark = pytest.mark.slow

LINES = {
    "sea": "search",
    "data prep": "prepare",
    "search --tri": "--trials",
    "search --space level_w": "level_weights",
    "search --space mi": "mine.yaml",
    "status --home HOME al": "alpha",
    "search --resume --home HOME --name al": "alpha",
    "pretrain --config mi": "mine.yaml",
    "evaluate --split v": "val",
    "help sco": "scores",
    "completion zs": "zsh",
}
"""What is typed after ``hico-platform``, and what its last word becomes."""

BASH = """
source "$1"
function=$(complete -p hico-platform | sed -E 's/.*-F ([^ ]+).*/\\1/')
while read -r line; do
  eval "COMP_WORDS=(hico-platform $line)"
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  "$function"
  echo "${COMPREPLY[*]}"
done
"""
FISH = """
source $argv[1]
while read line
  echo (complete -C "hico-platform $line" | string split -f 1 \\t)
end
"""
# In a terminal of its own, as zsh completes only there: ^X prints the line and empties it.
ZSH = """
zmodload zsh/zpty
zpty -b z zsh -f -i
zpty -w z "PROMPT='' ; autoload -Uz compinit ; compinit -u -D ; eval \\"\\$(<$1)\\"
show() { print -r -- \\"<<\\$BUFFER>>\\" ; BUFFER= } ; zle -N show ; bindkey '^X' show ; print READY"
read_until() {
  got=
  while [[ $got != *$1* ]]; do zpty -r z part && got+=$part || sleep 0.05; done
}
read_until $'\\nREADY'
while read -r line; do
  zpty -n -w z "hico-platform $line"$'\\t\\x18'
  read_until '>>'
  print -r -- "${${got#*<<}%>>*}"
done
"""
RUNS = {
    "bash": ["bash", "-c", BASH, "bash"],
    "zsh": ["zsh", "-f", "-c", ZSH, "zsh"],
    "fish": ["fish", "-N", "-c", FISH],
}


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed: its completion is not tried")
    return name


def test_the_shell_completes_commands_options_spaces_searches_and_files(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "completion"
    file.write_text(script(shell))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine.yaml").touch()
    for name in ("alpha", "beta"):
        (tmp_path / "home" / "searches" / name).mkdir(parents=True)
    typed = "".join(f"{line.replace('HOME', str(tmp_path / 'home'))}\n" for line in LINES)
    done = subprocess.run(
        [*RUNS[shell], str(file)], input=typed, capture_output=True, text=True, cwd=tmp_path / "here", timeout=300,
        check=False,
    )  # fmt: skip
    found = [line.split()[-1] if line.split() else "" for line in done.stdout.splitlines()]
    assert dict(zip(LINES, found, strict=True)) == LINES, done.stderr


def test_every_command_and_option_is_in_it() -> None:
    words = set(re.findall(r"[\w-]+", script("bash")))
    assert {word for name in COMMANDS for word in name.split()} <= words
    assert {"--trials", "--quiet", "--home", "--json"} <= words


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    assert "complete -o bashdefault -F _shtab_hico_platform hico-platform" in capsys.readouterr().out
    assert main(["completion", "csh"]) == 2
    assert "shell: expected one of bash, zsh, fish, got 'csh'" in capsys.readouterr().err
