"""Serves metrics over HTTP: one page, for Prometheus.

Each scrape has a thread of its own, and only so many run at once, so that a scraper that is slow or asks too often
holds up neither others nor the search.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import socket
import ssl
import threading
import time
from collections.abc import Collection
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

_log = logging.getLogger(__name__)

PATH = "/metrics"
TIMEOUT_S = 10.0
MOST_AT_ONCE = 16
MOST_LINGER_S = 60.0
"""A scraper with a longer interval is not waited for."""


class MetricsEndpoint:
    """Serves a registry until it is closed.

    Args:
        registry: what is served.
        listening: a socket that listens.
        names: the host names under which it is reached; a page in a browser that reaches it under another is refused.
        token: what a scraper has to send as ``Authorization: Bearer``; by default nothing, for this machine alone.
        certificate: PEM files of a certificate and its key, for https.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        listening: socket.socket,
        names: Collection[str],
        token: str | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self._server = _Server(registry, listening=listening, names=names, token=token, certificate=certificate)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    @property
    def scrapes(self) -> int:
        """How often it was scraped."""
        return len(self._server.scraped_s)

    def linger(self) -> None:
        """Waits for one more scrape, where there is a scraper that comes regularly, so that it sees the last state."""
        times = self._server.scraped_s
        if len(times) < 2:
            return
        interval_s = times[-1] - times[-2]
        left_s = times[-1] + 1.2 * interval_s + 1.0 - time.monotonic()
        if left_s > 0 and interval_s <= MOST_LINGER_S:
            self._server.scraped.clear()
            self._server.scraped.wait(left_s)

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        listening: socket.socket,
        names: Collection[str],
        token: str | None,
        certificate: tuple[Path, Path] | None,
    ) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.registry, self.token = registry, token
        self.names = {name.lower() for name in names}
        self.scraped_s: list[float] = []
        self.scraped = threading.Event()
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Closes what is too much, so that threads are bounded."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handles a request, with TLS's handshake in its thread too: a slow one holds up no other."""
        try:
            request.settimeout(TIMEOUT_S)
            if self._tls is not None:
                with contextlib.suppress(OSError):
                    request = self._tls.wrap_socket(request, server_side=True)
                if not isinstance(request, ssl.SSLSocket):
                    self.shutdown_request(request)
                    return
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that went away is no matter; anything else goes to the log of those who look for it."""
        _log.debug("a scrape failed", exc_info=True)

    def note_scrape(self) -> None:
        """A scrape was answered; only the last times count."""
        self.scraped_s = [*self.scraped_s[-9:], time.monotonic()]
        self.scraped.set()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "hico-platform", ""
    timeout = TIMEOUT_S

    def do_GET(self) -> None:
        """Answers with the metrics, in the format that the scraper prefers."""
        refusal = self._refusal()
        if refusal is not None:
            self._answer(refusal, f"{refusal.phrase}\n".encode(), "text/plain; charset=utf-8")
            return
        encode, kind = choose_encoder(self.headers.get("Accept", ""))
        self._answer(HTTPStatus.OK, encode(self.server.registry), kind)
        self.server.note_scrape()

    def do_HEAD(self) -> None:
        """Nothing but the metrics is served."""
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, b"", "text/plain; charset=utf-8")

    def log_message(self, *parts: Any) -> None:
        """Logs nothing: the terminal is the search's."""

    def _refusal(self) -> HTTPStatus | None:
        token, given = self.server.token, self.headers.get("Authorization", "")
        if token is not None and not hmac.compare_digest(given.encode("latin-1"), f"Bearer {token}".encode()):
            return HTTPStatus.UNAUTHORIZED
        host = self.headers.get("Host", "").lower()
        name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
        if token is None and host and name not in self.server.names:
            return HTTPStatus.FORBIDDEN
        if self.path.partition("?")[0] != PATH:
            return HTTPStatus.NOT_FOUND
        return None

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)
