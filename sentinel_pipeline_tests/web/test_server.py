"""The server as an attacker and as a fuzzer see it: nobody gets in, nothing breaks, nothing is ever
a 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sentinel_pipeline.review.blind import add_batch
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import ReviewQueue
from sentinel_pipeline.review.users import add_user, remove_user
from sentinel_pipeline.web.api import READING, WRITING
from sentinel_pipeline.web.app import create_app
from sentinel_pipeline.web.guard import POLICY
from sentinel_pipeline.web.limits import LoginLimit
from sentinel_pipeline_tests.review.material import record, write_lines

HOST = "review.test:8080"
BAD = "<script>alert(1)</script>\x1b[31m\u202eevil\x00\ud800"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ReviewQueue]:
    desk = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'q.sqlite'}"), second_share=0.3)
    rows = [
        record(n, model_response=BAD, failure_reason=BAD, task_name=BAD, task_type=BAD)
        for n in range(30)
    ]
    import_file(desk, write_lines(tmp_path / "a.jsonl", rows), actor="import")
    item = {
        "id": "1",
        "prompt_messages": [{"role": "user", "content": BAD}],
        "response": BAD,
        "judge": "good",
    }
    add_batch(desk, write_lines(tmp_path / "b.jsonl", [item]), name="batch")
    yield desk
    desk.db.close()


class Person:
    """A logged-in person of the test client."""

    def __init__(
        self,
        desk: ReviewQueue,
        name: str = "ann",
        role: Any = "lead",
        limit: LoginLimit | None = None,
    ) -> None:
        app = create_app(desk, frozenset({HOST}), limit)
        self.http = TestClient(
            app, base_url=f"http://{HOST}", follow_redirects=False, raise_server_exceptions=True
        )
        answer = self.http.post("/login", data={"token": add_user(desk, name, role)})
        assert answer.status_code == 303
        self.cookie = answer.headers["set-cookie"]
        self.csrf = self.http.get("/").text.partition('data-csrf="')[2].partition('"')[0]

    def post(self, name: str, **fields: Any) -> Any:
        return self.http.post(f"/api/{name}", json=fields, headers={"x-csrf-token": self.csrf})


def test_nobody_gets_in_without_a_session(desk: ReviewQueue) -> None:
    http = TestClient(
        create_app(desk, frozenset({HOST})), base_url=f"http://{HOST}", follow_redirects=False
    )
    for page in (
        "/",
        "/summary",
        "/people",
        "/trail",
        "/blind",
        "/blind/batch",
        "/response/card-000001",
    ):
        assert http.get(page).headers["location"] == "/login", page
    assert {http.get(f"/api/{name}").status_code for name in READING} == {401}
    assert {
        http.post(f"/api/{name}", json={}).status_code for name in WRITING if name not in READING
    } == {401}
    http.cookies.set("sentinel_session", "x" * 43)
    assert http.get("/api/recent").status_code == 401
    assert http.post("/login", data={"token": "wrong" * 9}).status_code == 403


def test_a_person_who_was_shut_out_is_out_at_once(desk: ReviewQueue) -> None:
    ann = Person(desk)
    assert ann.post("next").status_code == 200
    remove_user(desk, "ann")
    assert ann.post("next").status_code == 401


def test_the_cookie_and_the_headers(desk: ReviewQueue) -> None:
    ann = Person(desk)
    assert all(word in ann.cookie for word in ("HttpOnly", "SameSite=strict", "Max-Age="))
    for path in ("/", "/static/review.js", "/api/recent", "/nowhere"):
        headers = ann.http.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == (
            "nosniff",
            "DENY",
        )
    assert "unsafe" not in POLICY and ann.http.get("/").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["evil.test", "review.test", "review.test:81", "", "review.test:8080.evil.test"]
)
def test_another_host_is_refused(desk: ReviewQueue, host: str) -> None:
    assert Person(desk).http.get("/login", headers={"host": host}).status_code == 421


def test_requests_of_other_sites_are_refused(desk: ReviewQueue) -> None:
    ann = Person(desk)
    body: dict[str, Any] = {"json": {}, "headers": {"x-csrf-token": ann.csrf}}
    for name, value in (
        ("origin", "http://evil.test"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ):
        body["headers"] = {"x-csrf-token": ann.csrf, name: value}
        assert ann.http.post("/api/next", **body).status_code == 403, value
    assert ann.http.post("/api/next", json={}).status_code == 403, "no token"
    assert (
        ann.http.post("/api/next", json={}, headers={"x-csrf-token": "x" * 32}).status_code == 403
    )
    assert (
        ann.http.post("/api/next", json={}, headers={"x-csrf-token": ann.csrf}).status_code == 200
    )
    assert ann.http.post("/logout").status_code == 403
    assert ann.http.post("/logout", headers={"x-csrf-token": ann.csrf}).status_code == 200
    assert ann.http.get("/api/recent").status_code == 401


def test_logins_are_limited_and_the_wait_is_told(desk: ReviewQueue) -> None:
    now = [0.0]
    ann = Person(desk, limit=LoginLimit(3, 60, lambda: now[0]))
    codes = [ann.http.post("/login", data={"token": "x" * 43}).status_code for _ in range(5)]
    assert codes == [403, 403, 403, 429, 429]
    assert ann.http.post("/login", data={"token": "x" * 43}).headers["retry-after"] == "60"
    now[0] = 61
    assert ann.http.post("/login", data={"token": "x" * 43}).status_code == 403


def test_what_models_write_is_never_markup(desk: ReviewQueue) -> None:
    ann = Person(desk)
    for page in ("/", "/summary", "/trail", "/people", "/blind", "/blind/batch"):
        answer = ann.http.get(page)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text, page
    assert "&lt;script&gt;alert" in ann.http.get("/summary").text
    card = ann.post("next").json()["card"]
    assert card["response"] == BAD, "JSON carries it exactly"
    plain = ann.http.get(f"/response/{card['id']}")
    assert plain.headers["content-type"].startswith("text/plain")


def test_a_card_shows_its_recipes_and_the_keys_of_its_own(tmp_path: Path) -> None:
    desk = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'q.sqlite'}"))
    own = {"hint": BAD, "scores": [0.5, None], "long": "z" * 9000} | {f"k{n}": n for n in range(60)}
    rows = [record(1) | own, record(2)]
    for number, row in enumerate(rows):
        path = write_lines(tmp_path / f"{number}.jsonl", [row])
        import_file(desk, path, actor="import", recipes=["mine", "theirs"][: 2 - number])
    ann = Person(desk)
    card = ann.post("open", id="card-000001").json()["card"]
    assert card["recipes"] == ["mine", "theirs"]
    assert card["extra"][:2] == [
        {"name": "hint", "value": BAD},
        {"name": "scores", "value": "[0.5, null]"},
    ]
    assert len(card["extra"][2]["value"]) == 2000 and len(card["extra"]) == 40, "cut for the page"
    (line,) = ann.http.get("/api/list", params={"recipe": "theirs"}).json()["cards"]
    assert line["id"] == "card-000001"
    page = ann.http.get("/").text
    assert '<select id="f-recipe" name="recipe"><option value="">any</option><option>mine' in page
    assert "of no recipe" not in ann.http.get("/summary").text
    import_file(desk, write_lines(tmp_path / "3.jsonl", [record(3)]), actor="import")
    assert "1 of no recipe: no mix takes their corrections" in ann.http.get("/summary").text


def test_five_megabytes_are_cut_for_the_page_and_whole_as_text(tmp_path: Path) -> None:
    desk = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'q.sqlite'}"))
    import_file(
        desk,
        write_lines(tmp_path / "a.jsonl", [record(1, model_response="y" * 5_000_000)]),
        actor="import",
    )
    ann = Person(desk)
    answer = ann.post("next")
    assert len(answer.content) < 100_000 and answer.json()["card"]["response_length"] == 5_000_000
    assert len(ann.http.get("/response/card-000001").text) == 5_000_000


def test_bodies_are_bounded(desk: ReviewQueue) -> None:
    ann = Person(desk)
    assert ann.post("draft", id="card-000001", text="x" * (9 * 2**20)).status_code == 413
    assert ann.post("draft", id="card-000001", text="x" * (2 * 2**20)).status_code == 409


def test_no_page_is_a_file_outside_of_the_package(desk: ReviewQueue) -> None:
    ann = Person(desk)
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2fpyproject.toml",
        "/response/..%2f..%2fetc%2fpasswd",
    ):
        assert ann.http.get(path).status_code == 404, path


def test_leads_only(desk: ReviewQueue) -> None:
    bob = Person(desk, "bob", "reviewer")
    assert bob.http.get("/people").status_code == 403
    assert bob.http.get("/trail").status_code == 403


def test_a_decision_goes_through_the_checks(desk: ReviewQueue) -> None:
    ann = Person(desk)
    card = ann.post("next").json()["card"]
    key = "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    fields = {"id": card["id"], "version": card["version"], "decision": "approved"}
    refused = ann.post("decide", **fields, text=f"use {key}")
    assert (
        refused.status_code == 422
        and "github_token" in refused.json()["error"]
        and key not in refused.text
    )
    assert ann.post("decide", **fields, text="").status_code == 422
    made = ann.post("decide", **fields, text="The number in words is one.")
    assert made.json()["made"]["status"] == "approved"
    assert ann.post("decide", **fields, text="The number in words is one.").status_code == 409
    assert ann.post("undo").json()["card"]["draft"] == "The number in words is one."


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=30)
    | st.sampled_from(["card-000001", "card-000002", "approved", "discarded", "pending", "done", "batch", "good", "1", BAD]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = (
    "id",
    "version",
    "decision",
    "text",
    "change",
    "place",
    "score",
    "run",
    "model",
    "task_type",
    "status",
    "batch",
    "item",
    "label",
)
FIELDS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), VALUES, max_size=7)


@pytest.fixture
def ann(desk: ReviewQueue, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Someone whose checks cost nothing: the sandbox has its own tests."""
    monkeypatch.setattr(
        "sentinel_pipeline.review.checking._critic", lambda candidate: next(_fast(candidate))
    )
    return Person(desk)


def _fast(candidate: Any) -> Iterator[Any]:
    from dataclasses import replace

    from sentinel_pipeline.critic.labels import label

    return label([replace(candidate, verifier=None)])


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(WRITING)), fields=FIELDS)
def test_no_body_makes_the_server_fail(ann: Person, name: str, fields: dict[str, Any]) -> None:
    body = json.dumps(fields)
    answer = ann.http.post(f"/api/{name}", content=body, headers={"x-csrf-token": ann.csrf})
    assert answer.status_code < 500, (name, fields, answer.text)
    answer.json()


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(WRITING)), body=st.binary(max_size=80))
def test_no_bytes_make_the_server_fail(ann: Person, name: str, body: bytes) -> None:
    answer = ann.http.post(f"/api/{name}", content=body, headers={"x-csrf-token": ann.csrf})
    assert answer.status_code < 500


PATHS = st.sampled_from(
    [
        "/",
        "/summary",
        "/people",
        "/trail",
        "/blind",
        "/blind/batch",
        "/login",
        "/response/card-000001",
    ]
)
QUERIES = st.dictionaries(
    st.sampled_from(NAMES),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    max_size=4,
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(path=PATHS | st.sampled_from([f"/api/{name}" for name in sorted(READING)]), query=QUERIES)
def test_no_query_makes_the_server_fail(ann: Person, path: str, query: dict[str, str]) -> None:
    assert ann.http.get(path, params=query).status_code < 500


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    tail=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
)
def test_no_path_or_method_makes_the_server_fail(ann: Person, tail: str, method: str) -> None:
    from urllib.parse import quote

    for place in ("/", "/blind/", "/response/", "/static/", "/api/"):
        assert ann.http.request(method, place + quote(tail)).status_code < 500
