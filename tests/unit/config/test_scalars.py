from __future__ import annotations

import math
from pathlib import Path

import pytest

from hico_platform.config.schema import parse
from hico_platform.config.space import load_space
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import parse_yaml
from hico_platform.errors import ConfigError
from tests.unit.config.test_yaml_loader import refused


class TestScalars:
    """YAML 1.2's core schema."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("10", 10),
            ("-7", -7),
            ("+7", 7),
            ("0", 0),
            ("0o10", 8),
            ("0x1F", 31),
            ("1e3", 1000.0),
            ("1e-3", 0.001),
            (".5", 0.5),
            ("5.", 5.0),
            ("010.5", 10.5),
            (".inf", math.inf),
            ("-.inf", -math.inf),
            ("~", None),
            ("null", None),
            ("true", True),
            ("False", False),
            ("yes", "yes"),
            ("No", "No"),
            ("on", "on"),
            ("off", "off"),
            ("1:30", "1:30"),
            ("1:30:00", "1:30:00"),
            ("190:20:30.15", "190:20:30.15"),
            ("1_000", "1_000"),
            ("0b101", "0b101"),
            ("2024-01-01", "2024-01-01"),
            ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
            ("=", "="),
            ("0o8", "0o8"),
            ("0X1F", "0X1F"),
            ("'10'", "10"),
            ('"true"', "true"),
            ("! 10", "10"),
            ("!!str 10", "10"),
            ("!!int '10'", 10),
            ("!!float 1", 1.0),
            ("!!null ''", None),
        ],
    )
    def test_what_they_mean(self, text: str, value: object) -> None:
        found = parse_yaml(f"a: {text}").data["a"]
        assert (found, type(found)) == (value, type(value))

    def test_not_a_number(self) -> None:
        assert math.isnan(parse_yaml("a: .nan").data["a"])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("010", "a number without leading zeros, got '010'; write 10, 0o10 for the octal number 8, or quote it"),
            ("-007", "a number without leading zeros, got '-007'; write -7, or quote it for a text"),
            ("089", "a number without leading zeros, got '089'; write 89, or quote it for a text"),
            ("9223372036854775808", "a whole number that fits 64 bits, got '9223372036854775808'; write a smaller one"),
            ("1" * 100_000, "a whole number that fits 64 bits, got '1111111111111111111111111111111111111111...'"),
            ("!!int x", "a value of the tag !!int, got 'x'; correct the value, or remove the tag"),
            ("!!timestamp 2024-01-01", "a tag that is known here (!!str, !!int, !!float, !!bool, !!null), got '!!time"),
            ("!!python/object:os.system {}", "a tag that is known here (!!map), got '!!python/object:os.system'"),
            ("!mine [1]", "a tag that is known here (!!seq), got '!mine'"),
            (r'"\ud800"', r"a character that a text can hold, got '\\ud800'; remove the escape"),
            (r'"\0"', r"a character that a text can hold, got '\\u0000'; remove the escape"),
            (r'"\UFFFFFFFF"', "valid YAML, got "),
        ],
    )
    def test_what_is_refused(self, text: str, message: str) -> None:
        assert message in refused(f"a: {text}")

    @pytest.mark.parametrize(
        ("text", "remedy"),
        [
            ("1:30", "got '1:30'; write the number that you mean: 1:30 is a text in YAML 1.2 and 90 in YAML 1.1"),
            ("1_000", "got '1_000'; write 1000, without underscores"),
            ("0,1", "got '0,1'; write 0.1, with a point"),
            ("0b101", "got '0b101'; write 5"),
            ("10%", "got '10%'; write 0.1"),
            ("none", "got 'none'; write null where nothing is meant"),
            ("inf", "got 'inf'; write a finite number"),
            ("'0.1'", "got '0.1'; write it without quotes or units"),
        ],
    )
    def test_a_text_where_a_number_is_wanted_is_named_with_what_to_write(self, text: str, remedy: str) -> None:
        with pytest.raises(ConfigError) as error:
            parse(TrialConfig, parse_yaml(f"contrast:\n  temperature: {text}\n"))
        assert f"contrast.temperature: expected a number, {remedy}" in str(error.value)

    def test_a_whole_number_written_as_another(self) -> None:
        with pytest.raises(ConfigError, match=r"a whole number, got 1000\.0; write 1000"):
            parse(TrialConfig, parse_yaml("budget: {epochs: 1e3}"))

    @pytest.mark.parametrize(("text", "word"), [("yes", "true"), ("Off", "false")])
    def test_a_text_where_truth_is_wanted(self, tmp_path: Path, text: str, word: str) -> None:
        file = tmp_path / "space.yaml"
        file.write_text(f"search: {{contrast.temperature: {{low: 0.1, high: 1, log: {text}}}}}")
        with pytest.raises(ConfigError, match=rf"log: expected true or false, got '{text}'; write {word}: "):
            load_space(file)
