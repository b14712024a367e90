"""On which machine, and on which of its GPUs, each trial ran: what a search's cost is told by."""

from __future__ import annotations

from collections.abc import Mapping

from hico_platform.search.execution_events import ExecutionEvent, WorkerAssigned
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.notes import TRIAL_MACHINES


class TrialMachines:
    """An observer of the execution; :meth:`keep` writes what it saw into the ledger, with what earlier drivers saw.

    One note at the end costs a search nothing while it runs. A driver that is killed leaves its trials without a
    machine, which is all that is lost.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen: dict[int, str] = {}

    def __call__(self, event: ExecutionEvent) -> None:
        """Remembers the last worker of each trial."""
        if isinstance(event, WorkerAssigned):
            self._seen[event.number] = ", ".join((event.host, *event.gpus))

    def keep(self) -> None:
        """Writes the note, unless nothing was seen."""
        if not self._seen:
            return
        machine_of = {**trial_machines(self._ledger.note(TRIAL_MACHINES)), **self._seen}
        trials: dict[str, list[int]] = {}
        for number, machine in sorted(machine_of.items()):
            trials.setdefault(machine, []).append(number)
        self._ledger.set_note(TRIAL_MACHINES, trials)


def trial_machines(note: object) -> dict[int, str]:
    """By the number of a trial its machine, from the note of a ledger; older versions kept none."""
    if not isinstance(note, Mapping):
        return {}
    return {int(number): str(machine) for machine, numbers in note.items() for number in numbers}
