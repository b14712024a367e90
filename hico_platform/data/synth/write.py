"""Writes a generated dataset: as a normalised store, and as NTU ``.skeleton`` files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hico_platform.atomic_io import make_unique_folder
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.sequence import Sequence
from hico_platform.data.skeleton_file import SUFFIX, write_skeleton
from hico_platform.data.store_writer import StoreWriter, refuse_existing
from hico_platform.data.synth.generate import generate
from hico_platform.data.synth.presets import Preset

PROTOCOLS = {
    "xsub": {"train": {"subject": "odd"}},
    "xview": {"train": {"camera": [2, 3]}},
    "xset": {"train": {"setup": "even"}},
}

Progress = Callable[[int, int], None]


def synthesise(directory: Path, *, preset: Preset, seed: int, progress: Progress | None = None) -> None:
    """Generates a preset into a new normalised store; ``progress(done, total)`` counts sequences.

    Raises DataError if ``directory`` exists.
    """
    with StoreWriter(
        directory,
        dataset=preset.name,
        layout=KINECT_V2,
        class_names=[action.name for action in preset.actions],
        provenance={"generator": "synth", "preset": preset.name, "seed": seed},
        normalisation=Normalisation.RELEASED,
        protocols=PROTOCOLS,
    ) as writer:
        for done, raw in enumerate(generate(preset, seed=seed), start=1):
            pose = normalise(raw.pose, KINECT_V2).pose
            writer.add(Sequence(name=raw.name, label=raw.label, pose=pose, metadata=raw.metadata))
            if progress is not None:
                progress(done, len(preset))


def write_skeleton_files(directory: Path, *, preset: Preset, seed: int, progress: Progress | None = None) -> None:
    """Writes a preset as raw NTU recordings, one file a sequence; ``progress(done, total)`` counts files.

    A lost joint has zero coordinates and tracking state 0. The folder is written atomically. Raises DataError if
    ``directory`` exists.
    """
    refuse_existing(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = make_unique_folder(directory.parent, prefix=f".{directory.name}.partial-")
    try:
        for done, raw in enumerate(generate(preset, seed=seed), start=1):
            write_skeleton(partial / f"{raw.name}{SUFFIX}", np.nan_to_num(raw.pose))
            if progress is not None:
                progress(done, len(preset))
        refuse_existing(directory)
        partial.rename(directory)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
