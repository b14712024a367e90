"""Readers, one file a format; adding a format is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hico_platform.data.readers import ctrgcn, hico, manifest, ntu, pku_mmd, pyskl
from hico_platform.data.readers._base import Item, Plan, ReadOptions, Source

FORMATS: dict[str, Callable[[Path, ReadOptions], Source]] = {
    "ntu60": ntu.open_ntu60,
    "ntu120": ntu.open_ntu120,
    "pku-mmd-1": pku_mmd.open_part_1,
    "pku-mmd-2": pku_mmd.open_part_2,
    "pyskl": pyskl.open_source,
    "ctrgcn": ctrgcn.open_source,
    "hico": hico.open_source,
    "manifest": manifest.open_source,
}

__all__ = ["FORMATS", "Item", "Plan", "ReadOptions", "Source"]
