from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hico_platform.commands.doctor import network
from tests.unit.commands.doctor.around import around, seen


def test_a_loopback_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*address: object, **options: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refused)
    found = seen(network.check(around(tmp_path)))
    assert found[0] == ("loopback", "wrong", "127.0.0.1 cannot be reached (Network is unreachable)")


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(network, "UI_PORT", taken.getsockname()[1])
        (found,) = seen(network.check_port(around(tmp_path)))
    assert found == ("port", "warning", f"{network.UI_PORT} is taken")
    assert seen(network.check_port(around(tmp_path)))[0][1] == "good"


@pytest.mark.parametrize(
    ("environment", "grade", "remedy"),
    [
        ({"http_proxy": "http://me:secret@proxy:3128"}, "warning", "127.0.0.1,localhost,mlflow.example,head"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "localhost, 127.0.0.1"}, "warning", "mlflow.example,head"),
        ({"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "localhost,127.0.0.1,.example,head"}, "good", None),
        ({"all_proxy": "socks5://proxy", "NO_PROXY": "*"}, "good", None),
    ],
)
def test_proxies_without_exceptions(
    tmp_path: Path, environment: dict[str, str], grade: str, remedy: str | None
) -> None:
    here = around(tmp_path, address="head:6379", tracking="http://mlflow.example:5000", **environment)
    found = [finding for finding in network.check(here) if finding.about == "proxy"]
    assert [str(one.grade) for one in found] == [grade]
    assert found[0].remedy == (None if remedy is None else f"add to NO_PROXY: {remedy}")
    assert "secret" not in found[0].found


def test_no_proxy_is_nothing_to_say(tmp_path: Path) -> None:
    assert "proxy" not in [about for about, _, _ in seen(network.check(around(tmp_path)))]
