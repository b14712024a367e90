from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.config.protocol_file import find_protocol_rule, rule_text
from hico_platform.data.protocol_rule import ProtocolRule
from hico_platform.errors import ConfigError


def test_a_name_is_left_to_the_store() -> None:
    assert find_protocol_rule("xsub") == "xsub"
    assert find_protocol_rule("my.yaml.xsub") == "my.yaml.xsub"


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_a_rule_is_named_for_its_file(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"mine{suffix}"
    file.write_text("train: {subject: odd}\n")
    assert find_protocol_rule(str(file)) == ProtocolRule.from_plain("mine", {"train": {"subject": "odd"}}, field="")


@pytest.mark.parametrize("content", [None, "train: [1\n", "- 1\n", "train: {subject: {odd: 1}}\n"])
def test_a_file_that_is_no_rule_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        find_protocol_rule(str(file))


def test_what_a_file_held_stands_for_it_when_it_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("# people\ntest: {subject: [2, p03]}\ntrain: {subject: odd}\n")
    found, held = find_protocol_rule(str(file)), rule_text(str(file))
    file.write_text("train: {subject: odd}\ntest:\n  subject: [2, p03]\n")
    assert rule_text(str(file)) == held, "the same rule, written otherwise"
    file.unlink()
    assert find_protocol_rule(str(file), text=held) == found
