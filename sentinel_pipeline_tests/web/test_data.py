"""The pages of rows: facets and search select what they say, a download is the selection, and what
a row holds is text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from sentinel_pipeline.records import LABELS
from sentinel_pipeline.secrets import MASK
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.web.front import Links, create_app

HOSTILE = "<script>alert(1)</script>"


def candidate(name: str, source: str, category: str, answer: str) -> dict[str, Any]:
    return {
        "id": name,
        "source": source,
        "messages": [{"role": "user", "content": f"Ask {name} {HOSTILE}"}],
        "completion": answer,
        "category": category,
        "task_id": None,
        "verifier": None,
        "file": "a.jsonl",
        "line": 3,
        "corrected_by": None,
        "planted": None,
    }


ROWS = [
    candidate("a1", "hub", "devops", f"First {HOSTILE}"),
    candidate("a2", "hub", "tool_use", "Second"),
    candidate("a3", "file", "devops", "Third 'quoted'"),
]


@pytest.fixture
def client(home: Home) -> TestClient:
    store = Store(home, "tiny", "r", "r")
    with store.writing("raw_candidates", recipe_hash="-", seed=1) as out:
        out.table("candidates.parquet", ROWS, "candidates")
    labels = dict.fromkeys(LABELS, True) | {f"{name}_reason": "" for name in LABELS}
    labels |= {"no_secret": False, "accepted": False, "no_secret_reason": f"key {HOSTILE}"}
    with store.writing("rejected_set", recipe_hash="-", seed=1) as out:
        out.table("rejected.parquet", [ROWS[0] | labels | {"scorer_version": "s"}], "rejected")
    links = Links("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9")
    return TestClient(
        create_app(home, links, frozenset({"127.0.0.1:8000"})), base_url="http://127.0.0.1:8000"
    )


def shown(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/data/tiny/row/(\w+)"', page)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", ["a1", "a2", "a3"]),
        ("?source=hub", ["a1", "a2"]),
        ("?source=hub&category=devops", ["a1"]),
        ("?text=SECOND", ["a2"]),
        ("?text=ask a3", ["a3"]),
        ("?text='quoted'", ["a3"]),
        ("?text=a2", ["a2"]),
        ("?source='%20or%201=1--", []),
        ("?table=nothing&page=-1", ["a1", "a2", "a3"]),
        ("?table=rejected&failed=no_secret", ["a1"]),
        ("?table=rejected&failed=syntax_pass", []),
        ("?1=1;drop=x", ["a1", "a2", "a3"]),
    ],
)
def test_choices_select_the_rows_that_they_name(
    client: TestClient, query: str, rows: list[str]
) -> None:
    page = client.get(f"/data/tiny{query}")
    assert page.status_code == 200 and shown(page.text) == rows
    assert f"{len(rows)} rows" in page.text and HOSTILE not in page.text
    download = client.get(f"/data/tiny/download{query}")
    assert [json.loads(line)["id"] for line in download.text.splitlines()] == rows


def test_a_facet_counts_among_the_other_choices(client: TestClient) -> None:
    page = client.get("/data/tiny?source=hub&category=devops").text
    assert "devops (1)" in page and "tool_use (1)" in page
    assert "hub (1)" in page and "file (1)" in page


def test_a_rows_page_shows_its_content_and_its_way(client: TestClient) -> None:
    page = client.get("/data/tiny/row/a1").text
    assert "First &lt;script&gt;" in page and HOSTILE not in page
    assert "From hub, a.jsonl:3." in page and "No checkpoint was trained on it." in page


@pytest.mark.parametrize(
    "path",
    ["/data/none", "/data/tiny/row/none", "/data/..%2ftiny", "/data/none/download",
     "/data/tiny/row/..%2f..%2fa1"],
)  # fmt: skip
def test_other_names_reach_nothing(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_no_page_and_no_download_shows_a_secret_of_a_row(home: Home, client: TestClient) -> None:
    key = "gh" + "p_" + "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5zA7"
    padding = "x " * 112  # the key goes beyond an excerpt's end
    row = candidate("b1", "hub", "devops", f"{padding}{key}")
    row["messages"] = [{"role": "user", "content": f"Use {key}"}]
    with Store(home, "tiny", "s", "s").writing("raw_candidates", recipe_hash="-", seed=1) as out:
        out.table("candidates.parquet", [row], "candidates")
    for path in ("/data/tiny", "/data/tiny/row/b1", "/data/tiny/download"):
        page = client.get(path)
        assert page.status_code == 200, path
        assert key[:12] not in page.text, path
        assert f"Use {MASK}" in page.text, path
