"""The runs behind docs/results.md, kept in the repository: a page that took hours is added to, not begun again."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

from benchmarks.results_page import SHOWN
from hico_platform.atomic_io import write_whole

KEPT = Path(__file__).with_name("results.tar.xz")


def keep(folder: Path, *, file: Path = KEPT) -> None:
    """Packs the runs and the winners of the searches of a folder: what the page and further runs need of them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for part, brief in (("runs", _brief_run), ("searches", _brief_search)):
            for source in sorted((folder / part).glob("*.json")):
                content = json.dumps(brief(json.loads(source.read_text()))).encode()
                entry = tarfile.TarInfo(f"{part}/{source.name}")
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
    write_whole(file, lzma.compress(packed.getvalue(), preset=9))


def take(folder: Path, *, file: Path = KEPT) -> None:
    """Unpacks what was kept and the folder lacks."""
    if file.exists():
        with tarfile.open(file) as archive:
            missing = [entry for entry in archive.getmembers() if not (folder / entry.name).exists()]
            archive.extractall(folder, members=missing, filter="data")


def _brief_run(run: dict[str, Any]) -> dict[str, Any]:
    """The run with the parts of sequences in the scores that are compared alone."""
    scores = {name: _brief_score(score, compared=name in SHOWN) for name, score in run["scores"].items()}
    return {**run, "scores": scores}


def _brief_score(score: dict[str, Any], *, compared: bool) -> dict[str, Any]:
    parts = score["per_sequence"]
    return {"value": score["value"], "per_sequence": [round(part, 6) for part in parts] if compared else None}


def _brief_search(said: dict[str, Any]) -> dict[str, Any]:
    """What ``results.searched`` reads of it; the rest names folders of a machine."""
    return {"best": {"value": said["best"]["value"], "values": said["best"]["values"]}}
