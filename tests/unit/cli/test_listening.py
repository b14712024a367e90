from __future__ import annotations

import socket

import pytest

from hico_platform.cli.listening import listen
from hico_platform.errors import UsageError
from tests.unit.cli.test_ui import free_port


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (
            "nowhere.invalid",
            "--host: expected an address or name of this machine, which resolves, got 'nowhere.invalid'",
        ),
        ("a" * 70 + ".b", "--host: expected an address or name of this machine, which resolves"),
        ("::ffff:300.1.1.1", "--host: expected an address"),
        ("192.0.2.1", "--port: expected an address and port that can be listened on, got '192.0.2.1:5000 ("),
    ],
)
def test_an_address_that_is_none_of_this_machine(host: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        listen(host, 5000)
    assert words in str(caught.value)


def test_a_port_that_is_listened_on_stays_ones_own() -> None:
    listener = listen("127.0.0.1", free_port(socket.AF_INET, "127.0.0.1"))
    with listener.socket, pytest.raises(UsageError, match="give another --port"):
        listen("127.0.0.1", listener.socket.getsockname()[1])
