"""The report in a browser: every section, nothing asked of a server, two widths, the keyboard, a thousand trials."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hico_platform.report.page import render
from tests.reported import many_trials
from tests.unit.report.test_page import SECTIONS
from tests.unit.report.test_retrain_plots import TABLE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

CHROMIUM = os.environ.get("HICO_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DRAWN = "[...document.querySelectorAll('[data-plot]')].filter(one => !one.dataset.drawn).map(one => one.id)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path: install one, or name it in HICO_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a thousand trials with a retraining."""
    final = dataclasses.replace(TABLE, figures=())
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(dataclasses.replace(many_trials(1000), finals=[final])))
    return path


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of 60 trials, for what does not depend on their number."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(dataclasses.replace(many_trials(60), finals=[dataclasses.replace(TABLE, figures=())])))
    return path


def opened(browser: Browser, file: Path, *, width: int = 1440, scheme: str = "light") -> tuple[Page, list[str]]:
    """The page, and whatever it complained of or asked for from elsewhere."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.set_default_timeout(60_000)  # a busy machine may take long; nothing is asserted on time
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else said.append(request.url),
    )
    page.goto(file.as_uri())
    return page, said


def draw_all(page: Page) -> None:
    """Scrolls to each plot until it is drawn."""
    for _ in range(600):
        left = page.evaluate(DRAWN)
        if not left:
            return
        page.evaluate("id => document.getElementById(id).scrollIntoView({behavior: 'instant'})", left[0])
        page.wait_for_timeout(100)
    raise AssertionError(f"not drawn: {left}")


@pytest.mark.parametrize(("width", "scheme", "trials"), [(1440, "light", 1000), (390, "dark", 60)])
def test_every_section_is_drawn_and_no_server_is_asked(
    browser: Browser, file: Path, smaller: Path, width: int, scheme: str, trials: int
) -> None:
    file = file if trials == 1000 else smaller
    page, said = opened(browser, file, width=width, scheme=scheme)
    for section in SECTIONS:
        assert page.locator(f"h2#{section}").count() == 1
    draw_all(page)
    assert page.locator(".js-plotly-plot").count() == page.locator("[data-plot]").count() >= 18
    assert page.get_by_text("WebGL is not supported").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "no scrolling sideways"
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert said == []
    page.close()


def test_the_theme_is_chosen_by_the_reader(browser: Browser, smaller: Path) -> None:
    page, said = opened(browser, smaller)
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(back)
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(back) != light
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark", "it is kept"
    assert said == []
    page.close()


def test_the_keyboard_skips_sorts_and_finds(browser: Browser, file: Path) -> None:
    page, said = opened(browser, file)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    rows = page.locator("#trial-table tbody tr:visible")
    assert rows.count() == 100
    assert page.locator("[data-filter] output").inner_text().startswith("100 of 1,000 trials")
    scores = [trial.value for trial in many_trials(1000).trials if trial.value is not None]
    for direction, expected in (("descending", max(scores)), ("ascending", min(scores))):
        page.locator("#trial-table th:nth-child(4) button").focus()
        page.keyboard.press("Enter")
        assert page.locator("#trial-table th:nth-child(4)").get_attribute("aria-sort") == direction
        assert rows.first.locator("td").nth(3).inner_text() == f"{100 * expected:.1f} ± 1.5"
    page.locator("[data-filter] input[type=search]").fill("failed")
    assert rows.count() == 20
    page.locator("[data-filter] input[type=search]").fill("")
    page.locator("[data-filter] .more").click()
    assert rows.count() == 1000
    assert said == []
    page.close()


def test_plots_change_their_axis_and_lead_to_trials(browser: Browser, smaller: Path) -> None:
    page, said = opened(browser, smaller)
    draw_all(page)
    title = page.locator("#plot-history .xtitle")
    assert title.text_content() == "epochs trained, all trials together"
    page.locator("[data-controls=history] label", has_text="trials").click()
    assert title.text_content() == "trials ended"
    page.locator("[data-controls=pairs] select").first.select_option(label="encoder")
    assert page.locator("#plot-pairs .xtitle").text_content() == "encoder"
    page.locator("[data-controls=parallel] input[type=range]").fill("10")
    assert page.locator("[data-controls=parallel] output").inner_text() == "10 of 59 trials"
    page.locator("[data-controls=parallel] button").click()
    page.locator("#plot-parallel").scroll_into_view_if_needed()
    box = page.locator("#plot-parallel .nsewdrag").bounding_box()
    assert box is not None
    place = box["x"] + box["width"] * 0.5 / 8  # the first of eight axes
    page.mouse.move(place, box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(place, box["y"] + 0.95 * box["height"], steps=5)
    page.mouse.up()
    page.locator("[data-controls=parallel] button", has_text="Show all lines").wait_for(state="visible")
    left = int(page.locator("[data-controls=parallel] output").inner_text().split()[0])
    assert 0 < left < 59, "those that pass the part of the axis along which it was dragged"
    page.goto(f"{smaller.as_uri()}#trial-30")
    page.locator("#trial-30").wait_for(state="visible")
    assert said == []
    page.close()


def test_on_paper_it_is_whole_and_light(browser: Browser, smaller: Path, tmp_path: Path) -> None:
    page, said = opened(browser, smaller, scheme="dark")
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert page.evaluate(DRAWN) == [], "plots that were never in view too"
    assert said == []
    page.close()


def test_two_searches_are_side_by_side(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "both.html"
    file.write_text(render(many_trials(60, name="one"), many_trials(60, name="other", seed=1)))
    page, said = opened(browser, file, width=390)
    assert page.locator("h1#side").inner_text() == "2 searches side by side"
    draw_all(page)
    assert page.locator("#plot-side-history .legendtext").all_text_contents() == ["one", "other"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert said == []
    page.close()
