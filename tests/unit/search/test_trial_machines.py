from __future__ import annotations

from hico_platform.search.execution_events import DriverChecked, WorkerAssigned
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.notes import TRIAL_MACHINES
from hico_platform.search.trial_machines import TrialMachines, trial_machines
from tests.toy import FACTS, toy_space


def test_the_last_worker_of_each_trial_is_kept_over_drivers() -> None:
    ledger = MemoryLedger(name="toy", space=toy_space(), facts=FACTS, limit=5, at_s=0.0)
    assert trial_machines(ledger.note(TRIAL_MACHINES)) == {}
    first = TrialMachines(ledger)
    first.keep()
    assert ledger.note(TRIAL_MACHINES) is None, "nothing was seen"
    first(WorkerAssigned(number=0, host="a", address="", pid=1))
    first(WorkerAssigned(number=1, host="a", address="", pid=2, gpus=("GPU-7",)))
    first(DriverChecked())
    first.keep()
    second = TrialMachines(ledger)
    second(WorkerAssigned(number=1, host="b", address="", pid=1))
    second(WorkerAssigned(number=2, host="a", address="", pid=1))
    second.keep()
    assert ledger.note(TRIAL_MACHINES) == {"a": [0, 2], "b": [1]}
    assert trial_machines(ledger.note(TRIAL_MACHINES)) == {0: "a", 1: "b", 2: "a"}
