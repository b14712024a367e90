"""Time not spent training in trials of a given length: start, reports, checkpoints, tracking, the next trial.

    python benchmarks/overhead.py --trials 3 --seconds 60

A toy trains 10 epochs of equal length and validates at each; one worker. The clock runs from the first trial's
beginning to the last one's end; what trials sleep is training.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.commands.search import run_search
from hico_platform.home import HomePaths
from hico_platform.search.events import Event, TrialBegan, TrialEnded
from hico_platform.search.execution import ClusterOptions
from hico_platform.search.start import SearchRequest
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from tests.toy import FACTS, toy_space, toy_trial

EPOCHS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    marks: list[tuple[str, float]] = []

    def note(event: Event) -> None:
        if isinstance(event, (TrialBegan, TrialEnded)):
            marks.append((type(event).__name__, time.monotonic()))

    with tempfile.TemporaryDirectory(prefix="hico-overhead-") as folder:
        paths = HomePaths(home=Path(folder))
        run_search(
            SearchRequest(
                name="toy",
                space=toy_space(
                    trials=arguments.trials,
                    epochs=EPOCHS,
                    scheduler={"name": "none", "report_every": 1},
                    resources={"cpus": 1, "max_concurrent": 1},
                ),
                facts=FACTS,
            ),
            paths=paths,
            function=functools.partial(toy_trial, epoch_s=arguments.seconds / EPOCHS),
            tracker=MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts),
            cluster=ClusterOptions(cpus=1),
            observers=[note],
        )
    training = arguments.trials * arguments.seconds
    whole = marks[-1][1] - marks[0][1]
    ends = [at for kind, at in marks if kind == "TrialEnded"]
    later = (ends[-1] - ends[0]) / (len(ends) - 1) - arguments.seconds if len(ends) > 1 else float("nan")
    print(f"{arguments.trials} trials of {arguments.seconds:g} s: {whole:.2f} s from first beginning to last end")
    print(f"not training: {100 * (whole - training) / whole:.2f} % (start of the first worker included)")
    print(f"not training, a trial after the first: {later:.3f} s, {100 * later / arguments.seconds:.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
