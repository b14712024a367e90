from __future__ import annotations

import argparse
import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from hico_platform.cli.metrics_options import add_metrics_options, check_metrics_options, exported_metrics
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_metrics_options(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--metrics-port", "70000"), "--metrics-port: expected a port from 0 to 65535, got 70000; give one"),
        (
            ("--metrics-token-file", "t"),
            "--metrics-token-file: expected a port to serve them on; add --metrics-port 0",
        ),
        (
            ("--metrics-file", "a.txt"),
            "--metrics-file: expected a name that ends with .prom, which is what node_exporter reads, got 'a.txt'; "
            "give a.prom",
        ),
        (
            ("--metrics-file", "/none/a.prom"),
            "--metrics-file: expected a file in a folder that exists, got '/none/a.prom'; "
            "give one in the folder that node_exporter's --collector.textfile.directory names",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_begins(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_metrics_options(parsed(*words))
    assert str(refused.value) == message


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., None]:
    def run(*words: str) -> None:
        with exported_metrics(parsed(*words), name="toy", paths=HomePaths(home=tmp_path), say=print):
            pass

    return run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--metrics-host", "0.0.0.0"), "expected an address of this machine alone, or TLS, got '0.0.0.0'"),
        (("--metrics-host", "0.0.0.0", "--metrics-insecure"), "expected a token, which other machines have to send"),
        (("--metrics-tls-cert", "cert.pem"), "--metrics-tls-key: expected a certificate and its key; give both files"),
        (
            ("--metrics-tls-cert", "cert.pem", "--metrics-tls-key", "key.pem"),
            "--metrics-tls-cert: expected a certificate and its key, as PEM files without a password",
        ),
        (("--metrics-host", "192.0.2.77"), "--metrics-port: expected an address and port that can be listened on"),
    ],
)
def test_other_machines_need_a_token_and_tls(begin: Callable[..., None], words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        begin("--metrics-port", "0", *words)


def test_a_file_that_cannot_be_written_is_refused(begin: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "taken.prom").mkdir()
    with pytest.raises(UsageError, match="--metrics-file: expected a file that can be written, got"):
        begin("--metrics-file", str(tmp_path / "taken.prom"))


def test_without_options_there_are_no_metrics(tmp_path: Path) -> None:
    with exported_metrics(parsed(), name="toy", paths=HomePaths(home=tmp_path), say=print) as metrics:
        assert metrics is None


def test_the_endpoint_is_said_found_and_gone(tmp_path: Path) -> None:
    said: list[str] = []
    file = tmp_path / "hico.prom"
    arguments = parsed("--metrics-port", "0", "--metrics-file", str(file))
    with exported_metrics(arguments, name="toy", paths=HomePaths(home=tmp_path), say=said.append) as metrics:
        assert metrics is not None
        found = json.loads((tmp_path / "metrics" / "toy.search.json").read_text())
        (target,) = found[0]["targets"]
        assert said == [f"metrics: http://{target}/metrics"]
        answer = urllib.request.urlopen(f"http://{target}/metrics", timeout=10).read().decode()
        assert 'hico_driver_heartbeat_timestamp_seconds{search="toy"}' in answer
    assert not (tmp_path / "metrics" / "toy.search.json").exists()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{target}/metrics", timeout=10)
    assert 'search="toy"' in file.read_text(), "the last state stays"


def test_a_token_file_is_kept_to_its_owner(tmp_path: Path) -> None:
    token = tmp_path / "token"
    arguments = parsed("--metrics-port", "0", "--metrics-token-file", str(token), "--metrics-host", "127.0.0.1")
    with exported_metrics(arguments, name="toy", paths=HomePaths(home=tmp_path), say=print):
        assert len(token.read_text().strip()) >= 20
    token.chmod(0o644)
    with (
        pytest.raises(UsageError, match="--metrics-token-file: expected a file of this user with a token"),
        exported_metrics(arguments, name="toy", paths=HomePaths(home=tmp_path), say=print),
    ):
        pass
