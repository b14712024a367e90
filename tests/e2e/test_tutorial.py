"""The tutorial's commands, run as they stand on a small budget: what they print is worded as on the page.

Numbers vary and so does luck (which trials are stopped, whether the model is a champion), so a line of the page is
looked for by its words: numbers and states are left out, and of lists that depend on the data only the heading counts.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import outputs

pytestmark = pytest.mark.e2e

SMALL = {
    "--out embedded": "--out embedded --preset tiny",
    "--trials 4": "--trials 3",
    "--set budget.epochs=15": "--set budget.epochs=2 --set budget.batch_size=8 --set scheduler.grace_epochs=1 "
    "--set transfer=target",
}
"""What makes a command of the page one for a test."""

HEADINGS = ("classes", "missing", "bodies", "subject", "camera", "frames", "repetition", "setup")
"""Lines whose values are names and counts of the data: of them the first word counts."""

GUESSES = re.compile(r"[a-z][a-z ]* \d[\d.]*%(?:, [a-z][a-z ]* \d[\d.]*%)+")
"""The classes of a recording, likeliest first: of a model that has learned next to nothing the order is luck."""

LUCK = re.compile(
    r"champion|challenger|beats|better|noise|register|warning|interval|training to the|loading|compiling"
    r"|that is shown|there is one"
)
"""What a page may say and a small budget not, or in other words: the verdict on a model, phases that took seconds, and
lines that break elsewhere below a table of another width."""


def worded(output: str) -> set[str]:
    """The wordings of the lines of an output."""
    return {shape for line in output.splitlines() if (shape := _wording(line))}


def _wording(line: str) -> str:
    words = line.split()
    if not words or words == ["..."] or not re.search(r"\w", line):  # borders of tables are as wide as numbers
        return ""
    if re.match(r"\s*\d\.\d{4}  ", line):
        return "a neighbour"
    if words[0].rstrip(":") in HEADINGS:
        return words[0].rstrip(":")
    plain = re.sub(r"\b[0-9a-f]{12,}\b", "0", GUESSES.sub("CLASSES", line))
    plain = re.sub(r"\b(tiny|embedded|transfer)\b", "DATA", plain)
    plain = re.sub(r"\b(stopped|complete|pruned|stop|continue)\b", "STATE", plain)
    plain = re.sub(r"[-+±(\[]?\d[\d,.:/±%]*[)\]]?", "0", plain)
    plain = re.sub(r"[*+▁▂▃▄▅▆▇█·-]+(?=\s|$)", "", plain)
    words = [word for word in plain.split() if word not in {"0", "s", "min", "h"}]
    return " ".join(words[:4])


def test_the_commands_print_what_the_page_says(tmp_path: Path) -> None:
    page = outputs.PAGE.read_text("utf-8")
    outputs.run("hico-platform data synth --preset tiny --seed 1 --out target", folder=tmp_path)
    lacking: dict[str, set[str]] = {}
    shown = 0
    for command, expected in outputs.commands(page):
        for whole, small in SMALL.items():
            command = command.replace(whole, small)  # noqa: PLW2901
        printed = outputs.run(command, folder=tmp_path)
        shown += bool(expected)
        missing = {line for line in worded(expected) - worded(printed) if not LUCK.search(line)}
        if missing:
            lacking[f"{command}\n{printed}"] = missing
    [example] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=outputs.environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split()[:1] == ["finished"], ran.stderr
    assert "kinect-v2 512" in ran.stdout
    assert not lacking, "\n\n".join(f"{command}\nlacks {lines}" for command, lines in lacking.items())
    assert shown > 6
