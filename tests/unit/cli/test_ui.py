from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.cli.ui import check_address
from hico_platform.errors import UsageError
from hico_platform.tracking.mlflow_tracker import MlflowTracker


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have become the process."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda program, words, environment: commands.append(words))
    monkeypatch.setattr(MlflowTracker, "experiments", lambda self: {"toy\x1b[2J": "7"})
    return commands


def free_port(family: socket.AddressFamily, host: str) -> int:
    with socket.socket(family) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            pytest.skip(f"{host} cannot be listened on here")
        port: int = probe.getsockname()[1]
        return port


def test_an_ipv6_address_is_written_in_brackets(
    started: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port(socket.AF_INET6, "::1")
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\x00")
    main(["ui", "--home", str(tmp_path), "--host", "::1", "--port", str(port)])
    assert f"http://[::1]:{port}/#/experiments/7/" in capsys.readouterr().out
    assert started[0][started[0].index("--host") + 1] == "::1"


def test_names_of_a_store_do_not_steer_the_terminal(
    started: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["ui", "--home", str(tmp_path), "--tracking", "http://me:s3cr3t@host:5000"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "http://me:***@host:5000/#/experiments/7" in shown
    assert started == []


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (
            "nowhere.invalid",
            "--host: an address or the name of this machine; got 'nowhere.invalid'; it does not resolve",
        ),
        ("a" * 70 + ".b", "--host: an address or the name of this machine"),
        ("::ffff:300.1.1.1", "--host: an address"),
        ("192.0.2.1", "--port: an address and port that can be listened on; got '192.0.2.1:5000'"),
    ],
)
def test_an_address_that_is_none_of_this_machine(host: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_address(host, 5000)
    assert words in str(caught.value)
