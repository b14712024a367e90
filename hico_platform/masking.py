"""Masks passwords and tokens in any text, so that they do not reach a terminal, a log or a report."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MASK = "***"
FEWEST_CHARACTERS = 4
"""Shorter secrets are masked only inside URLs, not wherever else the same characters occur."""

# Greedy up to the last @: a password may hold unescaped /, ? and @, and masking too much of an address is better
# than showing part of a password.
_USER = re.compile(
    r"(?P<scheme>(?:\b[A-Za-z][A-Za-z0-9+.-]*:|(?<![:/\w]))//)(?P<user>[^\s:/@'\"]*)(?P<secret>:[^\s'\"]*)?@"
)
_WORDS = r"(?:password|passwd|passphrase|secret|token|credential|signature|api[_-]?key|access[_-]?key)"
_NAMES = rf"(?:[A-Za-z0-9_.-]*{_WORDS}[A-Za-z0-9_.-]*|pwd|pass|sig)"
# Matches only the end of a name, without what precedes it, so that the search is linear in the length of the text.
_ENDS_OF_NAMES = rf"(?:(?:(?<![\w-])--)?{_WORDS}[A-Za-z0-9_.-]{{0,64}}|(?<![A-Za-z0-9])(?:pwd|pass|sig))"
# Before a colon or a space only names that end with one of these: "tokens: 512" is no secret.
_WHOLE_NAMES = rf"(?:{_WORDS}|access[_-]?key[_-]?id|(?:secret|private)[_-]?key|(?<![A-Za-z0-9])pwd)"
_VALUE = (
    r"((?:[bru]{1,2}(?=['\"]))?(?:\\+\"[^\"]*\"|\\+'[^']*'|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
    r"|['\"][^\s'\"]+|[^\s&;'\",#]+))"
)
_QUOTE = r"(?:\\*['\"])?"
_SECRET_VALUES = tuple(
    re.compile(rf"(?i){pattern}")
    for pattern in (
        # tokenizers==0.22 is a package
        rf"({_ENDS_OF_NAMES}{_QUOTE}\s*=(?!={{1,2}}\s*v?\d)\s*){_VALUE}",
        rf"({_WHOLE_NAMES}{_QUOTE}[ \t]*:(?!:)[ \t]*[\[(]?)(?!//|\*\*\*){_VALUE}",
        rf"(?<![\w-])(--[A-Za-z0-9_.-]{{0,64}}{_WHOLE_NAMES}[ \t]+)(?!-){_VALUE}",
        # pip accepts a proxy without a scheme
        r"(proxy['\"]?[ \t]*[=: ][ \t]*['\"]?[^\s:/@'\"]+:(?!//))([^\s'\"]+)(?=@)",
        r"([?&](?:key|auth|code)=)([^\s&;'\"#]+)",
        r"(authorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic|token)\s+)([^\s'\",]+)",
    )
)
_WHOLE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://(?P<user>[^:/@]*)(?::(?P<password>.*))?@", re.DOTALL)
# An address whose scheme is missing or mistyped. file:/a@b is a file.
_BARE = re.compile(r"^(?://)?(?P<user>[^\s:/@]+):(?!//|/[^:]*$)(?P<password>.+)@[^@]*$", re.DOTALL)
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+")
_ANY_URL = re.compile(r"(?:\b[A-Za-z][A-Za-z0-9+.-]*:|(?<![:/\w]))//\S+")
_VARIABLE, _NO_SECRET = re.compile(r"\$\{\w+\}"), "VARIABLE"
_ASKED = re.compile(rf"(?i)[?&;]{_NAMES}=([^&;#]*)")
# host:8443/repo@v1, where a parser finds a port, and me:${TOKEN}@host/repo@v1.
_PORT_OR_VARIABLE = re.compile(
    rf"(?:(?:\w+\+)?(?:https?|ssh|git):)?//(?:\[[^\]]*\]|[^\s/@:]*):(?:\d{{1,5}}|{_NO_SECRET})(?:/|$)"
    rf"|[^\s/]*//(?:[^\s/@:]*:)?{_NO_SECRET}@"
)
_HARMLESS = re.compile(
    rf"(?i){_NO_SECRET}|\$\w+|\**|true|false|yes|no|[01]"
    r"|\d+(?:\.[\d*]+)+\w*(?:=\S*)?"  # a version, as in conda's tokenizers=0.22.1
)
_NAMES_OF_FILES = re.compile(r"(?i)(?:[_-](?:file|path|dir)|^--secret)[\s=:'\"]*$")


def masked(text: str, *, secrets: Iterable[str] = ()) -> str:
    """A text without the passwords of the URLs in it, without ``password=...`` and the like, and without ``secrets``.

    A name before ``@`` stays (``postgresql://me:***@host``), except in web addresses, where it may be a token.
    """
    for secret in sorted({*secrets}, key=len, reverse=True):
        if len(secret) >= FEWEST_CHARACTERS:
            text = text.replace(secret, MASK)
    text = _USER.sub(_without_password, text)
    for pattern in _SECRET_VALUES:
        text = pattern.sub(rf"\1{MASK}", text)
    return text


def secrets_of(url: str) -> tuple[str, ...]:
    """The secrets in a URL, as written and as sent (percent-decoded).

    A URL without a scheme counts too. So do the parts of a password around ``@``, ``/``, ``?`` and ``#``, because a
    parser that splits at these reports the rest as a host or a port.
    """
    found = [match.group(1) for match in _ASKED.finditer(url)]
    whole = _WHOLE.match(url) or _BARE.match(url)
    if whole is not None:
        found += _parts(whole["password"]) if whole["password"] else [whole["user"] if _is_web(url) else ""]
    return tuple({form for secret in found if secret for form in _forms(secret)})


def credentials_in(text: str) -> bool:
    """Whether a URL in a text holds a password or a token, as URLs are parsed; more exact than :func:`masked`.

    False for what no parser reads as an address with a password, such as ``https://host:80/package@version``, and for a
    password that is a variable (``https://me:${TOKEN}@host``).
    """
    return any(_has_credentials(_VARIABLE.sub(_NO_SECRET, url)) for url in _URL.findall(text))


def _has_credentials(url: str) -> bool:
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        return bool(secrets_of(url))
    in_query = [value for name, value in parse_qsl(parts.query) if re.fullmatch(rf"(?i){_NAMES}", name)]
    return any(secret != _NO_SECRET for secret in (*in_query, password or (user if _is_web(url) else None)) if secret)


def holds_secret(text: str, *, name: str = "") -> bool:
    """Whether a text, the value of ``name``, holds a password or a token that a URL parser or :func:`masked` finds.

    Variables (``${TOKEN}``), package versions, ports and file names do not count.
    """
    text = _VARIABLE.sub(_NO_SECRET, text)
    if re.fullmatch(rf"(?i){_NAMES}", name) and not _is_harmless(name, text):
        return True
    urls = [url for url in _ANY_URL.findall(text) if not _PORT_OR_VARIABLE.match(url)]
    if credentials_in(text) or any(secret != _NO_SECRET for url in urls for secret in secrets_of(url)):
        return True
    found = (match for pattern in _SECRET_VALUES for match in pattern.finditer(f"{name}={text}" if name else text))
    return any(not _is_harmless(match[1], match[2]) for match in found)


def _is_harmless(name: str, value: str) -> bool:
    return bool(_NAMES_OF_FILES.search(name) or _HARMLESS.fullmatch(value.strip("\\'\"[]()")))


def without_credentials(address: str) -> str:
    """An address without the user name and password, safe to show and still possible to open."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_web(url: str) -> bool:
    """Whether a name before the host may be a token: ``https://``, ``git+https://``."""
    return url.partition("://")[0].lower().rpartition("+")[2] in {"http", "https"}


def _parts(password: str) -> list[str]:
    ats = [index for index, character in enumerate(password) if character == "@"]
    around = [part for at in ats for part in (password[:at], password[at + 1 :])]
    return [password, *around, *re.split("[@/?#]", password)]


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
    """Formats warnings, of libraries and of this package, with the secrets of URLs masked."""

    def format(self, record: logging.LogRecord) -> str:
        """The formatted line, masked."""
        return masked(super().format(record))


def mask_warnings() -> None:
    """Masks secrets in warnings if logging has not been configured, as in a command."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Masking("%(message)s"))
