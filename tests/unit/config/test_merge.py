from __future__ import annotations

import pytest

from hico_platform.config.merge import override
from hico_platform.config.search_section import SPECIFICATION
from hico_platform.config.yaml_loader import MOST_DEPTH, parse_yaml
from hico_platform.errors import ConfigError


class TestSet:
    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("a=1\n---\n2", "--set: a: expected one document, got 'a second one'"),
            ("a=\udcff", "--set: a: expected text without control characters, got 'U+DCFF'"),
            ("a=" + "[" * 3000, f"--set: a: expected at most {MOST_DEPTH} levels"),
            ("a=&a [*a]", "--set: a: expected an alias of what does not hold it"),
            ("a=010", "--set: a: expected a number without leading zeros, got '010'"),
        ],
    )
    def test_values_go_through_the_same_reader(self, assignment: str, message: str) -> None:
        with pytest.raises(ConfigError) as error:
            override(parse_yaml("b: 1"), [assignment], whole=SPECIFICATION)
        assert str(error.value).startswith(message)

    @pytest.mark.parametrize(("text", "value"), [("1:30", "1:30"), ("yes", "yes"), ("", None), ("~", None), ("{}", {})])
    def test_and_mean_the_same(self, text: str, value: object) -> None:
        assert override(parse_yaml("b: 1"), [f"a={text}"], whole=SPECIFICATION).data["a"] == value

    def test_a_list_has_no_fields(self) -> None:
        with pytest.raises(ConfigError, match="a mapping of fields"):
            override(parse_yaml("[1]"), ["a=1"], whole=SPECIFICATION)
