from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hico_platform.cli.main import main
from hico_platform.tracking import mlflow_pages
from hico_platform.tracking.mlflow_tracker import Experiment, MlflowTracker
from tests.mlflow_store import mlflow_home


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What would have been served."""
    servers: list[SimpleNamespace] = []

    def serve(policy: Any, **more: Any) -> None:
        servers.append(SimpleNamespace(policy=policy, **more))

    monkeypatch.setattr(mlflow_pages, "serve", serve)
    monkeypatch.setattr(MlflowTracker, "experiments", lambda self: {"toy\x1b[2J": Experiment(number="7")})
    return servers


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\x00")
    return tmp_path


def free_port(family: socket.AddressFamily, host: str) -> int:
    with socket.socket(family) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            pytest.skip(f"{host} cannot be listened on here")
        port: int = probe.getsockname()[1]
        return port


def ui(home: Path, *words: str, port: int | None = None) -> int:
    port = free_port(socket.AF_INET, "127.0.0.1") if port is None else port
    return main(["ui", "--home", str(home), "--port", str(port), *words])


def test_an_ipv6_address_is_written_in_brackets(
    served: list[SimpleNamespace], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port(socket.AF_INET6, "::1")
    assert ui(home, "--host", "::1", port=port) == 0
    policy = served[0].policy
    assert f"http://[::1]:{port}/?token={policy.token}#/experiments/7/" in capsys.readouterr().out
    assert policy.hosts == {f"[::1]:{port}", f"localhost:{port}"}


def test_names_of_a_store_do_not_steer_the_terminal(
    served: list[SimpleNamespace], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["ui", "--home", str(tmp_path), "--tracking", "http://me:s3cr3t@host:5000"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "http://host:5000/#/experiments/7" in shown
    assert served == []


def test_each_start_has_a_token_of_its_own(served: list[SimpleNamespace], home: Path) -> None:
    ui(home)
    ui(home, "--read-only")
    one, two = (server.policy for server in served)
    assert one.token != two.token
    assert len(one.token) >= 40
    assert (one.read_only, two.read_only) == (False, True)
    assert served[0].artifacts == home / "mlartifacts", "not the current folder"


def test_localhost_is_shown_by_its_number(
    served: list[SimpleNamespace], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may lead to an address of the same port where somebody else listens."""
    ui(home, "--host", "localhost")
    assert "http://localhost" not in capsys.readouterr().out


def test_the_token_may_be_kept_in_a_file(
    served: list[SimpleNamespace], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "token"
    assert [ui(home, "--token-file", str(file)) for _ in range(2)] == [0, 0]
    assert file.stat().st_mode & 0o777 == 0o600
    assert {server.policy.token for server in served} == {file.read_text().strip()}
    file.chmod(0o640)
    assert ui(home, "--token-file", str(file)) == 2
    assert "chmod 600" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"), [("short", "one without a token"), ("with a blank, and long enough", "one without a token")]
)
def test_a_file_without_a_token(
    served: list[SimpleNamespace], home: Path, content: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "token"
    file.write_text(content)
    file.chmod(0o600)
    (home / "link").symlink_to(file)
    assert ui(home, "--token-file", str(file)) == 2
    assert words in capsys.readouterr().err
    for other in ("link", "", "nowhere/token"):
        assert ui(home, "--token-file", str(home / other)) == 2
        assert "--token-file" in capsys.readouterr().err
    assert served == []


def test_the_copy_of_a_home_that_may_only_be_read_goes_when_it_ends(
    served: list[SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[bool] = []
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    mlflow_home(home)
    temporary.mkdir()

    def serve(policy: Any, *, uri: str, **more: Any) -> None:
        copies.append(bool(list(temporary.glob("hico-ui-*/mlflow.db"))))
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow_pages, "serve", serve)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert ui(home) == 130
    assert copies == [True]
    assert list(temporary.iterdir()) == []


def test_other_machines_are_served_by_tls_or_by_choice(
    served: list[SimpleNamespace], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ui(home, "--host", "0.0.0.0") == 2
    refused = capsys.readouterr().err
    assert "--tls-cert" in refused
    assert "ssh -L" in refused
    assert served == []
    assert ui(home, "--host", "0.0.0.0", "--insecure") == 0
    shown = capsys.readouterr()
    assert "other machines can connect here" in shown.err
    assert "?token=" in shown.out
    policy = served[0].policy
    assert {f"{socket.gethostname()}:{policy.port}".lower(), f"127.0.0.1:{policy.port}"} <= policy.hosts


def test_a_certificate_goes_with_its_key(
    served: list[SimpleNamespace], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ui(home, "--tls-cert", "a.pem") == 2
    assert "--tls-key: expected a certificate and its key" in capsys.readouterr().err
    assert ui(home, "--tls-cert", str(home / "a.pem"), "--tls-key", str(home / "b.pem")) == 2
    assert "No such file" in capsys.readouterr().err
    assert served == []
