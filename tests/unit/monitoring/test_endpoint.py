from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from hico_platform.monitoring.endpoint import MOST_AT_ONCE, MetricsEndpoint

NAMES = ("127.0.0.1", "localhost")


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("hico_a_bytes", "A size.", unit="bytes", registry=registry).set(7)
    return registry


@pytest.fixture
def serve(registry: CollectorRegistry) -> Iterator[Callable[..., MetricsEndpoint]]:
    opened: list[MetricsEndpoint] = []

    def endpoint(**options: object) -> MetricsEndpoint:
        listening = socket.create_server(("127.0.0.1", 0))
        opened.append(MetricsEndpoint(registry, listening=listening, names=NAMES, **options))
        return opened[-1]

    yield endpoint
    for one in opened:
        one.close()


def ask(
    endpoint: MetricsEndpoint, path: str = "/metrics", *, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint._server.socket.getsockname()[1], timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def test_a_scraper_gets_the_format_that_it_prefers(serve: Callable[..., MetricsEndpoint]) -> None:
    endpoint = serve()
    status, headers, body = ask(endpoint)
    assert (status, "hico_a_bytes 7.0" in body, "# UNIT" in body) == (200, True, False)
    assert headers["Content-Type"].startswith("text/plain; version=")
    _, headers, body = ask(endpoint, Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert "# UNIT hico_a_bytes bytes" in body


def test_nothing_else_is_served(serve: Callable[..., MetricsEndpoint]) -> None:
    endpoint = serve()
    assert ask(endpoint, "/")[0] == 404
    assert ask(endpoint, "/metrics", method="HEAD")[0] == 405
    assert ask(endpoint, "/metrics", method="POST")[0] == 501
    assert endpoint.scrapes == 0


@pytest.mark.parametrize(("host", "status"), [("localhost:9", 200), ("LOCALHOST", 200), ("evil.example:80", 403)])
def test_a_page_that_had_its_name_resolve_to_this_machine_is_refused(
    serve: Callable[..., MetricsEndpoint], host: str, status: int
) -> None:
    assert ask(serve(), Host=host)[0] == status


def test_with_a_token_only_who_sends_it_is_answered(serve: Callable[..., MetricsEndpoint]) -> None:
    endpoint = serve(token="t" * 20)
    for wrong in ({}, {"Authorization": "Bearer no"}, {"Authorization": "t" * 20}, {"Authorization": "Bearer \xff"}):
        status, headers, body = ask(endpoint, **wrong)
        assert (status, headers["WWW-Authenticate"], "hico" in body) == (401, "Bearer", False)
    assert ask(endpoint, Authorization=f"Bearer {'t' * 20}", Host="gpu7:9000")[0] == 200, "by any name"


def test_connections_that_say_nothing_hold_up_only_so_many(serve: Callable[..., MetricsEndpoint]) -> None:
    endpoint = serve()
    address = endpoint._server.socket.getsockname()
    idle = [socket.create_connection(address) for _ in range(MOST_AT_ONCE)]
    while endpoint._server._free._value:
        pass
    with pytest.raises(ConnectionError):
        ask(endpoint)
    for one in idle:
        one.close()
    while endpoint._server._free._value < MOST_AT_ONCE:
        pass
    assert ask(endpoint)[0] == 200


def test_the_last_state_waits_for_a_scraper_that_comes_regularly(serve: Callable[..., MetricsEndpoint]) -> None:
    endpoint = serve()
    endpoint.linger()  # nobody came: it does not wait
    ask(endpoint)
    ask(endpoint)
    while endpoint.scrapes < 2:
        pass
    waiting = threading.Thread(target=endpoint.linger)
    waiting.start()
    ask(endpoint)
    waiting.join(30)
    assert not waiting.is_alive()
    endpoint._server.scraped_s = [0.0, 1000.0]
    endpoint.linger()  # not for one that comes every quarter of an hour


def test_https(serve: Callable[..., MetricsEndpoint], tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    endpoint = serve(certificate=(certificate, key))
    port = endpoint._server.socket.getsockname()[1]
    trusted = ssl.create_default_context(cafile=str(certificate))
    with socket.create_connection(("127.0.0.1", port)):  # who speaks no TLS holds up nobody
        answer = urllib.request.urlopen(f"https://localhost:{port}/metrics", context=trusted, timeout=10).read()
    assert b"hico_a_bytes 7.0" in answer
