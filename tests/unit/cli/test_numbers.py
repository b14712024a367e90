from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from hico_platform.cli.numbers import count, cpus, gpus


@pytest.mark.parametrize(
    ("parse", "text", "number"),
    [
        (count, "1", 1),
        (count, "12", 12),
        (cpus, "0.25", 0.25),
        (cpus, "3", 3.0),
        (gpus, "0", 0.0),
        (gpus, "0.5", 0.5),
        (gpus, "1", 1.0),
        (gpus, "2.0", 2.0),
    ],
)
def test_what_a_run_may_have(parse: Callable[[str], float], text: str, number: float) -> None:
    assert parse(text) == number


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (count, "0"),
        (count, "-3"),
        (cpus, "0"),
        (cpus, "-0.5"),
        (cpus, "inf"),
        (cpus, "nan"),
        (gpus, "-1"),
        (gpus, "1.5"),
        (gpus, "inf"),
        (gpus, "nan"),
    ],
)
def test_what_it_may_not_have_is_named(parse: Callable[[str], float], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rf"expected .*, got {text}$"):
        parse(text)


@pytest.mark.parametrize(("parse", "text"), [(count, "1.5"), (count, "two"), (cpus, ""), (gpus, "one")])
def test_what_is_no_number_is_left_to_the_parser(parse: Callable[[str], float], text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
        parse(text)
