"""Write a generated dataset where the user wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hico_platform.data.store import Store
from hico_platform.data.store_writer import refuse_existing
from hico_platform.data.synth.presets import EMBEDDED, PRESETS
from hico_platform.data.synth.write import synthesise, write_skeleton_files
from hico_platform.errors import Problem, UsageError

Progress = Callable[[str, int, int], None]

PRESET_NAMES = tuple(PRESETS)
DEFAULT_PRESET = EMBEDDED.name


def synthesise_dataset(
    *, preset: str, seed: int, out: Path, skeleton_files: Path | None, progress: Progress | None
) -> Store:
    """Generate a preset as a store at ``out`` and, where wanted, as .skeleton files; neither may exist.

    Raises UsageError for a negative seed or two equal folders, DataError where a folder exists already.
    """
    if seed < 0:
        raise UsageError(Problem(field="seed", rule="at least 0", value=seed, remedy="give another"))
    if skeleton_files is not None:
        if skeleton_files.absolute() == out.absolute():
            raise UsageError(
                Problem(field="write-skeleton", rule="another folder than out", value=str(out),
                        remedy="give a folder of its own")
            )  # fmt: skip
        refuse_existing(skeleton_files)

    def progress_of(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    synthesise(out, preset=PRESETS[preset], seed=seed, progress=progress_of("generating"))
    if skeleton_files is not None:
        write_skeleton_files(
            skeleton_files, preset=PRESETS[preset], seed=seed, progress=progress_of("writing .skeleton files")
        )
    return Store.open(out)
