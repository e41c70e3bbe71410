"""The landing page's results and the pages of answers: they say what the artifacts say, and what a
model wrote is text."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from starlette.testclient import TestClient

from sentinel_pipeline.bench.report import build_report, report_to_json
from sentinel_pipeline.bench.samples import write_samples
from sentinel_pipeline.pages.results import running
from sentinel_pipeline.records import Decided, Interval, SampleScore, VerdictKey
from sentinel_pipeline.store import Home, Ledger, Store
from sentinel_pipeline.web.front import Links, create_app
from sentinel_pipeline.web.samples import PAGE, Query, listing, suites_of

Outcome = Literal["pass", "fail", "infra"]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
NAME = "edits-<b>1"


def sample(
    name: str, outcome: Outcome, text: str = "print(1)", family: str = "edits"
) -> SampleScore:
    return SampleScore(
        task_id=name,
        category="code_editing",
        family=family,
        completion=text,
        outcome=outcome,
        reason={"pass": "passed", "fail": f"assertion: {HOSTILE}", "infra": "killed"}[outcome],
        syntax_ok=True,
        stopped=True,
        tokens=3,
        seconds=0.0,
    )


def write(home: Home, stage: str, samples: Sequence[SampleScore]) -> str:
    with Store(home, "tiny", stage, "loop").writing(
        f"{stage}_report", recipe_hash="-", seed=1
    ) as out:
        write_samples(out, "heldout", samples)
        report = build_report(
            samples, stage=stage, suite="heldout", model="m", model_hash=stage,
            scorer_version="s", decoding={},
        )  # fmt: skip
        out.json("heldout/report.json", report_to_json(report))
    return Store(home, "tiny", stage, "loop").get(f"{stage}_report").hash


@pytest.fixture
def client(home: Home) -> TestClient:
    links = Links("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9")
    return TestClient(
        create_app(home, links, frozenset({"127.0.0.1:8000"})), base_url="http://127.0.0.1:8000"
    )


@pytest.fixture
def two_stages(home: Home) -> str:
    """Three items, two answers each: one gained, one lost, one never right."""
    names = ("1", "1~2", "2", "2~2", "3", "3~2")
    base: tuple[Outcome, ...] = ("fail", "fail", "pass", "pass", "fail", "infra")
    sft: tuple[Outcome, ...] = ("pass", "fail", "fail", "fail", "fail", "fail")
    base_outcomes = zip(names, base, strict=True)
    sft_outcomes = zip(names, sft, strict=True)
    write(home, "base", [sample(f"edits-<b>{name}", outcome) for name, outcome in base_outcomes])
    return write(
        home,
        "sft",
        [sample(f"edits-<b>{name}", outcome, HOSTILE) for name, outcome in sft_outcomes],
    )


def names(page: str) -> list[str]:
    return re.findall(r'href="/samples/tiny/heldout/edits-%3Cb%3E(\d)"', page)


@pytest.mark.parametrize(
    ("query", "items"),
    [
        ("", "123"),
        ("?stage=sft&change=gained", "1"),
        ("?stage=sft&change=lost", "2"),
        ("?stage=sft&change=same", "3"),
        ("?stage=sft&outcome=fail", "123"),
        ("?stage=base&outcome=pass", "2"),
        ("?stage=base&outcome=infra", "3"),
        ("?stage=base&text=PRINT(1", "123"),
        ("?stage=sft&text=print(1", ""),
        ("?stage=sft&reason=assertion", "123"),
        ("?stage=sft&reason=%25", ""),
        ("?stage=nothing&suite=nothing&page=-4", "123"),
        ("?family=shell", ""),
        ("?page=99999999999999", "123"),
        ("?text=%00%27;drop", ""),
    ],
)
def test_filters_find_the_items_that_they_name(
    client: TestClient, two_stages: str, query: str, items: str
) -> None:
    page = client.get(f"/samples/tiny{query}")
    assert page.status_code == 200 and "".join(names(page.text)) == items
    assert HOSTILE not in page.text and "<b>1" not in page.text


def test_an_items_page_shows_every_answer_as_text(client: TestClient, two_stages: str) -> None:
    page = client.get(f"/samples/tiny/heldout/{NAME.replace('<', '%3C').replace('>', '%3E')}")
    assert page.status_code == 200
    assert page.text.count("&lt;script&gt;alert(1)") == 5  # two answers and three failures
    assert HOSTILE not in page.text and "<b>1" not in page.text
    assert "no longer in the newest task bank" in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/samples/none", "/samples/tiny/none/1", "/samples/tiny/heldout/none",
        "/samples/tiny/heldout/..%2f..%2fetc", "/samples/..%2ftiny", "/samples/tiny/..%2fheldout/1",
    ],
)  # fmt: skip
def test_other_names_reach_nothing(client: TestClient, two_stages: str, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_landing_page_shows_rates_gates_and_the_next_step(
    client: TestClient, home: Home, two_stages: str
) -> None:
    recipe = home.recipes / "tiny.toml"
    recipe.write_text(recipe.read_text().replace("[bench]\n", "[bench]\nsamples = 2\n"))
    key = VerdictKey(
        name="pass_at_1", subject="tiny/sft_report", subject_hash=two_stages,
        scorer_version="s", policy_hash="p",
    )  # fmt: skip
    decided = Decided(
        verdict="fail", measured=0.1, threshold=0.4, n=6, reason=f"low {HOSTILE}",
        interval=Interval(0.0, 0.3, 0.95),
    )  # fmt: skip
    Ledger(home.ledger).record(key.verdict(decided), recipe="tiny", run_id="r")
    page = client.get("/").text
    assert "16.7 %" in page and "3 items × 2 answers" in page
    assert "base → sft on heldout" in page and "exact paired p" in page
    assert "pass_at_1: blocks" in page and "syntax_rate: skipped" in page
    assert "sentinel gate explain pass_at_1 tiny" in page and 'href="/samples/tiny"' in page
    assert HOSTILE not in page


def test_what_runs_now_is_shown_until_its_worker_is_silent(home: Home) -> None:
    draft = home.runs / "tiny" / "sft_checkpoint" / ".draft-x" / "logs"
    draft.mkdir(parents=True)
    row = {"time": time.time(), "step": 5, "total": 20, "loss": 0.5, "eta_s": 9.0}
    (draft / "progress.jsonl").write_text(json.dumps(row) + "\n")
    now = running(home)["tiny"]
    assert (now.asset, now.share, now.detail) == (
        "sft_checkpoint", 0.25, "5 of 20 · loss 0.500 · 9 s left",
    )  # fmt: skip
    (draft / "progress.jsonl").write_text(json.dumps(row | {"time": time.time() - 999}) + "\n")
    assert running(home) == {}


def test_pages_hold_every_item_once(home: Home, tmp_path: Path) -> None:
    count = 2 * PAGE + 7
    write(home, "base", [sample(f"i{index:04}", "fail") for index in range(count)])
    suites = suites_of(home, "tiny")
    assert suites is not None
    seen = [
        row["item"]
        for page in (1, 2, 3)
        for row in listing(suites, Query("heldout", "base", page=page))["rows"]
    ]
    assert seen == [f"i{index:04}" for index in range(count)]
