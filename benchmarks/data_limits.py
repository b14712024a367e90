"""What the largest recordings that are let in cost: peak memory of a process that imports one.

    python benchmarks/data_limits.py [--scratch DIR]

Wanted: under 1 GiB each, driver and worker in one process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from hico_platform.data.importing import import_dataset

MIB = 2**20
BODY = "1 0 0 0 0 0 0 0 0 2\n25\n" + "1 1 1 0 0 0 0 0 0 0 0 2\n" * 25


def skeleton(raw: Path) -> str:
    """A .skeleton file of 16 MiB."""
    frame = f"1\n{BODY}"
    frames = 16 * MIB // len(frame) - 1
    (raw / "S001C001P001R001A001.skeleton").write_text(f"{frames}\n" + frame * frames)
    return "ntu60"


def video(raw: Path) -> str:
    """A PKU-MMD video of 24 MiB, cut nine times whole."""
    row = "1 " * 149 + "1\n"
    frames = 24 * MIB // len(row) - 1
    for folder, text in (("skeleton", row * frames), ("label", f"1,1,{frames},2\n" * 9)):
        (raw / folder).mkdir()
        (raw / folder / "0002-L.txt").write_text(text)
    return "pku-mmd-1"


def array(raw: Path) -> str:
    """An array of 20 million coordinates of four bodies, float64."""
    np.save(raw / "a.npy", np.random.default_rng(0).standard_normal((66_000, 4, 25, 3)))
    (raw / "manifest.csv").write_text("path,label\na.npy,0\n")
    return "manifest"


def run(raw: Path, out: Path, format_name: str, pipe: Connection) -> None:
    report = import_dataset(raw, out, format_name=format_name, strict=True)
    pipe.send((report.kept, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    makers: tuple[Callable[[Path], str], ...] = (skeleton, video, array)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        for make in makers:
            raw = Path(scratch) / make.__name__
            raw.mkdir()
            format_name = make(raw)
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=run, args=(raw, Path(scratch) / f"{make.__name__}-out", format_name, theirs)
            )
            process.start()
            kept, peak_mib = ours.recv()
            process.join()
            print(f"{make.__name__}: {kept} kept, peak {peak_mib:.0f} MiB (wanted: under 1024)", flush=True)


if __name__ == "__main__":
    main()
