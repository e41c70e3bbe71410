"""A newcomer's path in a real browser, over a loop that really ran: from the landing page to one
failure understood and one correction approved, with every click counted."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from sentinel_pipeline.review.database import Database, database_url
from sentinel_pipeline.review.queue import open_card
from sentinel_pipeline.review.review_queue import ReviewQueue, User
from sentinel_pipeline.review.schema import cards
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.e2e.conftest import SENTINEL, Loop, environment, sentinel
from sentinel_pipeline_tests.e2e.test_dagster_ui import FLAGS
from sentinel_pipeline_tests.web.server import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

CLICKS = 6
"""What the tutorial promises."""


@pytest.fixture
def landing(loop: Loop) -> Iterator[str]:
    """``sentinel ui`` over what the run left, stopped as Ctrl-C stops it."""
    names = ("port", "front-port", "review-port", "chat-port")
    ports = {name: free_port() for name in names}
    server = subprocess.Popen(
        [SENTINEL, "ui", *(f"--{name}={number}" for name, number in ports.items())],
        env=environment(loop.home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    for name in ("front-port", "review-port"):
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{ports[name]}/healthz", timeout=2)
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.3)
    yield f"http://127.0.0.1:{ports['front-port']}/"
    server.send_signal(signal.SIGINT)
    server.wait(timeout=60)


class Newcomer:
    """Somebody who only clicks, and types into what has the focus; takes a picture of each step."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0
        self.pictures = 0

    def click(self, target: Locator) -> None:
        target.click()
        self.clicks += 1

    def back(self) -> None:
        self.page.go_back()
        self.clicks += 1

    def picture(self, name: str) -> None:
        keep = os.environ.get("SENTINEL_SCREENSHOTS")
        self.pictures += 1
        path = ROOT / "docs" / "images" / f"newcomer-{self.pictures}-{name}.png"
        picture = self.page.screenshot(path=path if keep else None)
        assert picture.startswith(b"\x89PNG") and len(picture) > 20_000


def test_a_newcomer_understands_a_failure_and_approves_a_correction_in_six_clicks(
    chromium: str, landing: str, loop: Loop
) -> None:
    from playwright.sync_api import sync_playwright

    token = sentinel(loop.home, "review", "user", "add", "ann", "--role", "lead").out.split()[-1]
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page: Any = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        ann = Newcomer(page)

        page.goto(landing)
        page.locator("article.result .suite table").first.wait_for()
        ann.picture("landing")

        ann.click(page.locator("#door-review"))
        page.locator("#token:focus").wait_for()
        page.keyboard.type(token)
        ann.click(page.get_by_role("button", name="Log in"))
        page.wait_for_selector("body:not(.busy) #shown:not([hidden])")
        name = page.locator("#name").inner_text()
        reason = page.locator("#reason").inner_text()
        assert reason, "the card says why the answer failed"
        ann.picture("card")

        # What was asked, what is right, what is checked, and what every model said instead.
        ann.click(page.get_by_role("link", name="every model's answer"))
        right = page.locator("section", has=page.get_by_role("heading", name="A right answer"))
        correction = right.last.locator(".text").text_content()
        assert correction
        assert page.get_by_role("heading", name="What is checked").count() == 1
        assert page.locator(".answers .chip.bad").count() >= 1
        assert reason in page.locator(".answers .reason").all_inner_texts(), (
            "the failure that waits is among the answers, with the same reason"
        )
        ann.picture("failure")

        ann.back()
        page.wait_for_selector("body:not(.busy) #shown:not([hidden])")
        assert page.locator("#name").inner_text() == name, "the card waited"
        ann.click(page.locator("#correction"))
        page.keyboard.insert_text(correction)
        ann.click(page.get_by_role("button", name="Approve"))
        page.get_by_text("approved · U takes it back").wait_for()
        assert page.locator("#recent li").count() == 1
        ann.picture("approved")
        browser.close()

    assert errors == []
    assert ann.clicks <= CLICKS
    desk = ReviewQueue(db=Database(database_url(loop.home.review)))
    with desk.db.reading() as connection:
        approved = connection.execute(
            select(cards.c.id).where(cards.c.status == "approved")
        ).scalars()
        (card_id,) = approved
    card = open_card(desk, User("ann", "lead"), card_id)
    assert (card.correction, card.decided_by) == (correction, "ann")
