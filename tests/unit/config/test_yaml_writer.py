"""What is written is read back as it was, whatever it holds."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hico_platform.config.schema import parse
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import parse_yaml
from hico_platform.config.yaml_writer import as_yaml, yaml_text
from tests.small import small_config


def test_a_configuration_is_read_back_unchanged() -> None:
    for config in (TrialConfig(), small_config(optimiser__clip_gradient_norm=0.1 + 0.2, contrast__temperature=1e-7)):
        text = as_yaml(config)
        assert parse(TrialConfig, parse_yaml(text)) == config
        assert list(yaml.safe_load(text)) == list(TrialConfig.model_fields), "in the order of its fields"
        assert "{" not in text, "a field a line"


def test_comments_are_lines_of_their_own_whatever_they_hold() -> None:
    text = as_yaml(TrialConfig(), comments=["the best: 0.5", "two\nlines: 3\x1b[2J ü"])
    first, second, third = text.splitlines()[:3]
    assert (first, second) == ("# the best: 0.5", "# two lines: 3 [2J ü")
    assert not third.startswith("#")
    assert parse(TrialConfig, parse_yaml(text)) == TrialConfig()


@pytest.mark.parametrize(
    "text",
    ["1e5", "-3E2", "0o17", "0x1F", "010", "1:30", "1_000", "yes", "on", "~", "", "null", ".5", ".inf", "true", "-",
     "a: b", "# a", "a\nb", "a\x85b", "\u2028", " a ", "'a'", "ü", "2026-11-30", "!x", "*x", "%"],
)  # fmt: skip
def test_a_text_stays_a_text_in_yaml_1_1_and_1_2(text: str) -> None:
    """PyYAML leaves out the quotes of 1e5 and 0o17, which are texts in YAML 1.1 and numbers where they are read."""
    for data in ({"a": text}, {"a": [text, {text: 1}]} if text else {"a": [text]}):
        written = yaml_text(data)
        assert parse_yaml(written).data == data, written
        assert yaml.safe_load(written) == data, written


SCALARS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, width=32)


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from("zyx"), SCALARS | st.lists(SCALARS, max_size=2), min_size=1))
def test_plain_values_are_read_back_in_their_own_order(data: dict[str, object]) -> None:
    found = parse_yaml(yaml_text(data)).data
    assert found == data
    assert list(found) == list(data)


def test_a_space_is_short_and_in_its_own_letters() -> None:
    text = yaml_text({"name": "größe", "search": {"model.encoder": {"choice": ["gru", "lstm"]}}, "trials": 5})
    assert text == "name: größe\nsearch:\n  model.encoder:\n    choice: [gru, lstm]\ntrials: 5\n"
    assert len(yaml_text({"point": dict.fromkeys("abcdefghijk", "x" * 20)}).splitlines()) == 3, "a long line is broken"
