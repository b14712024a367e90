"""Poses and files of them, for the tests of formats that hold a whole dataset in a file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from hico_platform.data.import_report import Report
from hico_platform.data.importing import import_dataset
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import normalise
from hico_platform.data.sequence import nan_where_zero
from hico_platform.data.store import Store

NAMES = [f"S001C00{i % 3 + 1}P00{i % 4 + 1}R001A00{i % 5 + 1}" for i in range(12)]


def poses(count: int, bodies: int = 2, seed: int = 0) -> list[np.ndarray]:
    """(T, M, J, C), of one body every other time."""
    rng = np.random.default_rng(seed)
    found = [rng.standard_normal((5 + i, bodies, 25, 3)).astype(np.float32) for i in range(count)]
    for pose in found[1::2]:
        pose[:, 1:] = 0
    return found


def prepare(raw: Path, out: Path, format_name: str, **options: Any) -> tuple[Store, Report]:
    report = import_dataset(raw, out, format_name=format_name, **options)
    return Store.open(out), report


def make_hico(folder: Path, *, num_frames: bool, labels: Any = None) -> list[np.ndarray]:
    """A released pair: normalised, repeated to 300 frames."""
    folder.mkdir(parents=True)
    valid = [normalise(nan_where_zero(pose), KINECT_V2).pose for pose in poses(12)]
    for part, chosen in (("train", range(8)), ("val", range(8, 12))):
        data = np.zeros((len(chosen), 3, 300, 25, 2), np.float32)
        for row, i in zip(data, chosen, strict=True):
            padded = normalise(nan_where_zero(poses(12)[i]), KINECT_V2, num_frames=300).pose
            row[..., : padded.shape[1]] = padded.transpose(3, 0, 2, 1)
        np.save(folder / f"{part}_data_joint.npy", data)
        given = labels if labels is not None else [i % 5 for i in chosen]
        names = [f"{NAMES[i]}.skeleton" for i in chosen]
        (folder / f"{part}_label.pkl").write_bytes(pickle.dumps((names, given)))
        if num_frames:
            np.save(folder / f"{part}_num_frame.npy", np.array([len(valid[i]) for i in chosen]))
    return valid
