from __future__ import annotations

import http.server
import threading
import time
from pathlib import Path

from hico_platform.commands.doctor import clock
from hico_platform.commands.doctor.examine import examine
from tests.unit.commands.doctor.around import around, seen


def test_a_clock_that_was_never_set(tmp_path: Path) -> None:
    assert seen(clock.check(around(tmp_path), now=lambda: 0.0)) == [("clock", "wrong", "1970-01-01")]


def test_one_that_the_network_does_not_keep_matters_on_a_cluster(tmp_path: Path) -> None:
    def found(address: str | None, state: int | None) -> list[str]:
        return [grade for _, grade, _ in seen(clock.check(around(tmp_path, address=address), state=lambda: state))]

    assert found("auto", 5) == ["warning"]
    assert found(None, 5) == found("auto", 0) == found("auto", None) == ["good"]


def test_one_that_differs_from_the_tracking_servers(tmp_path: Path) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def log_message(self, *parts: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        here = around(tmp_path, tracking=f"http://127.0.0.1:{server.server_address[1]}")
        assert not list(clock.check_server(here))
        (found,) = clock.check_server(here, now=lambda: time.time() + 3600)
        assert (str(found.grade), "apart from the tracking server's" in found.found) == ("wrong", True)
        server.shutdown()
    assert not list(clock.check_server(here)), "that it is away, another check says"


def test_a_password_in_the_address_of_the_tracking_server_is_not_sent_nor_named(tmp_path: Path) -> None:
    here = around(tmp_path, tracking="http://me:hunter2@localhost")
    assert not [one for one in examine(here, checks=[clock.check_server]) if "hunter2" in one.found]


def test_a_server_that_does_not_know_the_date(tmp_path: Path) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def date_time_string(self, *when: object) -> str:
            return "yesterday"

        def log_message(self, *parts: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        here = around(tmp_path, tracking=f"http://me:hunter2@127.0.0.1:{server.server_address[1]}")
        assert list(clock.check_server(here)) == []
        server.shutdown()
