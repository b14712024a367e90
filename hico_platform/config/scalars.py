"""What a plain scalar of a YAML file means: the core schema of YAML 1.2 (yaml.org/spec/1.2.2, 10.3.2).

YAML 1.1, which many parsers still read, takes ``1:30`` for 90, ``1_000`` for 1000, ``yes`` for true and ``010`` for 8.
Here the first three are texts. A number with a leading zero would be 10 in YAML 1.2: it is refused, because a file may
have been written for either.
"""

from __future__ import annotations

import re

Scalar = bool | int | float | str

MOST_BITS = 63
"""A whole number fits a signed 64-bit integer, as everywhere it goes (SQLite, Arrow, seeds)."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = {text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_OTHER_BASES = {"0o": re.compile(r"0o[0-7]+"), "0x": re.compile(r"0x[0-9a-fA-F]+")}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NO_NUMBER = frozenset({".nan", ".NaN", ".NAN"})


class ScalarError(ValueError):
    """A scalar that is refused: the rule that it breaks, and what to write instead."""

    def __init__(self, rule: str, remedy: str) -> None:
        self.rule, self.remedy = rule, remedy
        super().__init__(rule)


def plain_scalar(text: str) -> Scalar | None:
    """The value of an unquoted scalar.

    Raises:
        ScalarError: a number that may be read in two ways, or does not fit 64 bits.
    """
    if text in _NULL:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if _WHOLE.fullmatch(text):
        return _whole(text)
    for prefix, pattern in _OTHER_BASES.items():
        if pattern.fullmatch(text):
            return _fitting(text[2:], base={"0o": 8, "0x": 16}[prefix])
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float("-inf" if text.startswith("-") else "inf")
    return float("nan") if text in _NO_NUMBER else text


def _whole(text: str) -> int:
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits.startswith("0") and len(digits) <= 19:
        octal = ""
        if not set(digits) & {"8", "9"} and int(digits, 8) != int(digits):
            octal = f", 0o{digits.lstrip('0')} for the octal number {int(digits, 8)}"
        raise ScalarError("a number without leading zeros", f"write {int(text)}{octal}, or quote it for a text")
    return _fitting(text, base=10)


def _fitting(digits: str, *, base: int) -> int:
    # The length is looked at first: int() of a million digits takes minutes, or raises.
    value = int(digits, base) if len(digits) <= 64 else None
    if value is None or abs(value) >= 2**MOST_BITS:
        raise ScalarError("a whole number that fits 64 bits", "write a smaller one, a decimal point, or quotes")
    return value


def number_remedy(text: str) -> str | None:
    """What to write for a text that looks like a number and is none in YAML 1.2, if it looks like one."""
    sixties = re.fullmatch(r"[-+]?[0-9]{1,9}(:[0-5]?[0-9]){1,3}", text)
    if sixties:
        value = 0
        for digits in text.lstrip("+-").split(":"):
            value = 60 * value + int(digits)
        return f"write the number that you mean: {text} is a text in YAML 1.2 and {value} in YAML 1.1"
    plain = text.replace("_", "")
    if "_" in text and _FLOAT.fullmatch(plain):
        return f"write {plain}, without underscores"
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+", text):
        return f"write {text.replace(',', '.')}, with a point"
    if re.fullmatch(r"[-+]?0b[01]{1,63}", text):
        return f"write {int(text, 2)}"
    if re.fullmatch(r"[-+]?[0-9]{1,9}(\.[0-9]{1,9})? *%", text):
        return f"write {float(text.rstrip(' %')) / 100:g}"
    if re.fullmatch(r"[-+]?(inf(inity)?|nan)", text, flags=re.IGNORECASE):
        return "write a finite number"
    return "write null where nothing is meant" if text.lower() in {"none", "nil"} else None


def truth_remedy(value: object) -> str | None:
    """What to write for a text that YAML 1.1 takes for true or false, if it is one."""
    word = value.lower() if isinstance(value, str) else ""
    if word in {"yes", "on", "y"}:
        return f"write true: {value} is a text in YAML 1.2"
    return f"write false: {value} is a text in YAML 1.2" if word in {"no", "off", "n"} else None
