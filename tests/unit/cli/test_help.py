from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import hico_platform
from hico_platform.cli import help as module
from hico_platform.cli.main import COMMANDS, main
from hico_platform.cli.topics import TOPICS

PACKAGE = Path(hico_platform.__file__).parent


def test_alone_it_lists_topics_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    listed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for name in (*TOPICS, *COMMANDS):
        assert any(line.startswith(f"{name} ") for line in listed), name


@pytest.mark.parametrize("name", ["status", "data prepare"])
def test_of_a_command_it_is_that_commands_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", *name.split()]) == 0
    shown = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    assert shown == capsys.readouterr().out


def test_of_a_group_it_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "data"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["data", "synth"]


def test_a_mistyped_topic_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "score"]) == 2
    assert (
        "expected a topic or a command of hico-platform, got 'score'; did you mean scores?" in capsys.readouterr().err
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("lines", "paged"), [(10, False), (60, True)])
def test_a_pager_is_for_a_terminal_and_for_long_texts_alone(
    lines: int, paged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(module.subprocess, "run", lambda words, **_: calls.append(words))
    monkeypatch.setattr(module.shutil, "get_terminal_size", lambda *_, **__: SimpleNamespace(columns=80, lines=24))
    monkeypatch.setenv("PAGER", "cat -u")
    monkeypatch.setattr(sys, "stdin", Terminal())
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    module.show("line\n" * lines)
    assert calls == ([["cat", "-u"]] if paged else [])
    assert terminal.getvalue().count("\n") == (0 if paged else lines)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    module.show("line\n" * lines)
    assert len(calls) == paged, "a pipe is no terminal"


def test_the_overview_and_a_topic_import_nothing_heavy() -> None:
    code = (
        "import sys; from hico_platform.cli.main import main; main(['--help']); main(['help', 'scores']);"
        "heavy = {'shtab', 'pydantic', 'rich', 'torch', 'ray', 'mlflow', 'numpy'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", [*TOPICS, *COMMANDS])
def test_no_help_names_a_file_that_an_installed_package_does_not_have(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *name.split()]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert not re.findall(r"\b(?:docs/\S*|[A-Z]+)\.md\b", shown), "say it, or name a topic of hico-platform help"


@pytest.mark.slow  # it parses the whole package
def test_no_other_text_of_the_package_names_a_page_of_the_repository() -> None:
    """Messages, scripts and manifests are read where only the package is; docstrings are read beside the code."""
    named = [
        f"{file.relative_to(PACKAGE)}:{node.lineno}: {node.value}"
        for file in sorted(PACKAGE.rglob("*.py"))
        for node in texts(ast.parse(file.read_text(encoding="utf-8")))
        if re.search(r"\bdocs/", node.value)
    ]
    assert not named, "name a topic or a command of hico-platform help"


def texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every text but docstrings, of attributes too."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node


def test_texts_are_those_that_are_no_docstrings() -> None:
    tree = ast.parse('"""docs/a"""\nx = f"docs/b {1}"\n"""docs/c"""\ndef f():\n    "docs/d"\n    return "docs/e"')
    assert [str(node.value).strip() for node in texts(tree)] == ["docs/b", "docs/e"]
