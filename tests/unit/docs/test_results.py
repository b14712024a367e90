"""The page of results: its numbers are those of the runs, and the README's are those of the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.kept_results import keep, take
from benchmarks.results_page import BEGIN, END, OTHERS, SHOWN, differences, read_runs, tables, write_page

ROOT = Path(__file__).resolve().parents[3]
PERSONS = [person for person in range(12) for _ in range(4)]
README_NAMES = {
    "embedded": "embedded",
    "MSR-Action3D": "msr",
    "UTKinect-Action3D": "utkinect",
    "SBU Kinect Interaction": "sbu",
    "WMFT": "wmft",
}


def run(entry: str, right: float, *, dataset: str = "msr", seed: int = 0, **different: str) -> dict[str, object]:
    """A run in which this share of each person's sequences is right."""
    parts = [1.0 if place < round(4 * right) else 0.0 for _ in range(12) for place in range(4)]
    score = {"value": float(np.mean(parts)), "per_sequence": parts}
    return {
        "dataset": dataset,
        "normalisation": "yaw",
        "entry": entry,
        "part": "test",
        "seed": seed,
        "seconds": 7.0,
        "train_sequences": 60,
        "persons": PERSONS,
        "scores": dict.fromkeys([*SHOWN, *OTHERS], score),
        **different,
    }


def runs_of(dataset: str) -> list[dict[str, object]]:
    poor = {"dataset": dataset}
    return [
        run("raw pose", 0.5, **poor),
        run("raw pose", 0.25, normalisation="centre", **poor),
        run("raw pose", 0.25, part="validation", **poor),
        run("raw pose", 0.5, part="validation", normalisation="centre", **poor),
        run("untrained", 0.25, **poor),
        run("small_data", 0.25, seed=0, **poor),
        run("small_data", 0.75, seed=1, **poor),
        run("champion", 1.0, **poor),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    for i, content in enumerate([*runs_of("msr"), *runs_of("wmft")]):
        (tmp_path / "runs" / f"{i:02d}.json").write_text(json.dumps(content))
    return tmp_path


def test_rows_hold_mean_and_deviation_over_seeds(folder: Path) -> None:
    text = tables(read_runs(folder))
    assert "| small_data | yaw | 2 | 50.0 ± 35.4 (" in text
    assert "60 sequences train, 48 of 12 persons test." in text


def test_validation_persons_pick_the_raw_poses(folder: Path) -> None:
    text = tables(read_runs(folder))
    assert "| raw pose, best in validation | centre | 1 | 25.0 (25.0 to 25.0)" in text
    assert "| raw pose | yaw | 1 | 50.0 (50.0 to 50.0)" in text
    assert "above raw pose, centre" in text
    assert "above raw pose, yaw" not in text


def test_difference_beyond_noise_is_bold(folder: Path) -> None:
    text = tables(read_runs(folder))
    assert "| champion above untrained | **+75.0 (+75.0 to +75.0)** |" in text
    assert re.search(r"\| small_data above untrained \| \+25\.0 \(", text)


def test_all_scores_of_the_quick_tasks_are_shown(folder: Path) -> None:
    text = tables(read_runs(folder))
    for title in [*SHOWN.values(), *OTHERS.values()]:
        assert f"| {title} " in text
    assert "| champion | yaw |" + " 100.0 |" * (len(OTHERS) - 1) + " 1.00 |" in text


def test_persons_of_all_recordings_are_counted_apart(folder: Path) -> None:
    assert "24 persons of 2 datasets test." in tables(read_runs(folder))


def test_difference_is_the_one_of_the_means() -> None:
    found = {(one.entry, one.baseline): one.tests["knn_top1"].difference for one in differences(runs_of("msr"))}
    assert found[("small_data", "raw pose, centre")] == pytest.approx(0.25)
    assert found[("champion", "raw pose, centre")] == pytest.approx(0.75)


def test_page_keeps_its_prose(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "results.md"
    (page.parent / "pictures").mkdir(parents=True)
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    write_page(page, runs=folder)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}after\n")
    assert "old" not in text
    assert (page.parent / "pictures" / "results.png").read_bytes().startswith(b"\x89PNG")


def test_kept_runs_give_the_same_page(folder: Path, tmp_path: Path) -> None:
    (folder / "searches").mkdir()
    said = {"home": str(tmp_path), "best": {"value": 0.7, "values": {"views.scale": 0.1}, "trial": 3}}
    (folder / "searches" / "msr-yaw.json").write_text(json.dumps(said))
    keep(folder, file=tmp_path / "kept.tar.xz")
    take(tmp_path / "again", file=tmp_path / "kept.tar.xz")
    assert tables(read_runs(tmp_path / "again")) == tables(read_runs(folder))
    kept = json.loads((tmp_path / "again" / "searches" / "msr-yaw.json").read_text())
    assert kept == {"best": {"value": 0.7, "values": {"views.scale": 0.1}}}


def test_runs_of_a_folder_go_before_kept_ones(folder: Path, tmp_path: Path) -> None:
    keep(folder, file=tmp_path / "kept.tar.xz")
    (folder / "runs" / "00.json").write_text("mine")
    take(folder, file=tmp_path / "kept.tar.xz")
    assert (folder / "runs" / "00.json").read_text() == "mine"


@pytest.mark.slow
def test_page_is_that_of_the_kept_runs(tmp_path: Path) -> None:
    take(tmp_path)
    page = (ROOT / "docs" / "results.md").read_text()
    assert page.split(BEGIN)[1].split(END)[0].strip() == tables(read_runs(tmp_path)).strip()


def test_readme_says_what_the_page_says() -> None:
    page = (ROOT / "docs" / "results.md").read_text()
    readme = (ROOT / "README.md").read_text()
    for title, name in README_NAMES.items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        raw = cells_of(section, "raw pose, best in validation")
        method = next(line.split("|")[2].strip() for line in section.splitlines() if line.startswith("| champion |"))
        untrained, champion = cells_of(section, "untrained", method), cells_of(section, "champion")
        expected = [value for triple in zip(raw, untrained, champion, strict=True) for value in triple]
        row = next(line for line in readme.splitlines() if line.startswith(f"| {title}, "))
        assert [cell.strip(" *") for cell in row.split("|")[2:-1]] == expected, f"README's row of {title}"


def test_readme_says_what_holds_over_all_recordings() -> None:
    section = (ROOT / "docs" / "results.md").read_text().split("\n## all recordings together\n")[1]
    found = re.search(r"\| champion above raw pose \|(.*)\|\n", section)
    assert found is not None
    one, two, three = (cell.strip(" *").replace("+", "").split(" ", 1) for cell in found[1].split("|"))
    said = (
        f"above raw poses by {one[0]} points of 1-NN (95 % interval {one[1][1:-1]}), "
        f"{two[0]} of the probe {two[1]} and {three[0]} of mAP {three[1]}"
    )
    assert said in " ".join((ROOT / "README.md").read_text().split())


def cells_of(section: str, entry: str, method: str | None = None) -> list[str]:
    """The three means of the first row of an entry."""
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and cells[0] == entry and method in (None, cells[1]):
            return [cell.split()[0] for cell in cells[3:6]]
    raise AssertionError(f"no row of {entry}")
