"""Secrets do not reach a terminal, a log or a report: passwords and tokens in any text are masked."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MASK = "***"
FEWEST_CHARACTERS = 4
"""Shorter secrets are masked where they are in a URL, not wherever else the same letters occur."""

# Greedy up to the last @: a password may hold /, ? and @ that nobody escaped, and to mask a part of an address
# too many is better than to show a part of a password.
_USER = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^\s:/@'\"]*)(?P<secret>:[^\s'\"]*)?@")
_NAMES = (
    r"(?:[A-Za-z0-9_.-]*(?:password|passwd|passphrase|secret|token|credential|signature|api[_-]?key|access[_-]?key)"
    r"[A-Za-z0-9_.-]*|pwd|pass|sig)"
)
_ASSIGNED = re.compile(rf"(?i)(?<![A-Za-z0-9])({_NAMES}\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s&;'\",#]+)")
_QUERY_KEY = re.compile(r"(?i)([?&](?:key|auth|code)=)[^\s&;'\"#]+")
_HEADER = re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic|token)\s+)[^\s'\",]+")
_WHOLE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://(?P<user>[^:/@]*)(?::(?P<password>.*))?@", re.DOTALL)
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+")
_VARIABLE, _NO_SECRET = re.compile(r"\$\{\w+\}"), "VARIABLE"
_ASKED = re.compile(rf"(?i)[?&;]{_NAMES}=([^&;#]*)")


def masked(text: str, *, secrets: Iterable[str] = ()) -> str:
    """A text without the passwords of the URLs in it, without ``password=...`` and the like, and without ``secrets``.

    A name before ``@`` stays (``postgresql://me:***@host``), except in web addresses, where it may be a token.
    """
    for secret in sorted({*secrets}, key=len, reverse=True):
        if len(secret) >= FEWEST_CHARACTERS:
            text = text.replace(secret, MASK)
    text = _USER.sub(_without_password, text)
    text = _ASSIGNED.sub(rf"\1{MASK}", text)
    text = _QUERY_KEY.sub(rf"\1{MASK}", text)
    return _HEADER.sub(rf"\1{MASK}", text)


def secrets_of(url: str) -> tuple[str, ...]:
    """The secrets in a URL that was given, as they are written and as they are sent."""
    found = [match.group(1) for match in _ASKED.finditer(url)]
    whole = _WHOLE.match(url)
    if whole is not None:
        found += [whole["password"] or (whole["user"] if _is_web(url) else "")]
    return tuple({form for secret in found if secret for form in _forms(secret)})


def credentials_in(text: str) -> bool:
    """Whether a URL in a text holds a password or a token, as URLs are parsed; more exact than :func:`masked`.

    What no parser takes for an address with a password, such as ``https://host:80/package@version``, is none, and
    neither is one that names a variable (``https://me:${TOKEN}@host``).
    """
    return any(_has_credentials(_VARIABLE.sub(_NO_SECRET, url)) for url in _URL.findall(text))


def _has_credentials(url: str) -> bool:
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        return bool(secrets_of(url))
    asked = [value for name, value in parse_qsl(parts.query) if re.fullmatch(rf"(?i){_NAMES}", name)]
    return any(secret != _NO_SECRET for secret in (*asked, password or (user if _is_web(url) else None)) if secret)


def without_credentials(address: str) -> str:
    """An address without the user and password in it, as it may be shown and opened by somebody else."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_web(url: str) -> bool:
    """Whether a name before the host may be a token: ``https://``, ``git+https://``."""
    return url.partition("://")[0].lower().rpartition("+")[2] in {"http", "https"}


def _forms(secret: str) -> set[str]:
    """A secret as it is written, as it is sent, and as URLs, Python and JSON show it."""
    written = {secret, unquote(secret)}
    shown = [(repr(one), json.dumps(one), json.dumps(one, ensure_ascii=False)) for one in written]
    return written | {quote(unquote(secret), safe="")} | {text[1:-1] for texts in shown for text in texts}


def _without_password(match: re.Match[str]) -> str:
    scheme, user, secret = match["scheme"], match["user"], match["secret"]
    if secret is None:
        return f"{scheme}{MASK}@" if _is_web(scheme) and user else match.group()
    return f"{scheme}{user}:{MASK}@"


class _Masking(logging.Formatter):
    """A library's or our own warning, without the secrets of URLs in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line as it is shown."""
        return masked(super().format(record))


def mask_warnings() -> None:
    """Masks what is warned of where nobody has set up logging, as in a command."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Masking("%(message)s"))
