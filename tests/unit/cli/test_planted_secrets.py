"""A secret, given in each place where one can be given, is in nothing that a command prints or writes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hico_platform.cli.main import main

SECRET = "planted-s3cr3t"
DATA = f"s3://KEY:{SECRET}@bucket/data"


@pytest.fixture
def closed() -> str:
    """An address at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def traces(folder: Path, captured: pytest.CaptureFixture[str]) -> list[str]:
    """Where the secret is: in files of the home, or in what was printed, which must be something."""
    printed = captured.readouterr()
    assert printed.out or printed.err
    home = folder / "home"
    files = [file for file in home.rglob("*") if file.is_file()] if home.exists() else []
    found = [str(file) for file in files if SECRET.encode() in file.read_bytes()]
    return found + [text for text in (printed.out, printed.err) if SECRET in text]


@pytest.mark.parametrize("more", [[], ["--json"], ["--traceback"]])
@pytest.mark.parametrize(
    "words",
    [
        ["search", "--space", "level_weights.yaml", "--data", DATA],
        ["search", "--space", "level_weights.yaml", "--dry-run", "--data", DATA],
        ["search", "--space", "level_weights.yaml", "--set", f"transfer={DATA}"],
        ["retrain", "level_weights", "--data", DATA],
        ["data", "info", DATA],
        ["data", "verify", DATA],
    ],
)
def test_keys_of_a_dataset(
    words: list[str], more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([*words, "--home", str(tmp_path / "home"), *(more if words[0] != "data" or "--json" not in more else [])])
        == 2
    )
    assert traces(tmp_path, capsys) == []


def test_keys_in_a_space_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = tmp_path / "mine.yaml"
    space.write_text(f"extends: level_weights.yaml\ntransfer: {DATA}\n")
    assert main(["search", "--space", str(space), "--home", str(tmp_path / "home")]) == 2
    captured = capsys.readouterr()
    assert f"{space}:2: transfer: " in captured.err
    assert SECRET not in captured.err


def status_of(address: str, by: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of ``status`` with the study's address, as an option or in the environment."""
    pytest.importorskip("psycopg")
    if by == "environment":
        monkeypatch.setenv("HICO_STORAGE", address)
    given = ["--storage", address] if by == "option" else []
    return main(["status", "--traceback", "--home", str(folder / "home"), *given])


@pytest.mark.parametrize("password", [SECRET, f"a%2F{SECRET}%40b", f"a/{SECRET}@b"])
@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://me:{}@{}/db", "postgresql+psycopg://{1}/db?user=me&password={0}"]
)
@pytest.mark.parametrize("by", ["option", "environment"])
def test_the_password_of_a_database(
    url: str,
    password: str,
    by: str,
    closed: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert status_of(url.format(password, closed), by, tmp_path, monkeypatch) != 0
    assert traces(tmp_path, capsys) == []


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://me:hunter@{}@{}/db", "me:{}@{}/db", "//me:{}@{}/db", "postgresql:/me:{}@{}/db"]
)
@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_password_in_an_address_that_is_none(
    url: str,
    by: str,
    closed: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert status_of(url.format(SECRET, closed), by, tmp_path, monkeypatch) == 2
    assert traces(tmp_path, capsys) == []


@pytest.mark.parametrize(
    "text", ["env_vars: {API_KEY: [VALUE]}", "pip: ['--index-url=https://me:VALUE@host']", "A=VALUE"]
)
def test_a_runtime_environment(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hico_platform.config.runtime_env import read_runtime_env
    from hico_platform.errors import HicoError
    from hico_platform.search.ray_executor.worker_environment import private_runtime_env

    file = tmp_path / "env.yaml"
    file.write_text(text.replace("VALUE", SECRET))
    with pytest.raises(HicoError) as refused:
        private_runtime_env(read_runtime_env(file))
    assert SECRET not in str(refused.value)
