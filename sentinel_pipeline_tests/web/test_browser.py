"""The page in a real browser, by people who only have keys: two at once, drafts, undo, checks,
themes, hostile text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sentinel_pipeline.review.blind import add_batch, calibration
from sentinel_pipeline.review.cards import Card, read_card
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import User
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.review.material import ADD_ONE, GOOD, SEED_RECORD, record, write_lines
from sentinel_pipeline_tests.web.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
HOSTILE = "<img src=x onerror=alert(1)><script>document.title='owned'</script>\x1b[31m \u202eevil\u202c \x00\ud800"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    write_lines(tmp_path / "a.tasks.jsonl", [ADD_ONE.to_json()])
    hostile = record(
        2,
        model_response=HOSTILE,
        failure_reason=HOSTILE,
        task_name=HOSTILE,
        prompt_messages=[{"role": "user", "content": HOSTILE}],
        annotator=HOSTILE,
    )
    rows = [
        SEED_RECORD,
        record(1),
        hostile,
        record(3, model_response="word " * 1_000_000, task_name="Long"),
    ]
    import_file(server.desk, write_lines(tmp_path / "a.jsonl", rows), actor="import")
    yield server.start()
    server.kill()


class Person:
    """A browser of one's own; every message of its console and every request to another place is
    remembered."""

    def __init__(self, browser: Any, server: Server, name: str, **options: Any) -> None:
        self.server, self.name = server, name
        self.context: BrowserContext = browser.new_context(
            viewport={"width": 1440, "height": 900}, **options
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))

        def note_foreign(request: Any) -> None:
            if not request.url.startswith((server.address, "data:")):
                self.foreign.append(request.url)

        self.page.on("request", note_foreign)
        self.page.goto(server.address)
        self.page.wait_for_function("document.activeElement?.id === 'token'")
        self.page.keyboard.type(server.user(name, "lead"))
        self.page.keyboard.press("Enter")
        self.shown()

    def shown(self) -> str:
        self.page.wait_for_selector("body:not(.busy) #shown:not([hidden])")
        return self.page.locator("#name").inner_text()

    def wait_for(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def card(self, card_id: str) -> Card:
        with self.server.desk.db.reading() as connection:
            return read_card(connection, self.server.desk, card_id, User(self.name, "lead"))

    def shoot(self, name: str) -> None:
        keep = os.environ.get("SENTINEL_SCREENSHOTS")
        picture = self.page.screenshot(
            path=ROOT / "docs" / "images" / f"{name}.png" if keep else None
        )
        assert picture.startswith(b"\x89PNG") and len(picture) > 20_000

    def done(self) -> None:
        assert (self.errors, self.foreign) == ([], [])
        self.context.close()


SEED_ID = str(SEED_RECORD["id"])


def test_the_seeds_record_is_corrected_checked_approved_and_undone_with_keys_alone(
    browser: Any, server: Server
) -> None:
    ann = Person(browser, server, "ann")
    keys = ann.page.keyboard
    assert ann.shown() == SEED_RECORD["task_name"]
    assert ann.page.locator("#score").get_attribute("class") == "score red"
    keys.press("c")
    keys.press("Escape")
    keys.press("a")
    ann.wait_for("Not approved: tests_pass: assertion")
    assert ann.card(SEED_ID).status == "needs_review"
    keys.press("e")
    keys.press("Control+a")
    keys.insert_text(GOOD)
    ann.wait_for("1 added, 1 removed")
    keys.press("Escape")
    keys.press("t")
    ann.wait_for("passes its tests")
    ann.shoot("review-checked")
    keys.press("Control+Enter")
    ann.wait_for("approved · U takes it back")
    card = ann.card(SEED_ID)
    assert (card.status, card.correction, card.checked, card.decided_by) == (
        "approved",
        GOOD,
        "tests",
        "ann",
    )
    keys.press("u")
    ann.wait_for("Taken back.")
    assert ann.page.locator("#correction").input_value() == GOOD
    assert ann.card(SEED_ID).status == "needs_review"
    ann.done()


def test_two_people_see_two_cards_and_the_slower_one_keeps_the_draft(
    browser: Any, server: Server
) -> None:
    ann, bob = Person(browser, server, "ann"), Person(browser, server, "bob")
    prompts = [one.page.locator("#turns").inner_text() for one in (ann, bob)]
    assert "add_one" in prompts[0] and "Say the number 1" in prompts[1]
    bob.page.keyboard.press("j")
    bob.page.keyboard.type(SEED_ID)
    bob.page.keyboard.press("Enter")
    bob.wait_for("ann has this card now")
    ann.page.keyboard.press("d")
    ann.wait_for("discarded · U takes it back")
    assert ann.card(SEED_ID).decided_by == "ann"
    ann.done()
    bob.done()


def test_a_draft_survives_a_reload_and_a_killed_server(browser: Any, server: Server) -> None:
    ann = Person(browser, server, "ann")
    ann.page.keyboard.press("e")
    ann.page.keyboard.insert_text("half a thought")
    ann.wait_for("draft saved")
    server.kill()
    server.start()
    ann.page.reload()
    ann.shown()
    assert ann.page.locator("#correction").input_value() == "half a thought"
    ann.page.keyboard.press("2")
    ann.shown()
    assert ann.page.locator("#correction").input_value() == "half a thought"
    ann.done()


def test_a_card_or_a_place_asked_for_while_the_page_is_still_busy_is_opened_afterwards(
    browser: Any, server: Server
) -> None:
    ann = Person(browser, server, "ann")

    def slowly(route: Any) -> None:
        ann.page.wait_for_timeout(1500)
        route.continue_()

    ann.page.route("**/api/next", slowly)
    ann.page.keyboard.press("s")
    ann.page.wait_for_selector("body.busy")
    ann.page.keyboard.press("j")
    ann.page.keyboard.type("card-000003")
    ann.page.keyboard.press("Enter")
    ann.wait_for("all of it")
    assert ann.shown() == "Long"
    ann.page.keyboard.press("s")
    ann.page.wait_for_selector("body.busy")
    ann.page.keyboard.press("3")
    ann.page.wait_for_selector(
        "body:not(.busy)[class~=on-done], body:not(.busy) #empty:not([hidden])"
    )
    ann.done()


def test_hostile_text_is_text_and_hidden_characters_are_named(browser: Any, server: Server) -> None:
    ann = Person(browser, server, "ann")
    ann.page.keyboard.press("j")
    ann.page.keyboard.type("card-000002")
    ann.page.keyboard.press("Enter")
    ann.page.locator("#response").get_by_text("onerror=alert(1)").wait_for()
    assert (
        ann.page.locator(
            "#response img, #response script, #reason img, #turns script, #extra img, #extra script"
        ).count()
        == 0
    )
    for place in ("#response", "#extra dd"):
        marks = ann.page.locator(f"{place} .hidden-char").all_inner_texts()
        assert marks == ["ESC", "RLO", "PDF", "NUL", "U+D800"]
    assert ann.page.locator("#extra dt").all_inner_texts() == ["annotator"]
    assert "owned" not in ann.page.title().split(" ")
    ann.page.goto(f"{server.address}/summary")
    ann.wait_for("All runs")
    ann.shoot("review-summary")
    ann.done()


def test_five_megabytes_open_quickly_and_whole_text_is_a_link(browser: Any, server: Server) -> None:
    ann = Person(browser, server, "ann")
    ann.page.keyboard.press("j")
    ann.page.keyboard.type("card-000003")
    ann.page.keyboard.press("Enter")
    ann.wait_for("all of it")
    assert len(ann.page.locator("#response").inner_text()) <= 60_000
    ann.page.keyboard.press("c")
    ann.wait_for("The response is too long to start from.")
    ann.done()


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_light_and_dark_follow_the_browser_and_the_button(
    browser: Any, server: Server, scheme: str, dark: bool
) -> None:
    ann = Person(browser, server, "ann", color_scheme=scheme)

    def is_dark() -> bool:
        colour = ann.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour[4:-1].split(",")) < 300

    assert is_dark() is dark
    ann.shoot(f"review-{scheme}")
    ann.page.locator("#theme").click()
    assert is_dark() is not dark
    ann.page.reload()
    ann.shown()
    assert is_dark() is not dark
    ann.done()


def test_every_control_has_a_name_for_screen_readers(browser: Any, server: Server) -> None:
    ann = Person(browser, server, "ann")
    unnamed = ann.page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, textarea, dialog')].filter((node) =>
            !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length)).map((node) => node.outerHTML)"""
    )
    assert unnamed == []
    ann.done()


def test_a_narrow_window_scrolls_in_one_direction_only(browser: Any, server: Server) -> None:
    ann = Person(browser, server, "ann")
    ann.page.set_viewport_size({"width": 390, "height": 844})
    assert ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ann.shoot("review-narrow")
    ann.done()


def test_blind_labels_by_keys(browser: Any, server: Server, tmp_path: Path) -> None:
    rows = [
        {
            "id": f"i{n}",
            "prompt_messages": [{"role": "user", "content": "Say it."}],
            "response": f"said {n}",
            "judge": "good",
        }
        for n in range(2)
    ]
    add_batch(server.desk, write_lines(tmp_path / "blind.jsonl", rows), name="trial")
    ann = Person(browser, server, "ann")
    ann.page.goto(f"{server.address}/blind/trial")
    ann.wait_for("1 of 2")
    assert "good" not in ann.page.locator("#response, #turns").all_inner_texts()
    ann.page.keyboard.press("1")
    ann.wait_for("2 of 2")
    ann.page.keyboard.press("2")
    ann.wait_for("You have labelled everything here.")
    found = calibration(server.desk, "trial")
    assert found.labelled == {"ann": 2} and found.against_judge["ann"].agreed == 0.5
    ann.done()
