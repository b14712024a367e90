"""Importing many recordings: peak memory against their number, and throughput against workers.

    python benchmarks/data_import.py --files DIR [--counts 2000,20000] [--workers 1,2] [--scratch DIR]

``--files`` holds some NTU .skeleton files (``hico-platform data synth --write-skeleton DIR`` makes some). They are
linked under as many names as are wanted, so the disk holds them once. Wanted: memory flat in the number of files,
under 1 GiB a worker, and throughput that scales with workers up to the cores there are.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path

from hico_platform.data.importing import import_dataset

SAMPLE_EVERY_S = 0.05


def link(files: list[Path], folder: Path, count: int) -> None:
    folder.mkdir()
    for i in range(count):
        numbers = (i // 60000 + 1, i // 20000 % 3 + 1, i // 200 % 100 + 1, i // 50 % 4 + 1, i % 50 + 1)
        name = "".join(f"{letter}{number:03d}" for letter, number in zip("SCPRA", numbers, strict=True))
        os.symlink(files[i % len(files)].absolute(), folder / f"{name}.skeleton")


def run(raw: Path, out: Path, workers: int) -> None:
    import_dataset(raw, out, format_name="ntu60", workers=workers)


def peak_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


def children(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in found]


def measure(raw: Path, out: Path, workers: int) -> tuple[float, float, float]:
    """Seconds, the driver's peak and the largest worker's peak in MiB."""
    driver = multiprocessing.get_context("spawn").Process(target=run, args=(raw, out, workers))
    start = time.monotonic()
    driver.start()
    driver_mib = worker_mib = 0.0
    while driver.is_alive() and driver.pid is not None:
        driver_mib = max(driver_mib, peak_mib(driver.pid))
        worker_mib = max([worker_mib, *map(peak_mib, children(driver.pid))])
        time.sleep(SAMPLE_EVERY_S)
    if driver.exitcode:
        raise SystemExit("the import failed")
    return time.monotonic() - start, driver_mib, worker_mib


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--counts", default="2000,20000")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    files = sorted(arguments.files.rglob("*.skeleton"))
    counts = [int(text) for text in arguments.counts.split(",")]
    workers = [int(text) for text in arguments.workers.split(",")]
    print("  files  workers  files/s  driver MiB  worker MiB")
    rates: dict[tuple[int, int], float] = {}
    peaks: dict[tuple[int, int], float] = {}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        for count in counts:
            raw = Path(scratch) / f"raw-{count}"
            link(files, raw, count)
            for number in workers:
                out = Path(scratch) / "out"
                seconds, driver_mib, worker_mib = measure(raw, out, number)
                shutil.rmtree(out)
                rates[count, number], peaks[count, number] = count / seconds, max(driver_mib, worker_mib)
                print(f"{count:>7}  {number:>7}  {count / seconds:>7.0f}  {driver_mib:>10.0f}  {worker_mib:>10.0f}")
    few, many, most = min(counts), max(counts), max(workers)
    print(f"peak memory, {many} files against {few}: {peaks[many, most] / peaks[few, most]:.2f} times")
    print(
        f"throughput, {most} workers against {min(workers)}: {rates[many, most] / rates[many, min(workers)]:.2f} times"
    )


if __name__ == "__main__":
    main()
