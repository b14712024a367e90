"""Masks secrets in a diff and leaves code as it is, so that the diff can be applied where it holds none."""

from __future__ import annotations

import re

from hico_platform.masking import MASK, masked

_FILE = re.compile(r"(?m)^(?=diff --git )")
_NAME = r"(?:password|passwd|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|\bpwd)"
_LITERAL = re.compile(r"(?P<open>['\"])(?P<text>(?:[^'\"\\\n]|\\.)+)(?P=open)")
# TOKEN = "...", "token": "...", token: str = "...", and the same as an argument.
_NAMED = re.compile(
    rf"(?i)(?P<name>{_NAME}\w*['\"]?\s*(?::\s*[\w.| \[\]]+?\s*)?[=:]\s*[bruf]{{0,2}})(?P<open>['\"])"
    r"(?:[^'\"\\\n]|\\.)+(?P=open)"
)
_TOKENS = re.compile(
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|sk-[\w-]{20,}|hf_\w{20,}|xox[abprs]-[\w-]{10,}"
    r"|A(?:KIA|SIA)[A-Z0-9]{16}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+)"
)
_KEYS = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:(-----END [A-Z ]*PRIVATE KEY-----)|\Z)", re.DOTALL)


def masked_diff(diff: str) -> str:
    """A diff of git's without passwords, tokens and private keys.

    In Python only texts in quotes are looked at: ``token = read(file)`` is code. Other files are masked as any text is.
    """
    diff = _TOKENS.sub(MASK, _KEYS.sub(rf"\1{MASK}\2", diff))
    return "".join(_masked_file(part) for part in _FILE.split(diff))


def _masked_file(part: str) -> str:
    if not part.partition("\n")[0].rstrip('"').endswith(".py"):
        return "".join(_masked_line(line) for line in part.splitlines(keepends=True))
    part = _NAMED.sub(lambda found: f"{found['name']}{found['open']}{MASK}{found['open']}", part)
    return _LITERAL.sub(lambda found: found["open"] + masked(found["text"]) + found["open"], part)


def _masked_line(line: str) -> str:
    """A line; git's own of a file's name and of its place stay."""
    return line if line.startswith(("diff --git ", "index ", "--- ", "+++ ", "@@ ")) else masked(line)
