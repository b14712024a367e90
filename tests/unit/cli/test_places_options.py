from __future__ import annotations

import argparse

import pytest

from hico_platform.cli.places_options import words_of_places


def given(**values: str) -> argparse.Namespace:
    return argparse.Namespace(**({"home": None, "storage": None, "tracking": None} | values))


def test_what_was_given_is_said_again() -> None:
    assert words_of_places(given()) == ""
    words = words_of_places(given(home="my home", storage="sqlite:///x.db", tracking="http://host:5000"))
    assert words == " --home 'my home' --storage sqlite:///x.db --tracking http://host:5000"


def test_what_the_environment_says_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_STORAGE", "postgresql+psycopg://me:secret@host/db")
    assert words_of_places(given(storage="postgresql+psycopg://me:secret@host/db")) == ""


def test_no_password_is_printed() -> None:
    words = words_of_places(given(storage="postgresql+psycopg://me:secret@host:5432/db"))
    assert words == " --storage 'postgresql+psycopg://me:***@host:5432/db'"
