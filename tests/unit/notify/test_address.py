from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.notify.address import addresses


def read(*named: str, commands: bool = True, **environment: str) -> tuple[str, ...]:
    return addresses(named, field="--notify", environment=environment, commands=commands)


def own_file(folder: Path, text: str, *, mode: int = 0o600) -> Path:
    file = folder / "notify"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_addresses_are_what_is_named(tmp_path: Path) -> None:
    file = own_file(tmp_path, "# people\nslack://A/B/C\n\nmailtos://me:word@mail.example\n")
    named = ("https://example.org/told", "env:HOOKS", f"file:{file}", "command:/bin/true")
    assert read(*named, HOOKS="mmosts://host/token  https://example.org/told") == (
        "https://example.org/told",
        "mmosts://host/token",
        "slack://A/B/C",
        "mailtos://me:word@mail.example",
        "command:/bin/true",
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.slack.com/services/T0/B0/tokenword",
        "https://chat.example/hooks/tokenword",
        "https://me:tokenword@example.org/told",
        "https://example.org/told?key=tokenword",
        "slack://T0/B0/tokenword",
        "tokenword",
    ],
)
def test_an_address_with_a_secret_is_refused_where_others_see_it_and_not_repeated(address: str) -> None:
    with pytest.raises(UsageError, match=r"without a secret.*; put the address into an environment variable") as raised:
        read(address)
    assert "tokenword" not in str(raised.value)
    assert read("env:HOOKS", HOOKS="https://hooks.slack.com/services/T0/B0/tokenword")


def test_what_is_wrong_with_an_address_is_said(tmp_path: Path) -> None:
    def refused(match: str, *named: str, commands: bool = True, **environment: str) -> None:
        with pytest.raises(UsageError, match=match):
            read(*named, commands=commands, **environment)

    refused("--notify: expected an environment variable NONE that holds addresses, got 'none'", "env:NONE")
    refused("expected an https address, or http on this machine, got 'http://example.org'", "http://example.org/told")
    refused("expected the absolute path of a program, got 'told'", "command:told")
    refused("expected no command in a space file", "command:/bin/true", commands=False)
    refused("expected an address https://HOST/PATH, got 'https://'", "https:///told")
    refused("a file with an address in each line, got 'No such file", f"file:{tmp_path / 'none'}")
    refused("an address in each line, got 'none'", f"file:{own_file(tmp_path, '# nobody')}")
    refused("you alone can read, got .*chmod 600", f"file:{own_file(tmp_path, 'slack://A/B/C', mode=0o644)}")
