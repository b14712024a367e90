"""The documentation's site: built strictly, and every page read in a browser, narrow and light, wide and dark."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
BROWSERS = [path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ
        | {"NO_MKDOCS_2_WARNING": "1", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr  # a broken link or anchor is one of the reasons
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_page_is_built(site: Path) -> None:
    pages = {str(page.relative_to(site)) for page in site.rglob("*.html")}
    assert {"index.html", "tutorial.html", "faq.html", "decisions/index.html", "changelog.html"} <= pages
    assert {f"reference/commands/{name}.html" for name in ("search", "data-prepare", "retrain")} <= pages
    assert (site / "reference" / "layouts" / "coco.png").stat().st_size > 10_000
    assert not list(site.rglob("*.py")), "code that makes pages is no page"


@pytest.mark.skipif(not BROWSERS, reason="there is no Chromium")
@pytest.mark.parametrize(
    ("width", "scheme", "shown", "every"), [(390, "light", "default", 1), (1440, "dark", "slate", 8)]
)
def test_pages_load_without_an_error_or_a_request_to_elsewhere(
    site: Path, address: str, width: int, scheme: str, shown: str, every: int
) -> None:
    """All of them narrow, and each eighth wide."""
    from playwright.sync_api import sync_playwright

    errors: list[str] = []
    elsewhere: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSERS[0], args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        page.on("console", lambda said: errors.append(f"{page.url}: {said.text}") if said.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        page.on(
            "request",
            lambda one: None if one.url.startswith((address, "data:", "blob:")) else elsewhere.append(one.url),
        )
        wide = []
        files = sorted(file for file in site.rglob("*.html") if file.name != "404.html")  # made for a server's root
        for file in files[::every]:
            page.goto(f"{address}/{file.relative_to(site)}")
            assert page.locator("h1").first.inner_text().strip("¶# "), file
            if page.evaluate("document.scrollingElement.scrollWidth") > width:
                wide.append(str(file.relative_to(site)))
        assert page.locator("body").get_attribute("data-md-color-scheme") == shown
        page.goto(f"{address}/index.html")
        page.keyboard.press("s")  # the search field
        page.keyboard.type("temperature", delay=20)
        page.locator(".md-search-result__item").first.wait_for()
        browser.close()
    assert (errors, elsewhere, wide) == ([], [], [])
