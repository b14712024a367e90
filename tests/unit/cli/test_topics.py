"""Topics say what is so: their names are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hico_platform
from hico_platform.cli.topics import ENVIRONMENT, TOPICS, topic_text
from hico_platform.config.package_files import shipped_spaces
from hico_platform.data.split import ANYWHERE, EVERY_SEQUENCE, PUBLISHED
from hico_platform.enums import Signal
from hico_platform.errors import ConfigError, DataError, HicoError, UsageError
from hico_platform.interruptions import EXIT_CODE
from tests.unit.cli.test_parser import examples, parse


def words(topic: str) -> set[str]:
    """The first word of each line of a topic's tables."""
    return {line.split()[0] for line in topic_text(topic).splitlines() if line.startswith("  ") and line.strip()}


@pytest.mark.parametrize("topic", TOPICS)
def test_each_is_short_fits_the_screen_and_has_examples_that_parse(topic: str) -> None:
    text = topic_text(topic)
    assert max(map(len, text.splitlines())) < 80
    assert len(text.splitlines()) <= 45
    for line in examples(text):
        parse(line)


def test_spaces_that_ship() -> None:
    assert set(shipped_spaces()) <= words("spaces")
    assert "weights of the four levels at a constant sum" in topic_text("spaces")


def test_signals() -> None:
    assert {str(signal) for signal in Signal} <= words("scores")
    assert {Signal.KNN_TOP1.metric, Signal.KNN_MEAN.metric, Signal.MAP.metric, Signal.LINEAR.metric} <= words("metrics")


def test_protocols() -> None:
    known = {name for protocols in PUBLISHED.values() for name in protocols} | set(ANYWHERE) | {EVERY_SEQUENCE}
    assert known <= words("protocols")


def test_exit_codes() -> None:
    codes = {"0", *(str(kind.exit_code) for kind in (HicoError, UsageError, ConfigError, DataError)), str(EXIT_CODE)}
    assert {word for word in words("exit-codes") if word.isdigit()} == codes


def test_variables() -> None:
    package = Path(hico_platform.__file__).parent
    used = {
        name
        for file in package.rglob("*.py")
        for name in re.findall(r"\bHICO_[A-Z_]+\b", file.read_text(encoding="utf-8"))
    }
    assert set(ENVIRONMENT) == used
    assert used <= words("environment")
