from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hico_platform.config import yaml_loader
from hico_platform.config.constraint import MOST_CHARACTERS, Constraint, problem_of, unknown_names
from hico_platform.config.merge import override
from hico_platform.config.package_files import shipped_spaces
from hico_platform.config.schema import field_types, parse
from hico_platform.config.search_section import SPECIFICATION
from hico_platform.config.space import load_space
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import MOST_DEPTH, MOST_VALUES, parse_yaml, read_yaml
from hico_platform.config.yaml_text import MOST_BYTES
from hico_platform.errors import ConfigError


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        parse_yaml(text)
    assert all(problem.rule and problem.remedy for problem in error.value.problems)
    return str(error.value)


def refused_bytes(folder: Path, data: bytes) -> str:
    file = folder / "space.yaml"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as error:
        read_yaml(file)
    return str(error.value).replace(f"{folder}/", "")


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
        assert "at most 100 values" in refused(f"[{'0,' * 99}0]")

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


class TestEncodings:
    TEXT = "name: café\nsearch: {}\n"

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (TEXT.encode("utf-16"), "space.yaml: expected text in UTF-8, got 'UTF-16'; save it as UTF-8"),
            (TEXT.encode("utf-16-le"), "got 'UTF-16 without a byte order mark'; save it as UTF-8"),
            (TEXT.encode("utf-16-be"), "got 'UTF-16 without a byte order mark'; save it as UTF-8"),
            (TEXT.encode("utf-32"), "got 'UTF-32'; save it as UTF-8"),
            (
                b"a: 1\n" + TEXT.encode("latin-1"),
                "space.yaml:2: expected text in UTF-8, got 'the byte 0xe9, é in Latin-1'; save it as UTF-8",
            ),
            (b"a: 1\nb: \0\n", "got 'a NUL byte on line 2'; check the path: it may be no text file"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\xff" * 9, "a NUL byte on line 1"),
            (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "text in UTF-8, got"),
            (b"a: 1\n\x1b[0m", "space.yaml:2: expected text without control characters, got 'U+001B'"),
            (b"", "space.yaml: expected fields, got 'an empty file'; write {} to keep everything as it is"),
            (b"# nothing\n", "got 'an empty file'"),
            (b"---\n...\n", "got 'an empty file'"),
            (b"~\n", "got 'an empty file'"),
            (
                b"a: 1\n---\nb: 2\n",
                "space.yaml:2: expected one document, got 'a second one'; remove what begins with ---",
            ),
            (
                b"a:\n\tb: 1\n",
                "space.yaml:2: expected valid YAML, got 'a tab where YAML wants spaces'; indent with spaces",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, data: bytes, message: str) -> None:
        assert message in refused_bytes(tmp_path, data)

    @pytest.mark.parametrize("data", [TEXT.encode("utf-8-sig"), TEXT.replace("\n", "\r\n").encode(), TEXT.encode()])
    def test_what_is_read(self, tmp_path: Path, data: bytes) -> None:
        file = tmp_path / "space.yaml"
        file.write_bytes(data)
        document = read_yaml(file)
        assert document.data == {"name": "café", "search": {}}
        assert document.lines["search",] == 2

    def test_a_file_without_end_and_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="at most 256 KiB of configuration"):
            read_yaml(Path("/dev/zero"))
        with pytest.raises(ConfigError, match="a readable file, got 'Is a directory'; check the path"):
            read_yaml(tmp_path)


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


class TestConstraints:
    KNOWN = field_types(TrialConfig)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("not " * 3000 + "model.layers > 1", f"it has more than {MOST_CHARACTERS} characters"),
            ("not " * 400 + "model.layers > 1", "it is more than 64 levels deep"),
            ("-" * 1900 + "1 > 1", "it is more than 64 levels deep"),
            ("model.layers" + "+1" * 500 + " > 1", "it is more than 64 levels deep"),
            ("(" * 900, None),
            ("model" + ".layers" * 200 + " > 1", "it is more than 64 levels deep"),
            ("1" * 1999 + " > 1", None),
            ("model.layers > \0", None),
        ],
    )
    def test_length_and_depth(self, text: str, message: str | None) -> None:
        unknown_names(text, self.KNOWN)
        found = problem_of(text, self.KNOWN)
        assert message is None or found == message

    def test_a_number_without_end_does_not_hold(self) -> None:
        assert not Constraint(text=f"{'9' * 400} / 3.0 > 1").holds({})


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
