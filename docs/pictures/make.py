"""The pictures of the README: the live table of a real search in a terminal, and its report in a browser.

    python docs/pictures/make.py --home .demo [--only terminal report]        (make pictures)

``--home`` holds a search ``level_weights`` that ended and was retrained, as ``make demo`` leaves it. The terminal's
picture is of a search of its own, in a home that is thrown away, interrupted when some trials have ended. Needs tmux
and Chromium, and takes three minutes on 2 cores. Nothing is drawn by hand: who changes a page runs this again.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
COMMAND = Path(sys.executable).with_name("hico-platform")
COLUMNS, LINES = 110, 26
WIDTHS = {"report": 1280, "report-narrow": 390}
HEIGHT = 1500


@contextmanager
def terminal(words: list[str], *, session: str = "hico-pictures") -> Iterator[str]:
    """A command in a terminal of its own, which is ended with it."""
    line = " ".join(map(str, words))
    subprocess.run(["tmux", "new-session", "-d", "-s", session, "-x", str(COLUMNS), "-y", str(LINES), line], check=True)
    try:
        yield session
    finally:
        subprocess.run(["tmux", "send-keys", "-t", session, "C-c"], check=False)
        time.sleep(5)
        subprocess.run(["tmux", "kill-session", "-t", session], check=False, capture_output=True)


def screen(session: str) -> str:
    """What the terminal shows, with its colours."""
    shown = subprocess.run(["tmux", "capture-pane", "-e", "-p", "-t", session], check=True, stdout=subprocess.PIPE)
    return shown.stdout.decode().rstrip()


def ended(home: Path, name: str) -> int:
    """How many trials of a search have ended."""
    words = [COMMAND, "status", name, "--home", home, "--json"]
    said = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if said.returncode != 0:
        return 0
    counts = json.loads(said.stdout)["counts"]
    return sum(counts[state] for state in ("complete", "pruned", "failed"))


def draw_terminal(*, trials: int = 4, seconds: float = 600) -> None:
    """The live table of a search of the embedded dataset when some trials have ended."""
    with tempfile.TemporaryDirectory() as folder:
        home, name = Path(folder) / "home", "level_weights"
        with terminal([str(COMMAND), "search", "--space", name, "--home", str(home)]) as session:
            deadline = time.monotonic() + seconds
            while ended(home, name) < trials:
                if time.monotonic() > deadline:
                    raise SystemExit(f"expected {trials} trials to end within {seconds:.0f} s, got\n{screen(session)}")
                time.sleep(2)
            time.sleep(3)
            shown = screen(session).replace(str(home), "~/.hico")
    console = Console(record=True, width=COLUMNS, file=open("/dev/null", "w"), force_terminal=True)  # noqa: SIM115
    console.print(Text.from_ansi(shown + "\n "))  # the SVG cuts the last line's descenders
    picture = console.export_svg(title="hico-platform search --space level_weights.yaml")
    # Without the fonts that it would fetch: the system's own take their place.
    (HERE / "terminal.svg").write_text(re.sub(r"@font-face \{.*?\}\n?", "", picture, flags=re.DOTALL))


def draw_report(home: Path) -> None:
    """The top of the report, wide and narrow."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        page_file = Path(folder) / "report.html"
        words = [COMMAND, "report", "level_weights", "--home", home, "--out", page_file]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        with sync_playwright() as browsers:
            browser = browsers.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name, width in WIDTHS.items():
                page = browser.new_page(viewport={"width": width, "height": HEIGHT})
                page.set_default_timeout(180_000)
                page.goto(page_file.as_uri())
                page.wait_for_timeout(3000)
                page.screenshot(path=HERE / f"{name}.png")
            browser.close()


def main() -> None:
    """Draws what is asked for into the folder of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=("terminal", "report"), default=("terminal", "report"))
    arguments = parser.parse_args()
    if "terminal" in arguments.only:
        draw_terminal()
    if "report" in arguments.only:
        draw_report(arguments.home.resolve())


if __name__ == "__main__":
    main()
