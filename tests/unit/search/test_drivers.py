"""Who ran a search, and who may go on with it."""

from __future__ import annotations

import dataclasses
import os
import pwd
import shlex
import socket

import pytest

from hico_platform.errors import UsageError
from hico_platform.search.drivers import (
    DriverRecord,
    admitted,
    command_line,
    driver_at,
    is_same_person,
    starter,
    this_driver,
    user_name,
)

ALICE = DriverRecord(
    user="alice", uid=1001, host="gpu-1", pid=7, command="hico-platform search", began_at_s=86400.0 * 365
)
BOB = dataclasses.replace(ALICE, user="bob", uid=1002, host="gpu-2", pid=8, began_at_s=ALICE.began_at_s + 100)


def test_this_process_by_the_list_of_users_whatever_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME"):
        monkeypatch.setenv(name, "somebody-else")
    driver = this_driver(command="hico-platform search", at_s=5.0)
    assert (driver.user, driver.uid) == (pwd.getpwuid(os.getuid()).pw_name, os.getuid())
    assert (driver.host, driver.pid, driver.began_at_s) == (socket.gethostname(), os.getpid(), 5.0)
    assert not driver.resumed


def test_an_account_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert user_name() == f"uid-{os.getuid()}"


def test_a_command_line_is_quoted_for_a_shell_and_has_no_secret() -> None:
    words = [
        "hico-platform", "search", "--storage", "postgresql+psycopg://hico:s3cr3t@db/hico",
        "--tracking=http://me:t0psecret@host:5000", "--name", "it's mine", "--address", "host:hidden-key",
    ]  # fmt: skip
    shown = command_line(words, secrets=["hidden-key"])
    assert "s3cr3t" not in shown
    assert "t0psecret" not in shown
    assert "hidden-key" not in shown
    assert shlex.split(shown)[3] == "postgresql+psycopg://hico:***@db/hico"
    assert shlex.split(shown)[6] == "it's mine"


def test_a_command_is_kept_in_one_line_that_steers_no_terminal() -> None:
    command = command_line(["hico-platform", "\x1b[2J\n\u202e\udc80" + "x" * 10_000])
    kept = this_driver(command=command).command
    assert kept.isprintable()
    assert len(kept) <= 4000


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("alice", 1001), ("alice", 1001), True),
        (("alice", 1001), ("alice", 5007), True),  # machines without one list of numbers
        (("alice", 1001), ("bob", 1001), False),  # the first account of two machines
        (("alice", 1001), ("uid-1001", 1001), True),  # in a container without a list of users
        (("alice", 1001), ("uid-1002", 1002), False),
        (("uid-1001", 1001), ("uid-1001", 1001), True),
        (("uid-1001", 1001), ("alice", None), False),
    ],
)
def test_a_person_is_a_name_and_without_one_a_number(
    one: tuple[str, int | None], other: tuple[str, int | None], same: bool
) -> None:
    drivers = [dataclasses.replace(ALICE, user=user, uid=uid) for user, uid in (one, other)]
    assert is_same_person(*drivers) is is_same_person(*reversed(drivers)) is same


def test_whoever_ran_it_last_goes_on_and_so_does_anybody_where_nobody_is_known() -> None:
    assert admitted(BOB, before=[], name="toy") == dataclasses.replace(BOB, resumed=True)
    again = dataclasses.replace(ALICE, host="gpu-9", pid=9, began_at_s=ALICE.began_at_s + 50)
    assert admitted(again, before=[ALICE], name="toy") == dataclasses.replace(again, resumed=True)
    damaged = dataclasses.replace(ALICE, user="unknown")
    assert admitted(BOB, before=[ALICE, damaged], name="toy").took_over_from is None


def test_another_persons_search_is_refused_with_whose_it_is_since_when_and_where() -> None:
    resumed = dataclasses.replace(ALICE, host="gpu-3", pid=99, began_at_s=ALICE.began_at_s + 7200, resumed=True)
    with pytest.raises(UsageError) as raised:
        admitted(BOB, before=[ALICE, resumed], name="toy")
    assert raised.value.exit_code == 2
    message = str(raised.value)
    assert message.startswith("name: expected a search that bob began or took over, got 'toy: alice began it at 197")
    assert "and last ran it at 197" in message
    assert "last seen on gpu-3 as process 99'; ask alice, then add --take-over" in message


def test_a_search_that_was_taken_over_is_the_takers() -> None:
    taken = admitted(BOB, before=[ALICE], name="toy", take_over=True)
    assert taken == dataclasses.replace(BOB, resumed=True, took_over_from="alice")
    assert admitted(BOB, before=[ALICE, taken], name="toy").took_over_from is None
    with pytest.raises(
        UsageError, match=r"got 'toy: bob took it over at 197.*, last seen on gpu-2 as process 8'; ask bob"
    ):
        admitted(ALICE, before=[ALICE, taken], name="toy")


def test_ones_own_search_is_not_taken_over() -> None:
    assert admitted(ALICE, before=[ALICE], name="toy", take_over=True).took_over_from is None


def test_a_trial_is_whose_driver_ran_when_it_began() -> None:
    drivers = (ALICE, BOB)
    assert driver_at(drivers, ALICE.began_at_s - 1) is None
    assert driver_at(drivers, ALICE.began_at_s) is ALICE
    assert driver_at(drivers, BOB.began_at_s - 1) is ALICE
    assert driver_at(drivers, BOB.began_at_s + 1) is BOB


def test_nobody_is_known_to_have_begun_a_search_of_an_older_version() -> None:
    assert starter([]) is None
    assert starter([ALICE, BOB]) is ALICE
    assert starter([dataclasses.replace(BOB, resumed=True)]) is None
