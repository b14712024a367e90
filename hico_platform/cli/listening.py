"""The socket on which ``ui`` listens, and the host names under which it is reached."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from dataclasses import dataclass

from hico_platform.errors import Problem, UsageError

_LOCALHOST = {"127.0.0.1", "::1"}


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A socket that listens.

    Attributes:
        names: the names and addresses of the socket, as they are written in a web address.
        address: the one of them to show.
        is_local: whether only processes of this machine can connect.
    """

    socket: socket.socket
    names: frozenset[str]
    address: str
    is_local: bool


def listen(
    host: str, port: int, *, options: tuple[str, str] = ("--host", "--port"), any_port: bool = False
) -> Listener:
    """Opens a listening socket, so that no other process can take the port afterwards.

    Args:
        host: an address or name of this machine.
        port: a port; 0 takes a free one where ``any_port`` is set.
        options: what users call the two.
        any_port: whether a free port may be taken.

    Raises:
        UsageError: the name does not resolve, or the port is invalid, taken or not allowed for this user.
    """
    first = 0 if any_port else 1
    if not first <= port <= 65535:
        rule = f"a port from {first} to 65535"
        raise UsageError(Problem(field=options[1], rule=rule, value=port, remedy="give another"))
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(
            Problem(
                field=options[0],
                rule="an address or name of this machine, which resolves",
                value=host,
                remedy="give such as 127.0.0.1, ::1 or 0.0.0.0",
            )
        ) from error
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(128)
    except OSError as error:
        opened.close()
        raise UsageError(
            Problem(
                field=options[1],
                rule="an address and port that can be listened on",
                value=f"{in_address(host)}:{port} ({error.strerror})",
                remedy=f"give another {options[1]} or {options[0]}",
            )
        ) from error
    return _listener(opened, host)


def in_address(host: str) -> str:
    """A host as it is written in a web address."""
    return f"[{host}]" if ":" in host else host


def _listener(opened: socket.socket, host: str) -> Listener:
    bound = opened.getsockname()[0]
    ip = ipaddress.ip_address(bound.partition("%")[0])
    if ip.is_loopback:
        # The number is shown instead of localhost, which may also resolve to ::1, where another process may listen.
        names = {bound, "localhost"} if bound in _LOCALHOST else {bound}
        return _of(opened, names, address=bound, is_local=True)
    machine = socket.gethostname()
    names = {host, bound, machine, socket.getfqdn()}
    if not ip.is_unspecified:
        return _of(opened, names, address=host, is_local=False)
    names |= {"localhost", "127.0.0.1" if ip.version == 4 else "::1", *_addresses(machine, opened.family)}
    return _of(opened, names, address=machine, is_local=False)


def _of(opened: socket.socket, names: set[str], *, address: str, is_local: bool) -> Listener:
    written = frozenset(in_address(name) for name in names)
    return Listener(socket=opened, names=written, address=in_address(address), is_local=is_local)


def _addresses(machine: str, family: int) -> set[str]:
    """This machine's addresses: those of its host name, and the source address of its outgoing connections."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        found |= {str(entry[4][0]) for entry in socket.getaddrinfo(machine, None, family)}
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:  # sends nothing
        probe.connect(("192.0.2.1" if family == socket.AF_INET else "2001:db8::1", 9))
        found.add(str(probe.getsockname()[0]))
    return found
