"""How a message is sent: JSON over HTTP, a program, or one of the services that Apprise knows.

JSON is signed as `Standard Webhooks <https://www.standardwebhooks.com>`_ say, so that their libraries check it. Slack,
Mattermost, e-mail and a hundred others are Apprise's addresses (``slack://...``, ``mmosts://...``, ``mailtos://...``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from hico_platform.bounded_process import run_bounded
from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.notify.address import COMMAND
from hico_platform.notify.notification import Notification, Occasion

TIMEOUT_S = 10.0
_KEY_PREFIX = "whsec_"
_BAD = {Occasion.FAILED, Occasion.SILENT, Occasion.DISK}
_WARNINGS = {Occasion.INTERRUPTED, Occasion.BUDGET}


class SendError(HicoError):
    """A message was not taken; the reason names no secret."""


class Sender(Protocol):
    """Sends messages to one address."""

    @property
    def name(self) -> str:
        """The address without its secrets."""

    def send(self, notification: Notification) -> None:
        """Sends one.

        Raises:
            SendError: it was not taken.
        """


@dataclass(frozen=True, kw_only=True)
class JsonSender:
    """Posts a message as JSON to a web address; with a key it is signed."""

    url: str
    key: bytes | None = None

    @property
    def name(self) -> str:
        """The address's host."""
        return f"{urlsplit(self.url).scheme}://{urlsplit(self.url).hostname}"

    def send(self, notification: Notification) -> None:
        """Posts it."""
        body = json.dumps(notification.as_dict()).encode()
        # The time of this attempt: receivers refuse what is older than some minutes, and a message may have waited.
        identity, timestamp = notification.key, str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "hico-platform",
            "webhook-id": identity,
            "webhook-timestamp": timestamp,
        }
        if self.key is not None:
            headers["webhook-signature"] = signature(self.key, identity=identity, timestamp=timestamp, body=body)
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
        try:
            _OPENER.open(request, timeout=TIMEOUT_S).close()  # what the receiver has to say is not read
        except urllib.error.HTTPError as error:
            error.close()
            raise _not_sent(self.name, f"HTTP status {error.code}") from None
        except (OSError, ValueError) as error:
            raise _not_sent(self.name, getattr(error, "reason", None) or type(error).__name__) from None


def signature(key: bytes, *, identity: str, timestamp: str, body: bytes) -> str:
    """The header ``webhook-signature``: HMAC-SHA256 of identity, time and body, in base64."""
    signed = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed message goes to the address that was named, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True, kw_only=True)
class CommandSender:
    """Runs a program with the message as JSON on its standard input; no shell reads anything of it."""

    file: Path

    @property
    def name(self) -> str:
        """The program."""
        return f"command {self.file.name}"

    def send(self, notification: Notification) -> None:
        """Runs it."""
        try:
            message = json.dumps(notification.as_dict())
            done = run_bounded([str(self.file)], timeout_s=TIMEOUT_S, text=message, captured=False)
        except subprocess.TimeoutExpired:
            raise _not_sent(self.name, f"nothing after {TIMEOUT_S:.0f} s") from None
        except OSError as error:
            raise _not_sent(self.name, error.strerror or "it cannot be run") from None
        if done.returncode != 0:
            raise _not_sent(self.name, f"exit status {done.returncode}")


class AppriseSender:
    """Sends through one of Apprise's services.

    Raises:
        UsageError: Apprise is not installed, or does not know the address.
    """

    def __init__(self, address: str, *, field: str) -> None:
        try:
            import apprise
        except ModuleNotFoundError as error:
            raise UsageError(
                Problem(
                    field=field, rule="the package Apprise, which sends to Slack, Mattermost and others", value="none",
                    remedy="install it: pip install 'hico-platform[notify]'",
                )
            ) from error  # fmt: skip
        self._types, self._text = apprise.NotifyType, apprise.NotifyFormat.TEXT
        # No picture is fetched from anywhere by who reads the message.
        asset = apprise.AppriseAsset(app_id="hico-platform", image_url_mask=None, image_url_logo=None)
        self._service = apprise.Apprise(asset=asset)
        self.name = urlsplit(address).scheme
        if not self._service.add(address):
            raise UsageError(
                Problem(
                    field=field, rule="an address as Apprise writes it", value=f"one of the scheme {self.name}",
                    remedy="see its list of services; a Slack webhook is slack://TokenA/TokenB/TokenC",
                )
            )  # fmt: skip

    def send(self, notification: Notification) -> None:
        """Sends title and text."""
        occasion, types = notification.occasion, self._types
        kind = types.FAILURE if occasion in _BAD else types.WARNING if occasion in _WARNINGS else types.SUCCESS
        # As text, so that what is HTML or Markdown to a service is escaped, and lines stay lines.
        taken = self._service.notify(
            title=notification.title, body=notification.text, notify_type=kind, body_format=self._text
        )
        if not taken:
            raise _not_sent(self.name, "refused, or not reached")


def sender_of(address: str, *, key: str | None, field: str) -> Sender:
    """What sends to an address.

    Args:
        address: as :func:`~hico_platform.notify.address.addresses` gives it.
        key: signs JSON messages: any text, or ``whsec_`` and base64.
        field: where the address was given, for messages.

    Raises:
        UsageError: nothing sends to it, or the key is malformed.
    """
    if address.startswith(COMMAND):
        return CommandSender(file=Path(address.removeprefix(COMMAND)).expanduser())
    if urlsplit(address).scheme in {"http", "https"}:
        return JsonSender(url=address, key=None if not key else _key(key, field=field))
    return AppriseSender(address, field=field)


def _key(text: str, *, field: str) -> bytes:
    if not text.startswith(_KEY_PREFIX):
        return text.encode()
    try:
        key = base64.b64decode(text.removeprefix(_KEY_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise UsageError(
            Problem(field=field, rule="a key that is whsec_ and base64, or any other text", value="something else",
                    remedy="take the key as it was given")
        )  # fmt: skip
    return key


def _not_sent(name: str, reason: object) -> SendError:
    return SendError(
        Problem(field=name, rule="a message that is taken", value=str(reason), remedy="check the address and its key")
    )
