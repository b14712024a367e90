"""How the formats are normalised where the user does not say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.data.normalise import Normalisation
from hico_platform.data.readers import FORMATS, ReadOptions
from hico_platform.errors import UsageError

COMPARED = {"ntu60", "ntu120", "pku-mmd-1", "pku-mmd-2", "pyskl", "ctrgcn", "hico", "stgcn"}
"""Formats of datasets with published results, which are of released normalisation."""


@pytest.mark.parametrize("name", FORMATS)
def test_published_datasets_are_normalised_as_released_and_others_about_the_vertical(name: str) -> None:
    assert FORMATS[name].normalisation is (Normalisation.RELEASED if name in COMPARED else Normalisation.YAW)


def test_what_is_normalised_already_is_normalised_in_no_other_way(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"normalisation: expected one of the formats ntu60, .* beside it"):
        FORMATS["hico"](tmp_path, ReadOptions(normalisation=Normalisation.YAW))
