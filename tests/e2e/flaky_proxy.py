"""A server between a client and another server, which can answer 500, hang up or be slow."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OF_A_HOP = {"connection", "transfer-encoding", "content-length", "expect"}


class FlakyProxy:
    """``mode`` is ok, 500 or away; ``slow_s`` delays what is written."""

    def __init__(self, endpoint: str) -> None:
        self.mode, self.slow_s = "ok", 0.0
        self.requests: list[str] = []
        target = urlsplit(endpoint)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while length := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(length))
                    self.rfile.readline()
                while self.rfile.readline().strip():  # trailers
                    pass
                return b"".join(parts)

            def _pass(self) -> None:
                body = self._body()
                proxy.requests.append(f"{self.command} {self.path}")
                if self.command == "PUT":
                    time.sleep(proxy.slow_s)
                if proxy.mode == "away":
                    self.close_connection = True
                    return
                if proxy.mode == "500":
                    self.send_response(500)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                connection = http.client.HTTPConnection(target.hostname or "", target.port or 0, timeout=30)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_A_HOP}
                connection.request(self.command, self.path, body=body, headers=headers)
                answer = connection.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"transfer-encoding", "connection", "content-length", "server", "date"}:
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def flaky_proxy(endpoint: str) -> Iterator[FlakyProxy]:
    """A proxy before the server at ``endpoint``."""
    proxy = FlakyProxy(endpoint)
    try:
        yield proxy
    finally:
        proxy.close()
