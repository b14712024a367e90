from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hico_platform.config import yaml_loader
from hico_platform.config.package_files import shipped_spaces
from hico_platform.config.space import load_space
from hico_platform.config.yaml_loader import MOST_DEPTH, MOST_VALUES, parse_yaml
from hico_platform.config.yaml_text import MOST_BYTES
from hico_platform.errors import ConfigError


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        parse_yaml(text)
    assert all(problem.rule and problem.remedy for problem in error.value.problems)
    return str(error.value)


class TestAnchors:
    def test_merge_keys_and_what_begins_with_x(self, tmp_path: Path) -> None:
        file = tmp_path / "space.yaml"
        file.write_text(
            "x-range: &range {low: 0.1, high: 0.5}\nx-log: &log {log: true, high: 0.4}\n"
            "search:\n  contrast.temperature: {<<: *range, log: true}\n"
            "  model.dropout:\n    <<: [*range, *log]\n    log: false\n"
        )
        temperature, dropout = load_space(file).parameters
        assert (temperature.low, temperature.high, temperature.log) == (0.1, 0.5, True)
        assert (dropout.low, dropout.high, dropout.log) == (0.1, 0.5, False)
        assert "x-range" not in load_space(file).source

    def test_a_mistake_in_what_is_merged_has_its_own_line(self, tmp_path: Path) -> None:
        file = tmp_path / "space.yaml"
        file.write_text("x-range: &range\n  low: -1\n  high: 1\nsearch:\n  contrast.temperature: {<<: *range}\n")
        with pytest.raises(
            ConfigError, match=r"space.yaml:2: search.contrast.temperature.low: expected above 0, got -1"
        ):
            load_space(file)

    def test_own_keys_go_before_merged_ones_and_a_quoted_key_is_a_key(self) -> None:
        assert parse_yaml("a: &a {x: 1, y: 2}\nb: {x: 3, <<: *a}").data["b"] == {"x": 3, "y": 2}
        assert parse_yaml("a: {'<<': 1}").data["a"] == {"<<": 1}
        assert parse_yaml("a: &a {x: 1}\nb: *a\nc: &a {x: 2}\nd: *a").data["d"] == {"x": 2}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: &a [*a]", "an alias of what does not hold it, got '*a'; remove the alias"),
            ("a: &a {b: {c: *a}}", "an alias of what does not hold it"),
            ("a: &a {<<: *a}", "an alias of what does not hold it"),
            ("a: *b", "an alias of an anchor above it, got '*b'; write &b where it is defined"),
            ("a: {<<: 3}", "a mapping, or a list of mappings, to merge"),
            ("a: &a {x: 1}\nb: {<<: *a, <<: *a}", "a key that is given once, got '<<'; remove one of the two"),
            (
                "{x: 1, x: 2}",
                "x: expected a key that is given once, got 'x'; remove one of the two (the first is on line 1)",
            ),
            ("{[a]: 1}", "a key that is plain text"),
            ("? {a: 1}\n: 2", "a key that is plain text"),
            ("!!int 1: 2", "a key that is plain text"),
            ("? \n: 2", "a key that is plain text"),
        ],
    )
    def test_what_is_refused(self, text: str, message: str) -> None:
        assert message in refused(text)


def multiplied(levels: int) -> str:
    """Aliases of aliases: ten times as many values a level."""
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


class TestBounds:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (multiplied(9), f"at most {MOST_VALUES:,} values, got 'more'; remove aliases that multiply"),
            ("[" * 3000, f"at most {MOST_DEPTH} levels, got 'more'"),
            ("{a: " * 3000, f"at most {MOST_DEPTH} levels"),
            ("- " * 3000, f"at most {MOST_DEPTH} levels"),
            ("\n".join(f"{' ' * n}a:" for n in range(100)), f"at most {MOST_DEPTH} levels"),
            ("a0: &a0 1\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 99)), f"{MOST_DEPTH} levels"),
            (f"a: &a {{{','.join(f'k{n}: 1' for n in range(200))}}}\nb: {{<<: [{'*a,' * 99}]}}", "values"),
            ("#" * MOST_BYTES + "\na: 1", f"at most {MOST_BYTES // 1024} KiB of configuration"),
        ],
    )
    def test_size_depth_and_aliases(self, text: str, message: str) -> None:
        tracemalloc.start()
        try:
            assert message in refused(text)
            assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
        finally:
            tracemalloc.stop()

    def test_many_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(yaml_loader, "MOST_VALUES", 100)
        assert len(parse_yaml(f"[{'0,' * 98}0]").data) == 99
        with pytest.raises(ConfigError, match="at most 100 values") as error:
            parse_yaml(f"a: 1\nb: [{'0,' * 99}0]")
        assert error.value.problems[0].line == 2

    def test_what_is_within_them_is_read(self) -> None:
        data = parse_yaml("a: " + "[" * (MOST_DEPTH - 1) + "1" + "]" * (MOST_DEPTH - 1)).data["a"]
        for _ in range(MOST_DEPTH - 1):
            (data,) = data
        assert data == 1
        assert len(parse_yaml(multiplied(3)).data["a2"]) == 10

    def test_a_key_of_many_dots(self, tmp_path: Path) -> None:
        file = tmp_path / "space.yaml"
        file.write_text(f"search: {{{'a.' * 400}b: 1}}")
        with pytest.raises(ConfigError, match=f"a field at most {MOST_DEPTH} levels deep"):
            load_space(file)

    @pytest.mark.parametrize("parent", ["x" * 5000, '"a\\u0001b"', "~nobody-here/x.yaml", ".", "''"])
    def test_a_file_to_extend_that_cannot_be_one(self, tmp_path: Path, parent: str) -> None:
        file = tmp_path / "space.yaml"
        file.write_text(f"extends: {parent}\nsearch: {{contrast.temperature: {{low: 0.1, high: 1}}}}")
        with pytest.raises(ConfigError, match=r"space.yaml:1: extends: expected an existing file"):
            load_space(file)


def attempt(read: Callable[[], object]) -> None:
    """What is read can be kept as JSON, or there is a ConfigError whose text can be printed."""
    try:
        json.dumps(read()).encode()
    except ConfigError as error:
        str(error).encode()


SEEDS = [file.read_bytes() for file in shipped_spaces().values()]
TOKENS = [
    "&a ", "*a", "<<: ", "? ", ": ", "- ", "[", "]", "{", "}", ", ", "\n", "\n  ", "#", "|", ">", "'", '"', "!!",
    "!x ", "%", "---\n", "...\n", "\t", "\r", "010", "1:30", ".nan", "1e999", "~", "null", "x-a: ", "search: ",
    "base: ", "low: ", "high: ", "choice: ", "when: ", "simplex: ", "contrast.temperature: ", "model.encoder: ",
    "model: ", "extends: ", "constraints: ", "points: ", "objectives: ", "resources: {gpus: ", "\\u0000", "\x00",
    "\ufeff", "\x85", "\u2028", "\xe9", "9" * 30, "a." * 40, "trials: ", "name: ", "-", ".", "gru",
]  # fmt: skip


class TestHostile:
    """Whatever a file holds, there is a space or a ConfigError."""

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.sampled_from(TOKENS), max_size=40).map("".join))
    def test_any_text(self, text: str) -> None:
        attempt(lambda: parse_yaml(text).data)

    @settings(max_examples=15, deadline=None)
    @given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 5000), st.sampled_from(TOKENS)), max_size=4))
    def test_shipped_spaces_with_something_put_in(
        self, tmp_path_factory: pytest.TempPathFactory, seed: bytes, changes: list[tuple[int, str]]
    ) -> None:
        for index, token in changes:
            cut = index % (len(seed) + 1)
            seed = seed[:cut] + token.encode("utf-8", "surrogatepass") + seed[cut:]
        file = tmp_path_factory.mktemp("hostile") / "space.yaml"
        file.write_bytes(seed)
        attempt(lambda: load_space(file).source)
