from __future__ import annotations

import argparse

import pytest

from hico_platform.cli.store_options import home_paths, store_words


def given(**values: str) -> argparse.Namespace:
    return argparse.Namespace(**({"home": None, "storage": None, "tracking": None} | values))


def test_what_was_given_is_said_again() -> None:
    assert store_words(given()) == ""
    words = store_words(given(home="my home", storage="sqlite:///x.db", tracking="http://host:5000"))
    assert words == " --home 'my home' --storage sqlite:///x.db --tracking http://host:5000"


def test_what_the_environment_says_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_STORAGE", "postgresql+psycopg://me:secret@host/db")
    assert store_words(given(storage="postgresql+psycopg://me:secret@host/db")) == ""


def test_no_password_is_printed() -> None:
    words = store_words(given(storage="postgresql+psycopg://me:secret@host:5432/db"))
    assert words == " --storage 'postgresql+psycopg://me:***@host:5432/db'"


@pytest.mark.parametrize(
    ("option", "url", "variable"),
    [
        ("storage", "postgresql+psycopg://me:s3cr3t@host/db", "HICO_STORAGE, or the password by PGPASSWORD"),
        ("tracking", "postgresql://host/db?user=me&password=s3cr3t", "MLFLOW_TRACKING_URI"),
        ("tracking", "https://me:s3cr3t@mlflow.lab", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_a_password_that_all_see_in_ps(
    option: str, url: str, variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert str(getattr(home_paths(given(**{option: url})), option)) == url
    warned = capsys.readouterr().err
    assert f"--{option}: " in warned
    assert variable in warned
    assert "s3cr3t" not in warned
    monkeypatch.setenv({"storage": "HICO_STORAGE", "tracking": "MLFLOW_TRACKING_URI"}[option], url)
    home_paths(given(**{option: url}))
    home_paths(given(storage="postgresql://me@host/db", tracking="http://host:5000"))
    assert capsys.readouterr().err == ""
