from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.tracking.base import TrackingRefused
from hico_platform.tracking.check import check_tracking
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.tracking.search_labels import RUN_NOTE


class Refusing(MemoryTracker):
    def check(self, experiment: str) -> None:
        raise TrackingRefused("HTTP 401: no", remedy="give a password")


class Hanging(MemoryTracker):
    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def check(self, experiment: str) -> None:
        self.goes_on.wait(60)


def test_a_store_that_refuses_is_said_before_work_begins() -> None:
    with pytest.raises(UsageError) as raised:
        check_tracking(Refusing(), "toy")
    assert str(raised.value) == (
        "--tracking: expected a tracking store that takes what is written, got 'memory, which refuses: "
        "HTTP 401: no'; give a password"
    )


def test_a_store_that_is_away_or_slow_or_there_is_no_mistake() -> None:
    tracker = MemoryTracker()
    check_tracking(tracker, "toy")
    tracker.away = True
    check_tracking(tracker, "toy")
    hanging = Hanging()
    check_tracking(hanging, "toy", patience_s=0.01)
    hanging.goes_on.set()


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [("sqlite:mlflow.db", 2, "a tracking store that can be read"), ("http://127.0.0.1:9", 1, "try again when it is")],
)
def test_the_pages_of_a_store_that_refuses_or_is_away_end_in_a_line(
    address: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ui", "--tracking", address, "--port", "59731"]) == code
    shown = capsys.readouterr().err
    assert shown.startswith("error: --tracking: expected a tracking store that")
    assert words in shown
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        "note toy seen",
        "tag toy paper",
        "archive toy",
        "gc toy --keep best=1 --yes",
        "delete toy --yes",
        "rename toy new",
    ],
)
def test_a_store_whose_file_is_gone_is_not_made_anew(
    words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = StudyLedger.open(open_storage(HomePaths(home=home).storage_url), name="toy", settle=False)
    ledger.set_note(RUN_NOTE, "run-1")  # it was tracked
    assert main([*words.split(), "--home", str(home)]) == 0
    assert not (home / "mlflow.db").exists()
    warned = "mlflow.db is not there" in capsys.readouterr().err
    assert warned == words.startswith(("note", "tag", "archive", "gc"))
