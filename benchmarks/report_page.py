"""How large a report of many trials is, and how fast a browser opens it.

    python benchmarks/report_page.py --trials 1000

A page is open when it answers: the document is read, its script has run, and two frames have been drawn. Each run is a
new browser window without a cache; the median is printed, with the processor time of the window's process, which
other work on the machine lengthens less. Drawing all plots, which happens as they come into view, is timed apart.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.report.page import render
from tests.reported import many_trials

FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
LEFT = "[...document.querySelectorAll('[data-plot]')].filter(one => !one.dataset.drawn).map(one => one.id)"


def renderers_s() -> float:
    """Processor seconds of all of this browser's windows so far."""
    found = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "--type=renderer" in process.cmdline():
                found += process.cpu_times().user + process.cpu_times().system
    return found


def main() -> int:
    """Prints one line for each number of trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[12, 1000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=flags)
        for trials in arguments.trials:
            content = many_trials(trials)
            began_s = time.perf_counter()
            page = render(content)
            rendered_s = time.perf_counter() - began_s
            file = Path(folder) / f"{trials}.html"
            file.write_text(page)
            opened, busy, drawn = [], [], []
            for _ in range(arguments.runs):
                window = browser.new_page(viewport={"width": 1440, "height": 900})
                before_s = renderers_s()
                window.goto(file.as_uri(), timeout=0)
                opened.append(float(window.evaluate(FRAMES)) / 1000)
                busy.append(renderers_s() - before_s)
                began_s = time.perf_counter()
                while left := window.evaluate(LEFT):
                    window.evaluate("id => document.getElementById(id).scrollIntoView({behavior: 'instant'})", left[0])
                    window.wait_for_timeout(5)
                drawn.append(time.perf_counter() - began_s)
                window.close()
            print(
                f"{trials} trials: {len(page.encode()) / 1e6:.2f} MB, rendered in {rendered_s:.2f} s, "
                f"open after {statistics.median(opened):.2f} s ({statistics.median(busy):.2f} s of processor time), "
                f"all plots drawn {statistics.median(drawn):.2f} s later"
            )
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
