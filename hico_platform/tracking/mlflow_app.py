"""Access control around MLflow's app: only requests with the token are served, and only routes that are listed.

Any account of a machine can connect to its loopback addresses, and any page in a browser can send requests to them. So
each request is checked by its Host header, the page that sent it, the token, and its route, in this order.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from hico_platform.tracking.mlflow_routes import MLFLOW, Access, Routes

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PAGE = "/"
"""The one HTML document of MLflow's pages; the fragment of its address selects what it shows."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
# MLflow's app gets neither the token nor headers with which a client claims another address, path or method.
_DROPPED = frozenset(
    b"authorization cookie forwarded x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-prefix "
    b"x-forwarded-proto x-http-method x-http-method-override x-method-override x-original-url x-rewrite-url "
    b"x-script-name".split()
)
_HEADERS = {
    b"referrer-policy": b"same-origin",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"SAMEORIGIN",
    b"cross-origin-resource-policy": b"same-origin",
}


@dataclass(frozen=True, kw_only=True)
class AccessPolicy:
    """Who may send requests, and which.

    Attributes:
        names: names and addresses by which the server may be called; IPv6 addresses in brackets.
        port: the port that it listens on.
        token: required from a browser once, and from a script with each request.
        secure: whether it is served by TLS.
        read_only: whether requests that change something are refused.
        session: the cookie's value that a browser gets for the token; valid until this process ends.
    """

    names: frozenset[str]
    port: int
    token: str = field(repr=False)
    secure: bool = False
    read_only: bool = False
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def scheme(self) -> str:
        """http or https."""
        return "https" if self.secure else "http"

    @property
    def hosts(self) -> frozenset[str]:
        """Accepted values of the Host header."""
        ported = {f"{name.lower()}:{self.port}" for name in self.names}
        bare = {name.lower() for name in self.names} if self.port == _DEFAULT_PORTS[self.scheme] else set()
        return frozenset(ported | bare)

    @property
    def origins(self) -> frozenset[str]:
        """Accepted values of the Origin header."""
        return frozenset(f"{self.scheme}://{host}" for host in self.hosts)

    @property
    def cookie(self) -> str:
        """The cookie's name, with the port, because browsers send a host's cookies to all of its ports."""
        return f"hico-ui-{self.port}"


class AccessGuard:
    """An ASGI app that forwards to MLflow's app, or another one, what an :class:`AccessPolicy` allows.

    Args:
        app: MLflow's app.
        policy: who may send requests.
        routes: those that the app gets.
        title: whose pages these are, for messages.
    """

    def __init__(self, app: App, *, policy: AccessPolicy, routes: Routes = MLFLOW, title: str = "MLflow") -> None:
        self._app = app
        self._policy = policy
        self._routes = routes
        self._title = title
        self._hosts, self._origins = policy.hosts, policy.origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves, or refuses, one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":  # lifespan: MLflow's start-up only serves its assistant
            return
        refusal = self._refusal_of_caller(scope)
        if refusal is None and _shown_tokens(scope):
            await self._exchange_token(scope, send)
            return
        refusal = refusal or self._refusal_of_token(scope) or self._refusal_of_route(scope)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        await self._app(_without_claims(scope), receive, _with_headers(send))

    def _refusal_of_caller(self, scope: Scope) -> tuple[int, str] | None:
        """The refusal, if the host name of the request or the page that sent it is not accepted."""
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 403, "Open the address that hico-platform ui printed, with its host and port."
        if any(origin not in self._origins for origin in _values(scope, b"origin")):
            return 403, "Requests from pages of another address or port are refused."
        elsewhere = {"cross-site", "same-site"}.intersection(_values(scope, b"sec-fetch-site"))
        if elsewhere and not _asks_for_page(scope):
            return 403, "Requests from pages of another address or port are refused."
        return None

    def _refusal_of_token(self, scope: Scope) -> tuple[int, str] | None:
        if self._is_known(scope):
            return None
        return 403, (
            "Open the whole address that hico-platform ui printed, with ?token=...; "
            "a script sends the token as MLFLOW_TRACKING_TOKEN, or in a header: Authorization: Bearer TOKEN."
        )

    def _refusal_of_route(self, scope: Scope) -> tuple[int, str] | None:
        if scope.get("root_path"):
            return 404, "There is nothing under this path."
        access = self._routes.access_of(scope["method"], scope["path"])
        if access is Access.UNKNOWN:
            return 404, f"hico-platform ui serves no such path; it serves {self._title}'s pages and their requests."
        if access is Access.WRONG_METHOD:
            return 405, "This path is not served with this method."
        if access is Access.REFUSED:
            return 403, f"hico-platform ui does not serve this part of {self._title}; run a server of your own for it."
        if access is Access.WRITE and self._policy.read_only:
            return 403, "These pages are only for reading: hico-platform ui was started with --read-only."
        return None

    def _is_known(self, scope: Scope) -> bool:
        for name, _, value in (pair.strip().partition("=") for pair in ";".join(_values(scope, b"cookie")).split(";")):
            if name == self._policy.cookie and _same(value, self._policy.session):
                return True
        shown = (value.partition(" ") for value in _values(scope, b"authorization"))
        return any(kind.lower() == "bearer" and _same(value.strip(), self._policy.token) for kind, _, value in shown)

    async def _exchange_token(self, scope: Scope, send: Send) -> None:
        """Sets a cookie in a browser that sent the token, and redirects it to the address without the token."""
        tokens = _shown_tokens(scope)
        if len(tokens) != 1 or not _same(tokens[0], self._policy.token):
            await _refuse(
                send, 403, "This token is not the one that hico-platform ui printed; it has a new one each time."
            )
            return
        rest = b"&".join(part for part in _parts_of_query(scope) if not part.startswith(b"token="))
        # Lax, not Strict: with Strict a link in a web terminal or a chat would not work. With Lax, pages of other sites
        # can make a browser open this page but nothing else, because their other requests are refused above.
        cookie = f"{self._policy.cookie}={self._policy.session}; Path=/; HttpOnly; SameSite=Lax"
        headers = [
            (b"location", _PAGE.encode() + (b"?" + rest if rest else b"")),
            (b"set-cookie", (cookie + ("; Secure" if self._policy.secure else "")).encode()),
            (b"cache-control", b"no-store"),
        ]
        await _answer(send, 303, "", headers)


def _asks_for_page(scope: Scope) -> bool:
    return bool(scope["method"] == "GET" and scope["path"] == _PAGE)


def _shown_tokens(scope: Scope) -> list[str]:
    """Tokens in the address of the page; they are accepted in no other path."""
    if not _asks_for_page(scope):
        return []
    parts = (part.partition(b"=") for part in _parts_of_query(scope))
    return [value.decode("latin-1") for name, _, value in parts if name == b"token"]


def _parts_of_query(scope: Scope) -> list[bytes]:
    query: bytes = scope.get("query_string", b"")
    return [part for part in query.split(b"&") if part]


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for header, value in scope["headers"] if header.lower() == name]


def _same(shown: str, secret: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), secret.encode())


def _without_claims(scope: Scope) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _DROPPED]
    return {**scope, "headers": headers}


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Iterable[tuple[bytes, bytes]] = message.get("headers", [])
            known = {name.lower() for name, _ in headers}
            more = [(name, value) for name, value in _HEADERS.items() if name not in known]
            message = {**message, "headers": [*headers, *more]}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, text: str) -> None:
    await _answer(send, status, f"{text}\n", [(b"connection", b"close"), (b"cache-control", b"no-store")])


async def _answer(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]]) -> None:
    body = text.encode()
    always = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": status, "headers": [*always, *_HEADERS.items(), *headers]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
