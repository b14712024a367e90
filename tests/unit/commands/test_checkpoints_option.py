"""Where checkpoints are to be kept: the address that is given, and the environment's."""

from __future__ import annotations

import pytest

from hico_platform.commands.checkpoints_option import IN_THE_HOME, checkpoints_option
from hico_platform.errors import UsageError


def test_without_an_address_they_stay_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HICO_CHECKPOINTS", raising=False)
    assert checkpoints_option(None, field="--checkpoints") == IN_THE_HOME
    monkeypatch.setenv("HICO_CHECKPOINTS", "")
    assert checkpoints_option(None, field="--checkpoints") == IN_THE_HOME


def test_the_environment_is_the_default_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_CHECKPOINTS", "s3://group/checkpoints")
    option = checkpoints_option("file:///scratch/mine", field="--checkpoints")
    assert (option.url, option.default) == ("file:///scratch/mine", "s3://group/checkpoints")


def test_an_address_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="checkpoints: expected an address such as s3://BUCKET/FOLDER"):
        checkpoints_option("/scratch/mine", field="checkpoints")
    monkeypatch.setenv("HICO_CHECKPOINTS", "ftp://group")
    with pytest.raises(UsageError, match="HICO_CHECKPOINTS: expected an address"):
        checkpoints_option(None, field="checkpoints")


def test_keys_in_an_address_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HICO_CHECKPOINTS", raising=False)
    with pytest.raises(UsageError, match="an address without keys") as caught:
        checkpoints_option("s3://AKIA:hunter2@bucket/folder", field="checkpoints")
    assert "hunter2" not in str(caught.value)
