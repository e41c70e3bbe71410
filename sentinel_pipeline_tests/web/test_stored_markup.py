"""Stored markup in every field, on every page of the three servers, in a real browser: it is shown
as text, and no element, attribute or script comes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from sentinel_pipeline.bench.compare import compare_suites
from sentinel_pipeline.bench.compare_text import comparison_page
from sentinel_pipeline.bench.report import build_report, newest_reports, report_to_json
from sentinel_pipeline.bench.samples import write_samples
from sentinel_pipeline.chat.guard import Clearance
from sentinel_pipeline.chat.models import Models, Opened
from sentinel_pipeline.chat.turn import Reply, Turn
from sentinel_pipeline.ports import listen
from sentinel_pipeline.records import LABELS, Decided, SampleScore, VerdictKey
from sentinel_pipeline.records.stages import REPORT_STAGES
from sentinel_pipeline.review.blind import add_batch
from sentinel_pipeline.review.checking import Check
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import ReviewQueue
from sentinel_pipeline.review.users import add_user
from sentinel_pipeline.store import Home, Ledger, Store
from sentinel_pipeline.web.app import create_app as review_app
from sentinel_pipeline.web.chat import create_app as chat_app
from sentinel_pipeline.web.front import Links
from sentinel_pipeline.web.front import create_app as front_app
from sentinel_pipeline.web.limits import Checks
from sentinel_pipeline.web.serving import config
from sentinel_pipeline_tests.review.material import record, write_lines
from sentinel_pipeline_tests.web.server import free_port
from sentinel_pipeline_tests.web.test_browser import FLAGS

pytestmark = pytest.mark.browser
ELEMENTS = ".owned, [onerror], [onload], [onfocus], iframe, object, embed, base, script:not([src])"
"""What only a payload makes. Links to javascript: are looked for apart."""


def markup(field: str) -> str:
    """A text that becomes an element wherever it is not escaped: in text, in attributes of both
    quotes, in a script, a style, a textarea, a title, a template."""
    return (
        f"{field} '\"></textarea></title><img class=owned src=x onerror=alert(1)>"
        "<svg class=owned onload=alert(3)><script class=owned>alert(2)</script>{{7*7}}//<!--"
    )


class Toy:
    """A model that answers with markup."""

    model_hash = "h" * 64
    folder = Path("nowhere")

    def stream(self, turn: Turn, cancelled: threading.Event, reply: Reply) -> Iterator[str]:
        yield from (markup("answer")[:30], markup("answer")[30:])


class ToyModels(Models):
    """Two models, open, with a reason that is markup."""

    def names(self) -> list[str]:
        return ["tiny/sft", markup("model")]

    def look(self, name: str) -> Clearance:
        return Clearance(open=True, experimental=True, reasons=(markup("clearance"),))

    def states(self) -> dict[str, Clearance]:
        return {name: self.look(name) for name in self.names()}

    def open(self, name: str) -> Opened:
        return Opened(Toy(), Toy(), self.look(name))  # type: ignore[arg-type]  # toys


def sample(stage: str, number: int) -> SampleScore:
    return SampleScore(
        task_id=markup(f"task{number}"),
        category="code_editing",
        family=markup("family"),
        completion=markup("completion"),
        outcome="pass" if (stage == "sft") == (number % 2 == 0) else "fail",
        reason=markup("reason"),
        syntax_ok=True,
        stopped=True,
        tokens=3,
        seconds=0.0,
    )


def fill(home: Home) -> None:
    """Artifacts of a recipe whose every free text is markup."""
    recipe = home.recipes / "tiny.toml"
    text = recipe.read_text()
    recipe.write_text(f"description = {markup('description')!r}\n{text}".replace("\\\\", "\\"))
    if home.every_recipe().broken.get("tiny"):
        recipe.write_text(text)
    (home.recipes / "broken.toml").write_text(
        "[gates]\n'<img class=owned src=x onerror=alert(1)>' = 1\n"
    )
    for stage in ("base", "sft"):
        with Store(home, "tiny", stage, "loop").writing(
            f"{stage}_report", recipe_hash="-", seed=1
        ) as out:
            samples = [sample(stage, number) for number in range(12)]
            write_samples(out, "heldout", samples)
            report = build_report(
                samples, stage=stage, suite="heldout", model=markup("model"), model_hash=stage,
                scorer_version="s", decoding={},
            )  # fmt: skip
            out.json("heldout/report.json", report_to_json(report))
    store = Store(home, "tiny", "r", "r")
    reports = newest_reports(store, REPORT_STAGES)
    for name, policy in home.recipe("tiny").gates.items():
        artifact = reports.get(policy.stage)
        if artifact is None:
            continue
        decided = Decided(
            verdict="fail", measured=None, threshold=0.5, n=1, interval=None, reason=markup("gate")
        )
        key = VerdictKey(
            name=name, subject="tiny/sft", subject_hash=artifact.hash, scorer_version="s",
            policy_hash="p",
        )  # fmt: skip
        Ledger(home.ledger).record(key.verdict(decided), recipe="tiny", run_id="r")
    answers = {
        stage: {"heldout": [sample(stage, number) for number in range(12)]}
        for stage in ("base", "sft")
    }
    compared = compare_suites(*answers.values(), from_stage="base", to_stage="sft")
    with store.writing("comparison", recipe_hash="-", seed=1) as out:
        out.text("comparison.html", comparison_page(markup("title"), list(compared.values())))
    row = {
        "id": markup("id"), "source": markup("source"), "completion": markup("completion"),
        "messages": [{"role": "user", "content": markup("prompt")}], "category": markup("category"),
        "task_id": None, "verifier": None, "file": markup("file"), "line": 3, "corrected_by": None,
        "planted": None,
    }  # fmt: skip
    with store.writing("raw_candidates", recipe_hash="-", seed=1) as out:
        out.table("candidates.parquet", [row], "candidates")
    labels = dict.fromkeys(LABELS, False) | {f"{name}_reason": markup(name) for name in LABELS}
    with store.writing("rejected_set", recipe_hash="-", seed=1) as out:
        out.table("rejected.parquet", [row | labels | {"scorer_version": "s"}], "rejected")
    home.digests.mkdir(parents=True)
    lines = f"# {markup('heading')}\n\n- {markup('item')}\n\n| {markup('cell')} | b |\n|---|---|\n"
    (home.digests / "2026-01-02.md").write_text(lines)
    talk = {
        "id": markup("talk"),
        "prompt": [{"role": "user", "content": markup("turn")}],
        "answers": [
            {name: markup(name) for name in ("text", "model", "format", "outcome")},
        ],
    }
    with Store(home, "tiny-gap", "r", "r").writing("gap_proof", recipe_hash="x", seed=1) as out:
        out.json("proof.json", {"reason": markup("proof")})
        out.jsonl("conversations.jsonl", [talk])


def queue(home: Home, folder: Path) -> ReviewQueue:
    desk = ReviewQueue(db=Database(f"sqlite:///{home.review}"))
    rows = [
        record(
            number, model_id=markup("model_id"), model_name=markup("model_name"),
            task_type=markup("type"), task_name=markup("name"), task_id=markup("task_id"),
            source=markup("source"), failure_reason=markup("failure"), timestamp=markup("at"),
            model_response=markup("response"), benchmark_run_id=markup("run"),
            prompt_messages=[{"role": "user", "content": markup("prompt")}],
        )
        for number in range(3)
    ]  # fmt: skip
    bad = [{"id": markup("quarantined"), markup("key"): markup("value")}]
    import_file(desk, write_lines(folder / "a.jsonl", [*rows, *bad]), actor="import")
    item = {
        "id": markup("item"),
        "prompt_messages": [{"role": "user", "content": markup("prompt")}],
        "response": markup("response"),
        "judge": "good",
    }
    add_batch(desk, write_lines(folder / "b.jsonl", [item]), name="batch")
    return desk


@pytest.fixture
def servers(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Address of each server, and ``key``, a lead's token."""
    folder = tmp_path_factory.mktemp("stored")
    fill(home)
    desk = queue(home, folder)
    labels: dict[str, tuple[bool | None, str]] = {
        name: (name == "accepted", markup(name)) for name in LABELS
    }
    running = []
    addresses = {"key": add_user(desk, "ann", "lead")}
    for name in ("review", "chat", "front"):
        listener = listen("127.0.0.1", free_port())
        port = listener.getsockname()[1]
        hosts = frozenset({f"127.0.0.1:{port}"})
        apps = {
            "review": lambda hosts: review_app(
                desk, hosts, checks=Checks(lambda card, text: Check("fail", True, labels))
            ),
            "chat": lambda hosts: chat_app(desk, ToyModels(home, None, experimental=True), hosts),
            "front": lambda hosts: front_app(home, Links(*["http://127.0.0.1:9"] * 3), hosts),
        }
        server = uvicorn.Server(config(apps[name](hosts)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread))
        addresses[name] = f"http://127.0.0.1:{port}"
    yield addresses
    for server, thread in running:
        server.should_exit = True
        thread.join(timeout=30)


class Visitor:
    """A browser that notes everything that a payload could do."""

    def __init__(self, browser: Any) -> None:
        self.page = browser.new_page()
        self.page.set_default_timeout(90_000)
        self.faults: list[str] = []
        self.page.on("dialog", lambda dialog: self.fault(f"dialog {dialog.message}", dialog))
        self.page.on("pageerror", lambda error: self.faults.append(f"error {error}"))
        self.page.on("console", self.console)

    def fault(self, text: str, dialog: Any) -> None:
        self.faults.append(text)
        dialog.dismiss()

    def console(self, message: Any) -> None:
        """A policy that had to stop a payload is a fault, too: there was an element to stop."""
        if "Content Security Policy" in message.text or "owned" in message.text:
            self.faults.append(message.text)

    def look(self, *fields: str) -> None:
        """No element of a payload; each of ``fields`` stands there as text."""
        assert self.page.locator(ELEMENTS).count() == 0, self.page.url
        assert self.page.locator("a[href^='javascript:' i]").count() == 0, self.page.url
        text = self.page.content()
        for field in fields:
            assert f"{field} '" in text or f"{field} &#39;" in text, (field, self.page.url)
        assert self.faults == [], self.page.url

    def go(self, address: str) -> None:
        """Open a page; a page that loads itself anew may break the way to the next one off."""
        from playwright.sync_api import Error

        for _ in range(4):
            try:
                self.page.goto(address)
                return
            except Error as error:
                if "ERR_ABORTED" not in str(error):
                    raise
        raise AssertionError(address)

    def log_in(self, address: str, key: str) -> None:
        self.go(f"{address}/login")
        self.page.fill("#token", key)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"{address}/")


@pytest.fixture
def visitor(chromium: str) -> Iterator[Visitor]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield Visitor(browser)
        browser.close()


def test_the_check_finds_what_it_looks_for(visitor: Visitor) -> None:
    """A page that does not escape: every payload is noticed."""
    visitor.page.set_content(f"<p>{markup('raw')}</p>")
    assert visitor.page.locator(ELEMENTS).count() >= 3
    visitor.page.wait_for_timeout(300)
    assert any(fault.startswith("dialog") for fault in visitor.faults)


def test_no_field_becomes_markup_on_the_landing_data_and_result_pages(
    visitor: Visitor, servers: dict[str, str]
) -> None:
    front, page = servers["front"], visitor.page
    visitor.go(front)
    visitor.look("gate", "heading", "item")
    for query in ("", "?stage=base", "?change=gained", f"?text={'%3Cimg class=owned%3E'}"):
        visitor.go(f"{front}/samples/tiny{query}")
        visitor.look("family")
    visitor.go(
        f"{front}/samples/tiny?text=%22%3E%3Cimg%20class=owned%3E&family=%3Cb%3E&reason=%22%3E"
    )
    visitor.look()
    visitor.go(f"{front}/samples/tiny")
    page.locator("th a").first.click()
    page.wait_for_load_state()
    visitor.look("completion", "reason", "task0" if "task0" in page.content() else "task")
    for table, field in (("candidates", "completion"), ("rejected", "prompt")):
        visitor.go(f"{front}/data/tiny?table={table}&text=")
        visitor.look(field, "source")
    page.locator("th a").first.click()
    page.wait_for_load_state()
    visitor.look("completion", "prompt")
    visitor.go(f"{front}/data/tiny?table=rejected&source=%22%3E%3Cimg%20class=owned%3E")
    visitor.look()
    visitor.go(f"{front}/digest/2026-01-02")
    visitor.look("heading", "cell")
    visitor.go(f"{front}/comparison/tiny")
    visitor.look("title", "completion")


def test_no_field_becomes_markup_on_the_review_pages(
    visitor: Visitor, servers: dict[str, str]
) -> None:
    review, page = servers["review"], visitor.page
    visitor.log_in(review, servers["key"])
    page.wait_for_selector("body:not(.busy) #shown:not([hidden])")
    visitor.look("name", "failure", "prompt", "response", "model_name")
    page.fill("#correction", markup("correction"))
    page.wait_for_timeout(500)
    visitor.look()
    page.locator("[data-act=check]").click()
    page.locator("#checks").get_by_text("{{7*7}}").first.wait_for()
    visitor.look()
    for path, fields in (
        ("summary", ("model_id", "type", "failure")),
        ("summary?run=%22%3E%3Cimg%20class=owned%3E", ()),
        ("trail", ()),
        ("people", ()),
        ("blind", ()),
        ("gap", ("proof", "turn", "text", "talk")),
    ):
        visitor.go(f"{review}/{path}")
        visitor.look(*fields)
    page.fill("form[data-sign] input[name=note]", markup("note"))
    page.locator("form[data-sign] button[value=fail]").click()
    page.locator("form[data-sign] [role=status]").get_by_text("note").wait_for()
    visitor.go(f"{review}/gap")
    visitor.look("note")
    visitor.go(f"{review}/blind/batch")
    page.get_by_text("response '").first.wait_for()
    visitor.look("prompt", "response")


def test_no_field_becomes_markup_in_chat(visitor: Visitor, servers: dict[str, str]) -> None:
    chat, page = servers["chat"], visitor.page
    visitor.log_in(chat, servers["key"])
    page.locator("#side-a .banner.experimental").wait_for()
    visitor.look("model", "clearance")
    page.fill("#text", markup("asked"))
    page.keyboard.press("Control+Enter")
    page.locator("#side-a .after button").wait_for()
    visitor.look("asked", "answer")
    page.locator("#side-a .after input").fill(markup("note"))
    page.locator("#side-a .after button").click()
    page.get_by_text("It waits in the review queue.").wait_for()
    visitor.look("asked", "answer")
