"""Feeds the readers what makes them take new paths: guided by coverage, through libFuzzer (``pip install atheris``).

    python -m tests.fuzz.fuzz_coverage --reader NAME [--minutes 10]

One file of a sound dataset is replaced by what the fuzzer makes up, starting from the sound one. Each must be read or
refused with the declared error. libFuzzer ends at the first that is not, and writes it to ``crash-*``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["hico_platform.data", "pickletools", "csv"]):
    from hico_platform.data.normalise import normalise
    from hico_platform.data.readers import FORMATS, ReadOptions
    from hico_platform.data.sequence import Sequence
    from hico_platform.errors import ConfigError, DataError, UsageError

import numpy as np

from tests.fuzz.fuzz_readers import FORMAT_OF, MAKERS, OPTIONS

MOST_BYTES = 16_384
MOST_MIB = 4096


class Target:
    """A dataset on disk of which one file at a time is replaced."""

    def __init__(self, reader: str, folder: Path) -> None:
        self._reader = reader
        self._format, self._options = FORMATS[FORMAT_OF.get(reader, reader)], OPTIONS.get(reader, ReadOptions())
        self._raw = MAKERS[reader](folder, np.random.default_rng(1))
        self._members: dict[str, bytes] = {}
        if reader == "ctrgcn":  # what is in the archive, for few changes to the whole get past its checksums
            with zipfile.ZipFile(self._raw) as archive:
                self._members = {name: archive.read(name) for name in archive.namelist()}
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        self._sound = {path: path.read_bytes() for path in files}
        self._victims: list[Path | str] = [*files, *self._members]

    def seeds(self) -> list[bytes]:
        """What the fuzzer starts from: the number of a victim, and its sound content."""
        contents = [*self._sound.values(), *self._members.values()]
        return [bytes([i]) + content for i, content in enumerate(contents)]

    def run(self, data: bytes) -> None:
        """Replace, read, put back."""
        if not data:
            return
        victim, content = self._victims[data[0] % len(self._victims)], data[1:]
        if isinstance(victim, str):
            with zipfile.ZipFile(self._raw, "w") as archive:
                for name, sound in self._members.items():
                    archive.writestr(name, content if name == victim else sound)
        else:
            victim.write_bytes(content)
        try:
            self._read()
        finally:
            place = self._raw if isinstance(victim, str) else victim
            place.write_bytes(self._sound[place])

    def _read(self) -> None:
        try:
            source = self._format(self._raw, self._options)
            plan = source.plan()
        except (DataError, UsageError, ConfigError) as error:
            str(error)
            return
        for problem in plan.problems:
            str(problem)
        for item in plan.items:
            try:
                for found in source.read(item):
                    if isinstance(found, Sequence):
                        normalise(found.pose, source.layout)
                    else:
                        str(found)
            except (DataError, OSError) as error:  # as an import has it: one such item is skipped
                str(error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", choices=sorted(MAKERS), required=True)
    parser.add_argument("--minutes", type=float, default=10)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="fuzz-coverage-") as scratch:
        raw, corpus = Path(scratch) / "raw", Path(scratch) / "corpus"
        raw.mkdir()
        corpus.mkdir()
        target = Target(arguments.reader, raw)
        for i, seed in enumerate(target.seeds()):
            (corpus / f"seed-{i}").write_bytes(seed)
        limits = [
            f"-max_total_time={round(60 * arguments.minutes)}", f"-max_len={MOST_BYTES}", f"-rss_limit_mb={MOST_MIB}",
            "-timeout=20", "-verbosity=0", "-print_final_stats=1",
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *limits, str(corpus)], target.run)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
