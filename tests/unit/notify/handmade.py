"""A message, and receivers on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import StreamRequestHandler, TCPServer
from typing import Any

from hico_platform.notify.notification import Notification, Occasion


def notification(**other: Any) -> Notification:
    plain: dict[str, Any] = {
        "occasion": Occasion.NEW_BEST,
        "search": "toy",
        "machine": "here",
        "at_s": 1_700_000_000.0,
        "title": "toy: new best knn_top1 0.500",
        "text": "Watch it: hico-platform status toy",
        "facts": {"trial": 3, "value": 0.5},
    }
    return Notification(**(plain | other))


@dataclass
class Received:
    """The requests that a receiver got: path, headers and body. It answers with ``status``."""

    url: str = ""
    status: int = 200
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def web_receiver(status: int = 200) -> Iterator[Received]:
    received = Received(status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(received.status)
            if received.status == 302:
                self.send_header("Location", f"{received.url}/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with _serving(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        received.url = f"http://127.0.0.1:{port}"
        yield received


@contextmanager
def endless_receiver() -> Iterator[str]:
    """The address of a receiver that says that it has taken a message, and then goes on answering, slowly."""
    over = threading.Event()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            try:
                while not over.wait(0.2):
                    self.wfile.write(b"x")
            except OSError:
                pass

    with _serving(TCPServer(("127.0.0.1", 0), Handler)) as port:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            over.set()


@contextmanager
def mail_receiver() -> Iterator[tuple[int, list[str]]]:
    """An SMTP server's port, and the mails it takes."""
    mails: list[str] = []

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                        lines.append(text)
                    mails.append("\n".join(lines))
                self.wfile.write(b"221 bye\r\n" if word == "QUIT" else b"250 fine\r\n")

    with _serving(TCPServer(("127.0.0.1", 0), Handler)) as port:
        yield port, mails


@contextmanager
def _serving(server: TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
