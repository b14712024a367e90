from __future__ import annotations

from hico_platform.search.machine_health import MachineHealth

BOTH = {"a", "b"}


def failed(machines: MachineHealth, number: int, machine: str, usable: set[str] = BOTH) -> bool:
    return machines.trial_failed(number, machine, reason=f"reason {number}", usable=usable)


def fails_and_goes_on(machines: MachineHealth, number: int) -> bool:
    """On a, and on b; whether a is left out by that."""
    assert failed(machines, number, "a")
    assert machines.avoided_by(number) == {"a"}
    return machines.trial_progressed(number, "b", finished=True) is not None


def test_where_there_is_one_machine_nothing_changes() -> None:
    machines = MachineHealth()
    assert not failed(machines, 0, "a", {"a"})
    assert not machines.trial_failed(0, None, reason="", usable=BOTH), "it is not known where"
    assert machines.avoided_by(0) == set()


def test_what_fails_on_two_machines_fails_by_itself() -> None:
    machines = MachineHealth()
    for number in range(5):
        assert failed(machines, number, "a")
        assert not failed(machines, number, "b")
        assert machines.avoided_by(number) == set()
    assert machines.excluded == {}


def test_three_in_a_row_leave_a_machine_out() -> None:
    machines = MachineHealth()
    assert [fails_and_goes_on(machines, number) for number in (4, 6, 7)] == [False, False, True]
    found = machines.excluded["a"]
    assert (found.machine, found.trials, found.reason) == ("a", (4, 6, 7), "reason 7")
    assert machines.avoided_by(99) == {"a"}
    assert machines.trial_progressed(4, "b", finished=True) is None, "once"


def test_the_same_trial_again_is_no_second_one() -> None:
    machines = MachineHealth()
    assert [fails_and_goes_on(machines, 0) for _ in range(5)] == [False] * 5


def test_a_trial_that_finishes_clears_its_machine() -> None:
    machines = MachineHealth()
    fails_and_goes_on(machines, 0)
    fails_and_goes_on(machines, 1)
    machines.trial_progressed(2, "a", finished=False)
    machines.trial_progressed(3, "a", finished=True)
    assert [fails_and_goes_on(machines, number) for number in (4, 5, 6)] == [False, False, True]


def test_a_report_does_not_clear_it() -> None:
    machines = MachineHealth()
    fails_and_goes_on(machines, 0)
    fails_and_goes_on(machines, 1)
    machines.trial_progressed(2, "a", finished=False)
    assert fails_and_goes_on(machines, 2)


def test_what_was_with_a_machine_when_it_was_left_out_is_tried_again() -> None:
    machines = MachineHealth()
    for number in range(3):
        fails_and_goes_on(machines, number)
    assert failed(machines, 8, "a")
    assert not failed(machines, 8, "b", {"a", "b"}), "no machine is left for it"
    assert failed(machines, 9, "b", {"a", "b", "c"})


def test_with_no_other_machine_a_trial_goes_back() -> None:
    machines = MachineHealth()
    assert failed(machines, 0, "a")
    machines.forget_failure(0)
    assert machines.avoided_by(0) == set()
