"""Loopback, ports and proxies: Ray's processes talk over 127.0.0.1, and gRPC obeys proxies that browsers would not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong
from hico_platform.home import is_served
from hico_platform.masking import without_credentials

UI_PORT = 5000
CONNECT_S = 2.0
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


def check(around: Surroundings) -> Iterator[Finding]:
    """A connection of this machine to itself, and proxies without exceptions."""
    yield _loopback()
    yield from _proxies(around)


def check_port(around: Surroundings) -> Iterator[Finding]:
    """The port of the pages, which is no matter of a search."""
    yield _port(UI_PORT)


def _loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=CONNECT_S).close()
    except OSError as error:
        return wrong(
            "loopback",
            f"127.0.0.1 cannot be reached ({error.strerror or error})",
            "bring the interface up (ip link set lo up), and let firewalls pass it",
        )
    return good("loopback", "127.0.0.1 answers")


def _port(port: int) -> Finding:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        taken = "taken" if error.errno == errno.EADDRINUSE else f"not to be had ({error.strerror})"
        return warning("port", f"{port} is {taken}", "give another to the pages: hico-platform ui --port N")
    return good("port", f"{port} is free for the pages")


def _proxies(around: Surroundings) -> Iterator[Finding]:
    environment = {name.lower(): value for name, value in around.environment.items() if value}
    found = {name: environment[name] for name in _PROXIES if name in environment}
    if not found:
        return
    exceptions = [one.strip() for one in environment.get("no_proxy", "").split(",") if one.strip()]
    name, address = next(iter(found.items()))
    hosts = ["127.0.0.1", "localhost"]
    if is_served(around.paths.tracking_uri):
        hosts.append(urlsplit(around.paths.tracking_uri).hostname or "")
    if around.address is not None and ":" in around.address and "://" not in around.address:
        hosts.append(around.address.rpartition(":")[0])
    missing = [host for host in dict.fromkeys(hosts) if host and not _is_excepted(host, exceptions)]
    shown = f"{name.upper()}={without_credentials(address)}"
    if missing:
        yield warning(
            "proxy", f"{shown} is asked for {', '.join(missing)} too", f"add to NO_PROXY: {','.join(missing)}"
        )
    else:
        yield good("proxy", shown)


def _is_excepted(host: str, exceptions: list[str]) -> bool:
    return any(one in {"*", host} or host.endswith(f".{one.lstrip('.')}") for one in exceptions)
