"""What `status`, `report`, `show` and `list` take of a large search: processor time, memory, and the time on the wall.

    python benchmarks/scale_reading.py --trials 10000
    python benchmarks/scale_reading.py --trials 10000 --searches 50   # as many searches with so many trials in all

The studies are made up, row by row as a search leaves them: ASHA over 81 epochs, two parameters. Each command runs in a
process of its own, its start included; the least of three runs is printed. Processor time is what other work on the
machine lengthens least. `start` is `hico-platform --version`; `trials` is what a search reads at its end, `gc` and a
retraining at their start, and `by-optuna` the same as Optuna's objects, as it is where the tables are not those known.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import Connection, text

from hico_platform.enums import Decision
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import Ending, ReportRecord, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
from hico_platform.search.ledger.serialization import ending_to_plain, report_to_plain
from tests.toy import FACTS, score, toy_space

RUNGS = (3, 9, 27, 81)
EPOCH_S = 60.0
BEGAN_AT_S = 1.75e9
AT_ONCE = 16
CLI = Path(sys.executable).with_name("hico-platform")
READ = """
import sys
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage
ledger = StudyLedger.open(open_storage(sys.argv[1]), name="search-00", settle=False)
assert getattr(ledger, sys.argv[2])()
"""


def make_home(home: Path, *, searches: int, trials: int) -> HomePaths:
    """A home of finished searches with ``trials`` trials in all; the first is ``search-00``."""
    paths = HomePaths(home=home)
    home.mkdir(parents=True, exist_ok=True)
    storage = open_storage(paths.storage_url)
    each = trials // searches
    space = toy_space(trials=each, epochs=RUNGS[-1])
    for index in range(searches):
        name = f"search-{index:02d}"
        ledger = StudyLedger.create(storage, name=name, space=space, facts=FACTS, limit=each, at_s=BEGAN_AT_S)
        begun = ledger.begin(space, at_s=BEGAN_AT_S)
        study = storage.get_study_id_from_name(name)
        with storage.engine.begin() as connection:
            _fill(connection, study, count=each, config=begun.config)
    return paths


def _fill(connection: Connection, study: int, *, count: int, config: Any) -> None:
    """Makes the one trial of a study ``count`` trials that have ended."""
    first = connection.execute(text("SELECT trial_id FROM trials WHERE study_id = :study"), {"study": study}).scalar()
    kinds = dict(
        connection.execute(
            text("SELECT param_name, distribution_json FROM trial_params WHERE trial_id = :id"), {"id": first}
        ).all()
    )
    for table in ("trial_params", "trial_user_attributes"):
        connection.execute(text(f"DELETE FROM {table} WHERE trial_id = :id"), {"id": first})
    connection.execute(text("DELETE FROM trials WHERE trial_id = :id"), {"id": first})
    highest = connection.execute(text("SELECT COALESCE(MAX(trial_id), 0) FROM trials")).scalar() or 0
    draw = random.Random(study)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _INSERTS}
    for number in range(count):
        for table, row in _trial(highest + 1 + number, study, number, kinds=kinds, config=config, draw=draw):
            rows[table].append(row)
    for table, statement in _INSERTS.items():
        connection.execute(text(statement), rows[table])


_INSERTS = {
    "trials": "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete) "
    "VALUES (:trial_id, :number, :study_id, :state, '2026-01-01 00:00:00', '2026-01-01 00:10:00')",
    "trial_params": "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
    "VALUES (:trial_id, :name, :value, :kind)",
    "trial_values": "INSERT INTO trial_values (trial_id, objective, value, value_type) "
    "VALUES (:trial_id, 0, :value, 'FINITE')",
    "trial_intermediate_values": "INSERT INTO trial_intermediate_values "
    "(trial_id, step, intermediate_value, intermediate_value_type) VALUES (:trial_id, :step, :value, 'FINITE')",
    "trial_user_attributes": "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
    "VALUES (:trial_id, :key, :value)",
}


def _trial(
    trial_id: int, study: int, number: int, *, kinds: dict[str, str], config: Any, draw: random.Random
) -> Iterator[tuple[str, dict[str, Any]]]:
    temperature, encoder = draw.uniform(0.05, 0.5), draw.randrange(3)
    last = draw.choices(range(len(RUNGS)), weights=(27, 9, 3, 1))[0]
    complete = last == len(RUNGS) - 1
    began_at_s = BEGAN_AT_S + number // AT_ONCE * RUNGS[0] * EPOCH_S
    values = {"contrast.temperature": temperature, "model.encoder": ("gru", "lstm", "transformer")[encoder]}
    yield "trials", {
        "trial_id": trial_id, "number": number, "study_id": study, "state": "COMPLETE" if complete else "PRUNED",
    }  # fmt: skip
    for name, value in (("contrast.temperature", temperature), ("model.encoder", float(encoder))):
        yield "trial_params", {"trial_id": trial_id, "name": name, "value": value, "kind": kinds[name]}
    attributes: dict[str, Any] = {
        "trial": {"values": values, "origin": "sampler", "began_at_s": began_at_s, "config": config},
        "run": f"{study:04x}{number:028x}",
    }
    for epoch in RUNGS[: last + 1]:
        value = score(temperature, epoch) + draw.gauss(0, 0.01)
        before = RUNGS[RUNGS.index(epoch) - 1] if epoch != RUNGS[0] else 0
        report = ReportRecord(
            epoch=epoch,
            metrics={"knn_top1": value, "recall": value, "parameters": 1e6},
            history=tuple((one, {"loss": 5.0 / one, "sequences_per_s": 100.0}) for one in range(before + 1, epoch + 1)),
            checkpoint=Path(f"{number:04d}/epoch-{epoch:06d}"),
            value=value,
            decision=Decision.CONTINUE if epoch < RUNGS[last] or complete else Decision.STOP,
            at_s=began_at_s + epoch * EPOCH_S,
            measures=(value,),
            standard_errors={"knn_top1": 0.01},
            standard_error=0.01,
            machine="gpu-1",
        )
        attributes[f"report:{epoch}"] = report_to_plain(report)
        yield "trial_intermediate_values", {"trial_id": trial_id, "step": epoch, "value": value}
    yield "trial_values", {"trial_id": trial_id, "value": value}
    state = TrialState.COMPLETE if complete else TrialState.PRUNED
    ending = Ending(
        state=state, epoch=RUNGS[last], at_s=began_at_s + RUNGS[last] * EPOCH_S + 5.0,
        metrics={"knn_top1": value, "recognition_top1": value}, checkpoint=f"{number:04d}/epoch-{RUNGS[last]:06d}",
    )  # fmt: skip
    attributes["ending"] = ending_to_plain(ending)
    for key, plain in attributes.items():
        yield "trial_user_attributes", {"trial_id": trial_id, "key": key, "value": json.dumps(plain)}


def measured(*command: str) -> tuple[float, float, float]:
    """Processor seconds, wall seconds and the most MiB of memory of one run of a command."""
    began_s = time.perf_counter()
    child = os.posix_spawn(command[0], command, dict(os.environ), file_actions=_QUIET)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - began_s, usage.ru_maxrss / 1024


_QUIET = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]


def main() -> int:
    """Prints one line for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--searches", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=["start", "list", "status", "show", "report", "trials"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hico-scale-") as folder:
        home = Path(folder) / "home"
        paths = make_home(home, searches=arguments.searches, trials=arguments.trials)
        megabytes = sum(file.stat().st_size for file in home.glob("study.db*")) / 1e6
        print(f"{arguments.trials} trials in {arguments.searches} searches: study.db {megabytes:.0f} MB")
        commands = {
            "list": ["list"],
            "status": ["status", "search-00"],
            "show": ["show", "search-00"],
            "report": ["report", "search-00", "--out", f"{folder}/report.html", "--force"],
        }
        whole = {name: [str(CLI), *words, "--home", str(home)] for name, words in commands.items()}
        whole["start"] = [str(CLI), "--version"]
        for name, method in (("trials", "trials"), ("by-optuna", "_trials_by_optuna")):
            whole[name] = [sys.executable, "-c", READ, paths.storage_url, method]
        for name in arguments.only:
            runs = [measured(*whole[name]) for _ in range(arguments.runs)]
            cpu_s, wall_s, mib = (min(run[index] for run in runs) for index in range(3))
            print(f"{name:9} {cpu_s:6.2f} s of processor, {wall_s:6.2f} s on the wall, {mib:5.0f} MiB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
