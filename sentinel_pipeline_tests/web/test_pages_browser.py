"""Every page in a real browser: light and dark, no wider than a phone, no fault that axe knows, no
error in the console, no request to another place."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.compare_text import comparison_page
from sentinel_pipeline.chat.guard import SWITCH
from sentinel_pipeline.pages.report import report_page
from sentinel_pipeline.review.database import Database, database_url
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import ReviewQueue
from sentinel_pipeline.review.users import add_user
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.review.material import SEED_RECORD, record, write_lines
from sentinel_pipeline_tests.web.server import free_port
from sentinel_pipeline_tests.web.test_browser import FLAGS
from sentinel_pipeline_tests.web.test_data import ROWS
from sentinel_pipeline_tests.web.test_samples import sample, write
from sentinel_pipeline_tests.web.test_training import train

pytestmark = pytest.mark.browser
FRONT = (
    "/", "/training", "/training/tiny", "/samples/tiny", "/samples/tiny/heldout/1", "/data/tiny",
    "/data/tiny/row/a1", "/comparison/tiny", "/digest/2026-01-02",
)  # fmt: skip
REVIEW = ("/", "/summary", "/people", "/blind", "/gap", "/trail")
WEIGHT = 300_000
"""Bytes of a page with all that it loads."""
LOADED = "performance.getEntries().reduce((sum, entry) => sum + (entry.encodedBodySize || 0), 0)"


class Site:
    """The landing page's server, review and chat over one home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.ports = {name: free_port() for name in ("front", "review", "chat")}
        self.children: list[subprocess.Popen[bytes]] = []
        self.token = add_user(ReviewQueue(db=Database(database_url(home.review))), "ann", "lead")

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def start(self) -> None:
        links = [f"--{name}={self.address(name)}" for name in ("review", "chat")]
        links.append("--dagster=http://127.0.0.1:9")
        modules = {"front": links, "review": [], "chat": []}
        names = {"front": "web.front", "review": "web", "chat": "web.chat"}
        env = {
            **os.environ,
            "SENTINEL_HOME": str(self.home.root),
            "SENTINEL_FRONT": self.address("front"),
            SWITCH: "0",
        }
        for name, options in modules.items():
            module = f"sentinel_pipeline.{names[name]}"
            command = [sys.executable, "-m", module, f"--port={self.ports[name]}", *options]
            self.children.append(subprocess.Popen(command, cwd=ROOT, env=env))

    def wait(self, page: Any) -> None:
        for name in self.ports:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"{self.address(name)}/healthz", timeout=5)
                    break
                except OSError:
                    page.wait_for_timeout(200)

    def stop(self) -> None:
        for child in self.children:
            child.kill()
            child.wait(timeout=60)


@pytest.fixture
def site(home: Home, tmp_path: Path) -> Iterator[Site]:
    write(home, "base", [sample(str(place), "fail") for place in range(60)])
    write(home, "sft", [sample(str(place), "pass" if place % 3 else "fail") for place in range(60)])
    for run in ("run-1", "run-2"):
        train(home, "sft", run)
    store = Store(home, "tiny", "r", "r")
    with store.writing("raw_candidates", recipe_hash="-", seed=1) as out:
        out.table("candidates.parquet", ROWS, "candidates")
    with store.writing("comparison", recipe_hash="-", seed=1) as out:
        out.text("comparison.html", comparison_page("tiny: base → sft", []))
    home.digests.mkdir(parents=True)
    (home.digests / "2026-01-02.md").write_text(
        "# Night of 2026-01-02\n\nNothing needs a person.\n"
    )
    site = Site(home)
    queue = ReviewQueue(db=Database(database_url(home.review)))
    import_file(queue, write_lines(tmp_path / "a.jsonl", [SEED_RECORD, record(1)]), actor="import")
    site.start()
    yield site
    site.stop()


def test_every_page_is_readable_light_dark_and_narrow_and_has_no_fault_that_axe_knows(
    chromium: str, site: Site
) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": 1440, "height": 900}, color_scheme=scheme, bypass_csp=True
            )
            page = context.new_page()
            page.set_default_timeout(180_000)
            site.wait(page)
            page.on("pageerror", lambda error: faults.append(str(error)))
            own = (*(site.address(name) for name in site.ports), "data:")

            def note_foreign(request: Any, own: tuple[str, ...] = own) -> None:
                if not request.url.startswith(own):
                    faults.append(request.url)

            page.on("request", note_foreign)

            def look(address: str, page: Any = page, scheme: str = scheme) -> None:
                page.set_viewport_size({"width": 1440, "height": 900})
                page.goto(address)
                page.wait_for_load_state("load")
                # A card's heading comes with the card.
                page.locator("h1:visible").first.wait_for()
                weight = page.evaluate(LOADED)
                if weight > WEIGHT:
                    faults.append(f"{address}: {weight} bytes")
                found = Axe().run(page)
                faults.extend(
                    f"{address} {scheme}: {fault['id']}: {fault['nodes'][0]['html'][:160]}"
                    for fault in found.response["violations"]
                )
                page.set_viewport_size({"width": 390, "height": 844})
                if page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
                    faults.append(f"{address}: wider than a phone")

            for path in FRONT:
                look(site.address("front") + path)
            look(site.address("review") + "/login")
            page.set_viewport_size({"width": 1440, "height": 900})
            page.goto(site.address("review") + "/login")
            page.fill("#token", site.token)
            page.keyboard.press("Enter")
            page.wait_for_url("**/")
            for path in REVIEW:
                look(site.address("review") + path)
            page.set_viewport_size({"width": 1440, "height": 900})
            page.goto(site.address("review") + "/")
            page.locator("#shown:visible").wait_for()
            page.evaluate("document.body.classList.add('busy')")
            page.wait_for_timeout(300)
            faults.extend(
                f"a busy card {scheme}: {fault['id']}: {fault['nodes'][0]['html'][:160]}"
                for fault in Axe().run(page).response["violations"]
            )
            look(site.address("chat") + "/")
            if page.locator("#ask").count() != 1:
                faults.append("one login opens review and chat")
            for name in ("review", "chat"):
                page.goto(site.address("front") + "/training")
                page.set_viewport_size({"width": 1440, "height": 900})
                page.click(f"header nav a[href='/go/{name}']")
                page.wait_for_url(site.address(name) + "/")
                page.click("header nav a >> text=Training")
                page.wait_for_url("**/training")
            context.close()
        browser.close()
    assert faults == [], "\n".join(faults)


def test_a_label_is_not_broken_in_a_table_that_is_wider_than_its_page(chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    style = "".join(
        (ROOT / "sentinel_pipeline" / "web" / "static" / f"{name}.css").read_text()
        for name in ("page", "front")
    )
    cells = "".join(f'<td class="value">{label}</td>' for label in ("executable_code", "long") * 4)
    table = f"<table><tr>{cells}<td class=excerpt>{'a prompt ' * 40}</td></tr></table>"
    lines = """() => [...document.querySelectorAll("td.value")].map((cell) => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return new Set([...range.getClientRects()].map((box) => box.top)).size;
    })"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page: Any = browser.new_page(viewport={"width": 900, "height": 600})
        page.set_content(f"<style>{style}</style><main><div class=wide>{table}</div></main>")
        assert page.evaluate(lines) == [1] * 8
        browser.close()


def test_the_one_file_report_opens_from_disk(chromium: str, home: Home, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    write(home, "base", [sample(str(place), "fail") for place in range(9)])
    write(home, "sft", [sample(str(place), "pass" if place % 3 else "fail") for place in range(9)])
    train(home, "sft", "run-1")
    path = tmp_path / "report.html"
    path.write_text(report_page(home, "tiny"))
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for scheme in ("light", "dark"):
            context = browser.new_context(color_scheme=scheme, bypass_csp=True)
            page = context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.goto(path.as_uri())
            assert page.locator("svg.chart").count() >= 5
            assert Axe().run(page).response["violations"] == []
            page.set_viewport_size({"width": 390, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            context.close()
        browser.close()
    assert set(asked) == {path.as_uri()}
