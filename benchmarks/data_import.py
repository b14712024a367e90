"""Importing many recordings: peak memory against their number, and throughput against workers.

    python benchmarks/data_import.py --files DIR [--counts 2000,20000] [--workers 1,2] [--scratch DIR]

``--files`` holds some NTU .skeleton files (``hico-platform data synth --write-skeleton DIR`` makes some). They are
linked under as many names as are wanted, so the disk holds them once. Wanted: memory flat in the number of files,
under 1 GiB a worker, and throughput that scales with workers up to the cores there are. The time that the driver itself
is at work a file says how many workers it can keep busy, whatever else the machine does meanwhile.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
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


def cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Measured:
    wall_s: float
    driver_mib: float
    worker_mib: float
    """The largest worker's."""
    driver_cpu_s: float
    worker_cpu_s: float
    """Of all workers together."""


def measure(raw: Path, out: Path, workers: int) -> Measured:
    driver = multiprocessing.get_context("spawn").Process(target=run, args=(raw, out, workers))
    start = time.monotonic()
    driver.start()
    driver_mib = worker_mib = driver_cpu_s = 0.0
    workers_cpu_s: dict[int, float] = {}
    while driver.is_alive() and driver.pid is not None:
        driver_mib = max(driver_mib, peak_mib(driver.pid))
        driver_cpu_s = max(driver_cpu_s, cpu_s(driver.pid))
        for child in children(driver.pid):
            worker_mib = max(worker_mib, peak_mib(child))
            workers_cpu_s[child] = max(workers_cpu_s.get(child, 0.0), cpu_s(child))
        time.sleep(SAMPLE_EVERY_S)
    if driver.exitcode:
        raise SystemExit("the import failed")
    return Measured(
        wall_s=time.monotonic() - start,
        driver_mib=driver_mib,
        worker_mib=worker_mib,
        driver_cpu_s=driver_cpu_s,
        worker_cpu_s=sum(workers_cpu_s.values()),
    )


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
    print("  files  workers  files/s  driver MiB  worker MiB  driver CPU ms/file  worker CPU ms/file", flush=True)
    found: dict[tuple[int, int], Measured] = {}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        for count in counts:
            raw = Path(scratch) / f"raw-{count}"
            link(files, raw, count)
            for number in workers:
                out = Path(scratch) / "out"
                found[count, number] = said = measure(raw, out, number)
                shutil.rmtree(out)
                print(
                    f"{count:>7}  {number:>7}  {count / said.wall_s:>7.0f}  {said.driver_mib:>10.0f}  "
                    f"{said.worker_mib:>10.0f}  {1e3 * said.driver_cpu_s / count:>18.2f}  "
                    f"{1e3 * said.worker_cpu_s / count:>18.2f}",
                    flush=True,
                )
    few, many, least, most = min(counts), max(counts), min(workers), max(workers)
    for who in ("driver", "worker") if most > 1 else ("driver",):
        ratio = getattr(found[many, most], f"{who}_mib") / getattr(found[few, most], f"{who}_mib")
        print(f"peak memory of a {who}, {many} files against {few}: {ratio:.2f} times")
    print(
        f"throughput, {most} workers against {least}: {found[many, least].wall_s / found[many, most].wall_s:.2f} times"
    )
    if most > 1:
        busy = found[many, most].worker_cpu_s / found[many, most].driver_cpu_s
        print(f"a driver has work for {busy:.0f} workers")


if __name__ == "__main__":
    main()
