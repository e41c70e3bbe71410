"""The graph and the gates as people see them: Dagster's own web server, in a real browser, over a
loop that really ran."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from sentinel_pipeline.alerts.digest import NightSeen, Spent, build_digest, digest_markdown
from sentinel_pipeline.alerts.notice import RunSeen
from sentinel_pipeline.store import atomic_write
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.e2e.conftest import SENTINEL, Loop, environment
from sentinel_pipeline_tests.web.server import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def others() -> dict[str, int]:
    """Ports of the pages beside Dagster's."""
    return {name: free_port() for name in ("front", "review", "chat")}


@pytest.fixture(scope="module")
def address(loop: Loop, others: dict[str, int]) -> Iterator[str]:
    """``sentinel ui`` over the loop's instance, stopped as Ctrl-C stops it."""
    port = free_port()
    server = subprocess.Popen(
        [
            SENTINEL,
            "ui",
            "--port",
            str(port),
            *(f"--{name}-port={own}" for name, own in others.items()),
        ],
        env=environment(loop.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    wait_until_up(server, url)
    yield url
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=60) is not None


def wait_until_up(server: subprocess.Popen[str], url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, server.stdout.read() if server.stdout else ""
        try:
            urllib.request.urlopen(f"{url}/server_info", timeout=2)
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail("the web server never answered")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.set_default_timeout(60_000)
    yield page
    page.close()


def shoot(page: Page, name: str, *, shown: bool = False) -> None:
    """A picture that is thrown away; one that a page of the docs shows goes into ``docs/images``
    when ``SENTINEL_SCREENSHOTS`` asks for it (``pictures`` takes those of a run of ``tiny``)."""
    keep = shown and os.environ.get("SENTINEL_SCREENSHOTS")
    picture = page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png" if keep else None)
    assert picture.startswith(b"\x89PNG") and len(picture) > 20_000


def test_the_whole_graph_is_drawn(page: Page, address: str) -> None:
    page.set_viewport_size(
        {"width": 2800, "height": 2900}
    )  # the web page names a node only where it is drawn large enough
    page.goto(f"{address}/asset-groups")
    for group in (
        "tasks",
        "baseline",
        "candidates",
        "critic",
        "mix",
        "sft",
        "dpo",
        "evaluation",
        "review",
    ):
        page.get_by_text(group, exact=True).first.wait_for()
    page.wait_for_timeout(1500)
    page.keyboard.press("Alt+e")  # the web page's own key for "expand all groups"
    page.wait_for_url("**expanded=**")
    page.reload()  # fits the whole graph into the page
    for asset in (
        "task_bank",
        "raw_candidates",
        "critic_labels",
        "rebalanced_mix",
        "sft_checkpoint",
        "comparison",
    ):
        page.get_by_text(asset, exact=True).first.wait_for()
    page.wait_for_timeout(1500)
    shoot(page, "graph", shown=True)


def test_a_run_by_the_command_stands_where_dagsters_own_runs_stand(
    page: Page, address: str, loop: Loop
) -> None:
    """Timeline, Jobs and Runs show only runs that name the code location that they come from."""
    run_id = loop.done.json()["run_id"]
    page.goto(f"{address}/runs")
    page.get_by_text(run_id[:8]).first.wait_for()
    page.goto(f"{address}/jobs")
    page.get_by_text("train_recipe", exact=True).first.wait_for()
    # When the job ran last; no other job of this instance ever ran.
    page.get_by_text(re.compile(r"(seconds?|minutes?|hours?) ago")).first.wait_for()
    page.goto(f"{address}/overview/activity/timeline")
    page.get_by_text("train_recipe", exact=True).first.wait_for()
    shoot(page, "timeline")


def test_a_passed_gate_is_shown_with_its_reason(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/base_report?view=checks&checkDetail=capability_gap")
    page.get_by_text("rule: Pass@1 on heldout at most 30 %").first.wait_for()
    page.get_by_text("Passed", exact=True).first.wait_for()
    shoot(page, "gate-passed")


def test_a_failed_gate_is_shown_with_its_reason(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/sft_report?view=checks&checkDetail=pass_at_1")
    page.get_by_text("rule: Pass@1 on heldout at least 40 %").first.wait_for()
    page.get_by_text("Failed", exact=True).first.wait_for()
    shoot(page, "gate-failed", shown=True)


def test_the_run_of_the_command_is_in_the_ui(page: Page, address: str, loop: Loop) -> None:
    run_id = loop.done.json()["run_id"]
    page.goto(f"{address}/runs/{run_id}")
    page.get_by_text("Success").first.wait_for()
    page.get_by_text("sft_checkpoint").first.wait_for()
    shoot(page, "run")


def test_a_report_shows_its_tables_and_plot(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/base_report?view=partitions&partition=mini")
    page.get_by_text("content_hash").first.wait_for()
    shoot(page, "report")


def test_the_landing_page_shows_what_answers_the_comparison_and_the_digest(
    page: Page, address: str, others: dict[str, int], loop: Loop
) -> None:
    """The digest is the one that this run's night would have left."""
    seen = RunSeen(loop.done.json()["run_id"], "mini", "nightly", False, 0.02, "")
    night = NightSeen(dt.date(2026, 1, 2), [seen], {seen.run_id: Spent(0.02, "0.03 USD")}, [], [])
    with atomic_write(loop.home.digests / "2026-01-02.md") as stream:
        stream.write(digest_markdown(build_digest(loop.home, night)))
    page.goto(f"http://127.0.0.1:{others['front']}")
    for name in ("dagster", "review", "chat"):
        page.locator(f"#door-{name}").get_by_text("up", exact=True).wait_for()
    page.get_by_text("Night of 2026-01-02").wait_for()
    assert "mini: pass_at_1 fail" in page.locator(".digest").inner_text()
    page.set_viewport_size({"width": 1440, "height": 1500})
    shoot(page, "start")
    page.get_by_role("link", name="mini", exact=True).click()
    page.get_by_text("heldout").first.wait_for()
    shoot(page, "comparison")


def test_schedule_and_sensor_are_on(address: str) -> None:
    query = '{"query":"{ repositoriesOrError { ... on RepositoryConnection { nodes { schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } }"}'  # noqa: E501
    request = urllib.request.Request(
        f"{address}/graphql", query.encode(), {"Content-Type": "application/json"}
    )
    import json

    node = json.load(urllib.request.urlopen(request))["data"]["repositoriesOrError"]["nodes"][0]
    assert {one["name"]: one["scheduleState"]["status"] for one in node["schedules"]} == {
        "nightly_at_two": "RUNNING"
    }
    assert {one["name"]: one["sensorState"]["status"] for one in node["sensors"]} == {
        "recipe_files": "RUNNING",
        "alerts": "RUNNING",
        "nightly_digest": "RUNNING",
        "human_corrections_ready": "RUNNING",
    }
