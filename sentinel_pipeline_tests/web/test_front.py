"""The landing page: what is linked is there, what is shown is text, and names from outside reach no
file."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sentinel_pipeline.review.importing import plain
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.web.front import Links, create_app, rendered

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def client(home: Home) -> TestClient:
    links = Links("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9")
    return TestClient(
        create_app(home, links, frozenset({"127.0.0.1:8000"})), base_url="http://127.0.0.1:8000"
    )


def test_an_empty_home_says_what_to_do(client: TestClient) -> None:
    page = client.get("/").text
    for says in (
        "starting",
        "sentinel run tiny",
        "nightly_at_two",
        "a run of the loop makes one",
    ):
        assert says in page


def test_comparisons_and_digests_are_linked_and_served_as_they_are(
    client: TestClient, home: Home
) -> None:
    with Store(home, "tiny", "r", "r").writing("comparison", recipe_hash="-", seed=1) as out:
        out.text("comparison.html", "<style>b{}</style><b>tiny</b>")
    home.digests.mkdir(parents=True)
    (home.digests / "2026-01-02.md").write_text(f"# Night\n{HOSTILE}\n")
    (home.digests / "2026-01-01.md").write_text("older")
    page = client.get("/").text
    assert 'href="/comparison/tiny"' in page and 'href="/digest/2026-01-01"' in page
    assert (
        HOSTILE not in page
        and "&lt;script&gt;" in page
        and page.index("2026-01-02") < page.index("2026-01-01")
    )
    shown = client.get("/comparison/tiny")
    assert (
        "<b>tiny</b>" in shown.text and "script-src" not in shown.headers["content-security-policy"]
    )
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    digest = client.get("/digest/2026-01-02").text
    assert "<h1>Night</h1>" in digest and HOSTILE not in digest and "&lt;script&gt;" in digest


@given(
    reason=st.text()
    | st.sampled_from(
        [HOSTILE, "[x](javascript:0)", "![x](http://e)", "<http://e>", "`a` *b* __c__", "\\*"]
    )
)
def test_a_digest_is_headings_lists_and_tables_and_nothing_else(reason: str) -> None:
    said = " ".join(reason.split())
    page = rendered(
        f"# Night\n\n## Needs a person\n\n- tiny: {said}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    assert set(re.findall(r"<(\w+)", page)) == {
        "h1",
        "h2",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    (shown,) = re.findall(r"<li>(.*?)</li>", page)
    assert html.unescape(shown) == plain(f"tiny: {said}").strip(), (
        "not a character is taken for markup"
    )


@pytest.mark.parametrize(
    "path", ["/comparison/..%2Ftiny", "/comparison/nosuch", "/digest/..%2Fledger", "/digest/nosuch"]
)
def test_names_from_outside_reach_no_file(client: TestClient, home: Home, path: str) -> None:
    home.state.mkdir(parents=True, exist_ok=True)
    Path(home.state / "ledger.md").write_text("secret")
    answer = client.get(path)
    assert answer.status_code == 404 and "secret" not in answer.text


def test_a_foreign_host_gets_nothing(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421


def test_a_card_of_the_queue_leads_to_every_answer_to_its_item(
    client: TestClient, home: Home
) -> None:
    with Store(home, "tiny", "run-7", "run-7").writing(
        "sft_report", recipe_hash="-", seed=1
    ) as out:
        out.text("note.txt", "")
    fields = {"run": "run-7", "suite": "heldout", "item": "edits-1/x"}
    answer = client.get("/go/sample", params=fields, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/samples/tiny/heldout/edits-1/x",
    )
    for wrong in ({"run": "../run-7"}, {"run": "*"}, {"item": ""}):
        assert client.get("/go/sample", params=fields | wrong).status_code == 404


def test_a_digest_leads_to_the_answers_of_its_recipes(client: TestClient, home: Home) -> None:
    from sentinel_pipeline_tests.web.test_samples import sample, write

    write(home, "sft", [sample("1", "pass")])
    home.digests.mkdir(parents=True)
    (home.digests / "2026-01-02.md").write_text("# Night\n")
    (home.digests / "2026-01-02.json").write_text('{"runs": [{"recipe": "tiny"}, {"recipe": "x"}]}')
    page = client.get("/digest/2026-01-02").text
    assert 'href="/samples/tiny"' in page and 'href="/samples/x"' not in page
