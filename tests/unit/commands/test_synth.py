from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.commands.synth import DEFAULT_PRESET, PRESET_NAMES, synthesise_dataset
from hico_platform.errors import DataError, UsageError


@pytest.mark.slow
def test_the_dataset_follows_from_preset_and_seed(tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    stores = [
        synthesise_dataset(
            preset="tiny",
            seed=seed,
            out=tmp_path / name,
            skeleton_files=tmp_path / "raw" if name == "a" else None,
            progress=lambda what, done, total: seen.update({what: (done, total)}),
        )
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    assert stores[0].digest == stores[1].digest != stores[2].digest
    assert seen == {"generating": (48, 48), "writing .skeleton files": (48, 48)}
    assert DEFAULT_PRESET in PRESET_NAMES


def test_nothing_is_made_where_the_request_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, raw in ((-1, None), (0, Path("out")), (0, tmp_path / "out")):
        with pytest.raises(UsageError):
            synthesise_dataset(preset="tiny", seed=seed, out=Path("out"), skeleton_files=raw, progress=None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "mine").touch()
    with pytest.raises(DataError):
        synthesise_dataset(preset="tiny", seed=0, out=tmp_path / "out", skeleton_files=tmp_path / "raw", progress=None)
    assert not (tmp_path / "out").exists()
