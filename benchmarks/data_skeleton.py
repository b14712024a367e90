"""Reading and normalising ``.skeleton`` files on one core, beside the released converter.

    python benchmarks/data_skeleton.py --files DIR [--released DIR] [--count 100]

``--files`` holds .skeleton files (``hico-platform data synth --write-skeleton DIR`` makes some); ``--released`` is
the folder that holds ``data_gen`` of a checkout of the released HiCo code, which is not part of this repository.
Both read the same files and their results are compared before the ratio is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from pathlib import Path

import numpy as np

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import normalise
from hico_platform.data.sequence import nan_where_zero
from hico_platform.data.skeleton_file import BodyOrder, read_skeleton

MOST_FRAMES = 300


def ours(files: list[Path]) -> list[np.ndarray]:
    recorded = (read_skeleton(file, bodies=BodyOrder.RELEASED).pose for file in files)
    return [normalise(nan_where_zero(pose.astype(np.float32)), KINECT_V2).pose for pose in recorded]


def released(files: list[Path]) -> np.ndarray:
    from data_gen.ntu_gendata import read_xyz  # type: ignore[import-not-found]
    from data_gen.preprocess import pre_normalization  # type: ignore[import-not-found]

    padded = np.zeros((len(files), 3, MOST_FRAMES, 25, 2), np.float32)
    for i, file in enumerate(files):
        pose = read_xyz(str(file))
        padded[i, :, : pose.shape[1]] = pose
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return np.asarray(pre_normalization(padded))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--released", type=Path)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    files = sorted(arguments.files.rglob("*.skeleton"))[: arguments.count]
    ours(files)  # so that the page cache is warm for both
    start = time.process_time()
    poses = ours(files)
    ours_s = (time.process_time() - start) / len(files)
    frames = sum(map(len, poses)) / len(files)
    print(f"{len(files)} files of {frames:.0f} frames: {ours_s * 1e3:.1f} ms a file, {1 / ours_s:.0f} files/s a core")
    if arguments.released is None:
        return
    sys.path.insert(0, str(arguments.released))
    start = time.process_time()
    theirs = released(files).transpose(0, 2, 4, 3, 1)  # (N, T, M, J, C)
    theirs_s = (time.process_time() - start) / len(files)
    furthest = max(
        float(np.abs(pose[:MOST_FRAMES] - padded[: len(pose), : pose.shape[1]]).max())
        for pose, padded in zip(poses, theirs, strict=True)
    )
    print(f"released: {theirs_s * 1e3:.1f} ms a file; results differ by at most {furthest:.1e} m")
    print(f"ratio: {theirs_s / ours_s:.1f} (wanted: at least 10)")


if __name__ == "__main__":
    main()
