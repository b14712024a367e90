"""Each way of sending, to a receiver on this machine."""

from __future__ import annotations

import base64
import email
import hashlib
import hmac
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hico_platform.errors import UsageError
from hico_platform.notify.notification import Occasion
from hico_platform.notify.senders import AppriseSender, SendError, sender_of
from tests.unit.notify.handmade import endless_receiver, mail_receiver, notification, web_receiver


def send(address: str, *, key: str | None = None, **other: Any) -> None:
    sender_of(address, key=key, field="--notify").send(notification(**other))


def test_json_is_posted() -> None:
    with web_receiver() as received:
        send(f"{received.url}/told")
    ((path, headers, body),) = received.requests
    assert (path, headers["content-type"]) == ("/told", "application/json")
    assert json.loads(body) == notification().as_dict()
    assert "webhook-signature" not in headers


@pytest.mark.parametrize(("key", "secret"), [("plain words", b"plain words"), ("whsec_AAECAw==", bytes(range(4)))])
def test_json_is_signed_as_standard_webhooks_say(key: str, secret: bytes) -> None:
    with web_receiver() as received:
        send(received.url, key=key)
    ((_, headers, body),) = received.requests
    sent_s = headers["webhook-timestamp"]
    assert abs(int(sent_s) - time.time()) < 60, "of the attempt: receivers refuse what is older than a few minutes"
    signed = b".".join([headers["webhook-id"].encode(), sent_s.encode(), body])
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_a_message_that_is_sent_again_is_known_as_the_same() -> None:
    told, other = notification(), notification()
    with web_receiver() as received:
        sender = sender_of(received.url, key=None, field="--notify")
        for one in (told, told, other):
            sender.send(one)
    first, again, third = (headers["webhook-id"] for _, headers, _ in received.requests)
    assert first == again, "a receiver that took the first and answered too late drops the second"
    assert first != third


def test_no_receiver_keeps_its_sender_by_an_endless_answer() -> None:
    with endless_receiver() as url:
        began_s = time.monotonic()
        send(url)
        assert time.monotonic() - began_s < 5.0


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_names_the_host_alone_and_a_redirection_is_not_followed(status: int) -> None:
    with web_receiver(status) as received, pytest.raises(SendError, match=f"got 'HTTP status {status}'") as raised:
        send(f"{received.url}/hooks/tokenword")
    assert "tokenword" not in str(raised.value)
    assert len(received.requests) == 1


def test_a_receiver_that_is_away() -> None:
    with web_receiver() as received:
        pass
    with pytest.raises(SendError, match=r"http://127.0.0.1: expected a message that is taken"):
        send(received.url)


def program(folder: Path, text: str) -> str:
    file = folder / "told"
    file.write_text(f"#!{sys.executable}\n{text}\n")
    file.chmod(0o700)
    return f"command:{file}"


def test_a_program_gets_the_message_on_its_standard_input(tmp_path: Path) -> None:
    out = tmp_path / "out"
    send(program(tmp_path, f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"))
    assert json.loads(out.read_text())["search"] == "toy"


def test_a_program_that_fails(tmp_path: Path) -> None:
    with pytest.raises(SendError, match=r"command told: .*got 'exit status 3'"):
        send(program(tmp_path, "raise SystemExit(3)"))


def test_mattermost() -> None:
    with web_receiver() as received:
        send(received.url.replace("http", "mmost") + "/abcdefghijklmnopqrstuvwx")
    ((path, _, body),) = received.requests
    assert path == "/hooks/abcdefghijklmnopqrstuvwx"
    assert "toy: new best knn_top1 0.500" in body.decode()
    assert json.loads(body)["username"] == "hico-platform"
    assert "https:" not in body.decode(), "no picture from elsewhere"


def test_mail() -> None:
    with mail_receiver() as (port, mails):
        send(f"mailto://127.0.0.1:{port}?from=hico@example.org&to=me@example.org", occasion=Occasion.FAILED)
    (mail,) = mails
    assert "Subject: toy: new best knn_top1 0.500" in mail
    assert "hico-platform status toy" in mail


def test_a_mail_has_the_text_as_it_is() -> None:
    """An error's text is no HTML: it would lose what looks like a tag, and its lines, and fetch pictures."""
    with mail_receiver() as (port, mails):
        send(f"mailto://127.0.0.1:{port}?from=hico@example.org&to=me@example.org", text="a < b\n<img src=x> & c")
    message = email.message_from_string(mails[0])
    assert message.get_content_type() == "text/plain"
    content = message.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.decode().strip() == "a < b\n<img src=x> & c"


def test_an_address_that_nothing_sends_to_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError, match="an address as Apprise writes it, got 'one of the scheme nonsense'") as raised:
        sender_of("nonsense://tokenword", key=None, field="notify")
    assert "tokenword" not in str(raised.value)
    for key in ("whsec_#", "whsec_"):  # with an empty key everybody could sign
        with pytest.raises(UsageError, match="a key that is whsec_ and base64"):
            sender_of("https://example.org", key=key, field="notify")


def test_without_apprise_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(UsageError, match=r"pip install 'hico-platform\[notify\]'"):
        AppriseSender("slack://A/B/C", field="--notify")
