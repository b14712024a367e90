from __future__ import annotations

import pytest

from hico_platform.search.execution_events import LossCause
from hico_platform.search.ray_executor.lost_worker import last_error, lost_worker

DIED = """The actor died unexpectedly before finishing this task.
\tclass_name: ImplicitFunc
\tactor_id: 51b1c3a2
\tpid: 4242
\tnamespace: 1
\tip: 10.77.0.2
"""
OF_A_HOST = DIED + "The actor died because its node has died. Node Id: 4be3\n\tthe actor's node was "
UNPLUGGED = OF_A_HOST + "terminated unexpectedly: health check failed due to missing too many heartbeats"


@pytest.mark.parametrize(
    ("text", "reason", "counts"),
    [
        (OF_A_HOST + "preempted: the spot price rose", "its machine was preempted", False),
        (UNPLUGGED, "its machine went away", False),
        (OF_A_HOST + "terminated expectedly: received SIGTERM", "its machine went away", False),
        (DIED + "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR",
         "its process died: The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR",
         True),
        ("Task was killed due to the node running low on memory.\nMore text",
         "its process died: Task was killed due to the node running low on memory.", True),
        ("Failed to set up runtime environment.\npip said no",
         "its process died: Failed to set up runtime environment.", True),
        ("", "its process died: no reason is known", True),
    ],
)  # fmt: skip
def test_whose_fault_it_is(text: str, reason: str, counts: bool) -> None:
    lost = lost_worker(text)
    assert (lost.reason, lost.counts, lost.traceback) == (reason, counts, None)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (OF_A_HOST + "preempted: the spot price rose", LossCause.PREEMPTED),
        (UNPLUGGED, LossCause.MACHINE_LOST),
        (DIED + "Worker exit type: NODE_OUT_OF_MEMORY", LossCause.OUT_OF_MEMORY),
        ("Task was killed due to the node running low on memory.\nMore text", LossCause.OUT_OF_MEMORY),
        (DIED + "Worker exit type: SYSTEM_ERROR", LossCause.WORKER_DIED),
        ("ray::train() (pid=1)\nTraceback (most recent call last):\n  File a\nKeyError: 'mine'\n", LossCause.ERROR),
    ],
)
def test_its_cause_is_one_of_few(text: str, cause: LossCause) -> None:
    assert lost_worker(text).cause is cause


def test_an_error_in_a_worker_has_its_traceback() -> None:
    lost = lost_worker("ray::train() (pid=1)\nTraceback (most recent call last):\n  File a\nKeyError: 'mine'\n")
    assert lost.reason == "KeyError: 'mine'"
    assert lost.counts
    assert lost.traceback is not None
    assert "File a" in lost.traceback


def test_an_error_that_ray_writes_without_the_word_traceback() -> None:
    lost = lost_worker(
        '\x1b[36mray::ImplicitFunc.train()\x1b[39m (pid=1, ip=::1)\n  File "a", line 8\nerrors.LostRankError: gone\n'
    )
    assert lost.reason == "errors.LostRankError: gone"
    assert lost.counts
    assert lost.traceback is not None


class Noted:
    """The part of a Tune trial that is read."""

    def __init__(self, error_file: str | None) -> None:
        self.error_file = error_file


def test_the_last_of_several_errors(tmp_path) -> None:
    file = tmp_path / "error.txt"
    file.write_text(
        "Failure # 1 (occurred at 2026-01-01_00-00-00)\nfirst\nFailure # 2 (occurred at 2026-01-01_00-00-01)\nlast\n"
    )
    assert last_error(Noted(str(file))).strip() == "last"
    assert last_error(Noted(None)) == ""
    assert last_error(Noted(str(tmp_path / "none"))) == ""
