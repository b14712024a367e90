"""What pretraining gains on the embedded dataset: the demo's best configuration over 3 seeds, on the test split.

Claim: test 1-NN of the best configuration, retrained for the demo's budget, is at least 10 points above the
untrained encoder's and above raw-pose 1-NN. About 12 minutes on 2 cores after the demo's search.

    python benchmarks/embedded_gain.py [--home .demo]

Uses the search level_weights of that home (make demo leaves it there), and searches first where there is none.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

NAME = "level_weights"
MARGIN = 0.10


def command(*words: str, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hico_platform", *words, "--home", str(home)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".demo"))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    if not (arguments.home / "study.db").exists():
        command("search", "--space", f"{NAME}.yaml", home=arguments.home)
    report = json.loads(command("retrain", NAME, "--seeds", str(arguments.seeds), "--json", home=arguments.home))
    scores = {entry: spreads["knn_top1"] for entry, spreads in report["summary"].items()}
    for entry, score in scores.items():
        deviation = "" if score["std"] is None else f" ± {score['std']:.1%}"
        print(f"{entry:<12} test 1-NN {score['mean']:.1%}{deviation}  ({score['seeds']} seeds)")
    gains = {entry: scores["best"]["mean"] - scores[entry]["mean"] for entry in ("untrained", "raw pose")}
    for entry, gain in gains.items():
        print(f"best above {entry:<10} {gain * 100:+.1f} points (bar: {MARGIN * 100:.0f})")
    return 0 if all(gain >= MARGIN for gain in gains.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
