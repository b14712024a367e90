"""A dataset of the size of NTU RGB+D 120 through `data prepare`: files a second, memory, a kill, the digest.

    python benchmarks/data_ntu120.py --files DIR [--count 114000] [--workers 2] [--scratch DIR]

``--files`` holds some .skeleton files (``hico-platform data synth --write-skeleton DIR`` makes some), which are hard
linked under as many names of NTU RGB+D 120 as are wanted. The command is killed (SIGKILL, the whole process group) when
it has read two fifths, and run again. A last import with one worker says whether the store depends on the workers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from data_import import SAMPLE_EVERY_S, children, peak_mib

CHUNK = 32
ACTIONS, CAMERAS, REPETITIONS, SUBJECTS = 120, 3, 2, 106


def link(files: list[Path], folder: Path, count: int) -> None:
    folder.mkdir()
    for i in range(count):
        rest, action = divmod(i, ACTIONS)
        rest, camera = divmod(rest, CAMERAS)
        rest, repetition = divmod(rest, REPETITIONS)
        setup, subject = divmod(rest, SUBJECTS)
        numbers = (setup + 1, camera + 1, subject + 1, repetition + 1, action + 1)
        name = "".join(f"{letter}{number:03d}" for letter, number in zip("SCPRA", numbers, strict=True))
        os.link(files[i % len(files)], folder / f"{name}.skeleton")


def start(raw: Path, out: Path, workers: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "hico_platform", "data", "prepare", "--format", "ntu120", "--raw", str(raw)]
    words += ["--out", str(out), "--workers", str(workers), "--json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)


def watch(process: subprocess.Popen[str]) -> tuple[float, float, float]:
    """Seconds, and the peak MiB of the driver and of its largest child."""
    began_s, driver, worker = time.monotonic(), 0.0, 0.0
    while process.poll() is None:
        driver = max(driver, peak_mib(process.pid))
        worker = max([worker, *map(peak_mib, children(process.pid))])
        time.sleep(10 * SAMPLE_EVERY_S)
    return time.monotonic() - began_s, driver, worker


def digest_of(store: Path) -> str:
    return str(json.loads((store / "store.json").read_text())["digest"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--count", type=int, default=114_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    files = sorted(arguments.files.rglob("*.skeleton"))
    count, workers = arguments.count, arguments.workers
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        raw, out, again = (Path(scratch) / name for name in ("raw", "out", "again"))
        link(files, raw, count)
        killed, began_s = start(raw, out, workers), time.monotonic()
        chunks = Path(scratch) / ".out.importing"
        while len(list(chunks.glob("chunk-*.arrow"))) * CHUNK < 0.4 * count:
            if killed.poll() is not None:
                raise SystemExit("the import ended before it was killed")
            time.sleep(0.2)
        os.killpg(killed.pid, signal.SIGKILL)
        print(f"killed after {time.monotonic() - began_s:.0f} s; nothing at its name: {not out.exists()}", flush=True)
        resumed = start(raw, out, workers)
        wall_s, driver, worker = watch(resumed)
        report = json.loads(resumed.communicate()[0])
        left = count - report["resumed_items"]
        print(f"resumed: kept {report['kept']}, of which {report['resumed_items']} were read before; {wall_s:.0f} s")
        print(
            f"peak MiB: driver {driver:.0f}, worker {worker:.0f}; {left / wall_s:.0f} files/s, writing all", flush=True
        )
        for number in (workers, 1):
            wall_s, driver, worker = watch(start(raw, again, number))
            print(f"{number} workers, not interrupted: {wall_s:.0f} s, {count / wall_s:.0f} files/s, "
                  f"driver {driver:.0f} MiB, worker {worker:.0f} MiB, "
                  f"digest {'the same' if digest_of(again) == digest_of(out) else 'ANOTHER'}", flush=True)  # fmt: skip
            shutil.rmtree(again)


if __name__ == "__main__":
    main()
