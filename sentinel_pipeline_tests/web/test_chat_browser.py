"""Chat and the landing page in a real browser: streaming, two side by side, stop, the label,
review, light and dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from sentinel_pipeline.chat.guard import SWITCH
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.worker.device import device_lock
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.web.chat_server import ChatServer
from sentinel_pipeline_tests.web.test_browser import FLAGS

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(90_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        yield page
        assert errors == []
        browser.close()


def shoot(page: Any, name: str) -> None:
    keep = os.environ.get("SENTINEL_SCREENSHOTS")
    assert (
        len(page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png" if keep else None))
        > 20_000
    )


def test_two_checkpoints_stand_side_by_side_are_stopped_labelled_and_sent_to_review(
    page: Any, home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("models")
    chat = ChatServer(home, folder, context=16_384, words=True)
    try:
        chat.start("--experimental", "tiny/sft", "tiny/dpo")
        page.goto(chat.address)
        page.locator("#token:focus").wait_for()
        page.keyboard.type(chat.token)
        page.keyboard.press("Enter")
        page.select_option("#model-b", "tiny/dpo")
        page.locator("#side-b .banner.experimental").get_by_text("EXPERIMENTAL").wait_for()
        assert page.locator("#side-a .banner").count() == 0
        page.fill("#tokens", "8192")
        page.fill("#temperature", "1")  # a greedy one may go round without a word's end
        page.fill("#text", "<img src=x onerror=alert(1)> list")
        for name in ("tiny/sft", "tiny/dpo"):  # loaded, so that both begin at once
            turn = {"role": "user", "content": "x"}
            fields = {"model": name, "messages": [turn], "max_tokens": 1}
            assert chat.api().post("/chat/completions", json=fields).status_code == 200
        page.keyboard.press("Control+Enter")
        for side in ("a", "b"):
            written = page.locator(f"#side-{side} .turn.assistant .text")
            written.wait_for()
            while (
                len(written.inner_text()) < 6
            ):  # the page's policy forbids a predicate that is evaluated there
                page.wait_for_timeout(100)
        notes = page.locator(".turn.assistant .note").all_inner_texts()
        assert page.locator("#stop").is_enabled() and page.locator("#send").is_disabled(), notes
        shoot(page, "chat-side-by-side")
        page.keyboard.press("Escape")
        page.get_by_text("stopped by you").nth(1).wait_for()
        assert page.locator(".turn.user .text img").count() == 0
        assert page.locator("#side-b .turn.assistant .mark").inner_text() == "EXPERIMENTAL"
        page.locator("#side-a .after input").fill("Nonsense.")
        page.locator("#side-a .after button").click()
        page.get_by_text("It waits in the review queue.").wait_for()
        page.click("#theme")
        shoot(page, "chat-other-theme")
        with device_lock(home.device_lock):
            page.reload()
            page.locator("#side-a .banner.closed").get_by_text("in use by process").wait_for()
            assert page.locator("#send").is_disabled()
            shoot(page, "chat-closed")
    finally:
        chat.stop()


def test_a_suggested_prompt_is_sent_with_enter_and_its_answer_checked(
    page: Any, home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bank = build(5, {"functions": 3}, {"functions": 2})
    with Store(home, "tiny", "run-1", "run-1").writing("task_bank", recipe_hash="-", seed=1) as out:
        out.table("suites/heldout.parquet", (task.to_row() for task in bank.heldout), "tasks")
    chat = ChatServer(home, tmp_path_factory.mktemp("models"))
    try:
        chat.start()
        page.goto(chat.address)
        page.locator("#token:focus").wait_for()
        page.keyboard.type(chat.token)
        page.keyboard.press("Enter")
        page.fill("#tokens", "6")
        page.locator(".try").first.click()
        page.get_by_text("cut at the limit").wait_for()
        page.get_by_text("Check this answer by its tests").click()
        page.locator(".checked .chip").get_by_text("fails its tests").wait_for()
        page.get_by_text("A right answer").click()
        page.fill("#text", "one")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("two")
        assert page.locator("#text").input_value() == "one\ntwo"
        page.keyboard.press("Enter")
        page.locator(".turn.user").nth(1).wait_for()
        assert page.locator("#text").input_value() == ""
        page.get_by_text("cut at the limit").nth(1).wait_for()
        assert page.get_by_text("Check this answer by its tests").count() == 0, (
            "what follows is not the task's prompt alone"
        )
    finally:
        chat.stop()


def test_the_landing_page_links_what_there_is(
    page: Any, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess
    import sys

    from sentinel_pipeline_tests.web.server import free_port

    home.digests.mkdir(parents=True)
    (home.digests / "2026-01-02.md").write_text(
        "# Night of 2026-01-02\n\nNothing needs a person.\n"
    )
    monkeypatch.setenv(SWITCH, "1")
    port = free_port()
    links = [f"--{name}=http://127.0.0.1:9" for name in ("dagster", "review", "chat")]
    command = [sys.executable, "-m", "sentinel_pipeline.web.front", f"--port={port}", *links]
    child = subprocess.Popen(command, cwd=ROOT)
    try:
        for _ in range(200):
            try:
                page.goto(f"http://127.0.0.1:{port}")
                break
            except Exception:
                assert child.poll() is None
                page.wait_for_timeout(300)
        for name in ("dagster", "review", "chat"):
            page.locator(f"#door-{name}").wait_for()
        page.get_by_text("Nothing needs a person.").wait_for()
        page.emulate_media(color_scheme="dark")
        page.get_by_text("Nothing needs a person.").wait_for()
        page.click("text=2026-01-02 >> nth=-1")
        page.wait_for_url("**/digest/2026-01-02")
        page.get_by_role("heading", name="Night of 2026-01-02").wait_for()
    finally:
        child.kill()
        child.wait(timeout=60)
