"""The chat server over HTTP: people and programs, the guard before each request, the queue behind
the page, and attacks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sentinel_pipeline.review.cards import read_card
from sentinel_pipeline.review.review_queue import User
from sentinel_pipeline.review.users import add_user, remove_user
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.worker.device import device_lock
from sentinel_pipeline_tests.web.chat_server import ChatServer

ASK = [{"role": "user", "content": "list of the squares"}]


@pytest.fixture
def chat(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatServer]:
    server = ChatServer(home, tmp_path_factory.mktemp("models"))
    yield server
    server.stop()


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def events(text: str) -> list[Any]:
    data = [part.removeprefix("data: ") for part in text.split("\n\n") if part]
    assert data[-1] == "[DONE]"
    return [json.loads(one) for one in data[:-1]]


def complete(chat: ChatServer, **body: Any) -> httpx.Response:
    asked = {"model": "tiny/sft", "messages": ASK, "temperature": 0, "max_tokens": 12} | body
    return chat.api().post("/chat/completions", json=asked)


def test_an_answer_streams_and_goes_to_review_as_the_server_heard_it(chat: ChatServer) -> None:
    ann = chat.start().person()
    heard = lines(ann.post("answer", model="tiny/sft", messages=ASK, max_tokens=40))
    first, *pieces, last = heard
    assert first["experimental"] is False and first["reasons"] == []
    text = "".join(piece["piece"] for piece in pieces)
    assert len(pieces) > 1 and text
    assert last["done"]["finish"] == "length" and last["done"]["completion_tokens"] == 40
    sent = ann.post("review", id=first["id"], note="Nonsense.", text="forged")
    assert sent.json() == {"sent": 1, "known": 0}
    assert ann.post("review", id=first["id"], note="Nonsense.").json() in (
        {"sent": 0, "known": 1},
        {"sent": 0, "known": 0},
    )
    with chat.desk.db.reading() as connection:
        card = read_card(connection, chat.desk, first["id"], User("ann", "lead"))
    record = card.record
    assert (
        record.model_response == text and record.failure_reason == "chat: Nonsense. (sent by ann)"
    )
    assert (record.source, record.model_id, record.status) == ("chat", "tiny/sft", "needs_review")
    assert [
        turn.to_dict() for turn in record.prompt_messages
    ] == ASK and record.task_name == "list of the squares"


def test_an_answer_of_somebody_else_or_of_nobody_cannot_be_sent(chat: ChatServer) -> None:
    ann = chat.start().person()
    said = lines(ann.post("answer", model="tiny/sft", messages=ASK, max_tokens=2))[0]["id"]
    bob = type(ann)(chat.address, add_user(chat.desk, "bob"))
    for person, name in ((bob, said), (ann, "no such answer"), (ann, None)):
        refused = person.post("review", id=name)
        assert refused.status_code == 404 and "not known here" in refused.json()["error"]


def test_a_suggested_prompt_is_answered_and_its_answer_checked_by_its_tests(
    chat: ChatServer,
) -> None:
    bank = build(5, {"functions": 3}, {"functions": 2})
    with Store(chat.home, "tiny", "run-1", "run-1").writing(
        "task_bank", recipe_hash="-", seed=1
    ) as out:
        out.table("suites/heldout.parquet", (task.to_row() for task in bank.heldout), "tasks")
    ann = chat.start().person()
    first = ann.http.get("/api/suggestions?model=tiny/sft").json()["suggestions"][0]
    assert first["family"] == "functions" and first["id"].startswith("heldout/")
    assert ann.http.get("/api/suggestions?model=tiny/nosuch").status_code == 404
    asked = [{"role": "user", "content": first["text"]}]
    said = lines(ann.post("answer", model="tiny/sft", messages=asked, max_tokens=4))[0]["id"]
    checked = ann.post("check", id=said, task=first["id"], text="forged").json()
    assert checked["outcome"] == "fail" and checked["reason"] and checked["reference"]
    other = lines(ann.post("answer", model="tiny/sft", messages=ASK, max_tokens=2))[0]["id"]
    refused = ann.post("check", id=other, task=first["id"])
    assert refused.status_code == 400 and "not to that task's prompt" in refused.json()["error"]
    bob = type(ann)(chat.address, add_user(chat.desk, "bob"))
    assert bob.post("check", id=said, task=first["id"]).status_code == 404


@pytest.mark.parametrize("switch", [None, "1", ""])
def test_the_switch_closes_page_and_api_and_says_why(chat: ChatServer, switch: str | None) -> None:
    ann = chat.start(switch=switch).person()
    page = ann.http.get("/").text
    assert "Chat is closed." in page and "SENTINEL_WEB_CHAT_DISABLED" in page
    refused = ann.post("answer", model="tiny/sft", messages=ASK)
    assert refused.status_code == 403 and "set it to 0" in refused.json()["error"]
    answer = complete(chat)
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "chat_closed"


def test_every_request_asks_the_guard_again(chat: ChatServer) -> None:
    ann = chat.start().person()
    assert complete(chat).status_code == 200
    with device_lock(chat.home.device_lock):
        assert "in use by process" in complete(chat).json()["error"]["message"]
        assert ann.post("answer", model="tiny/sft", messages=ASK).status_code == 403
        states = {one["name"]: one["open"] for one in ann.http.get("/api/status").json()["models"]}
        assert states == {"tiny/sft": False, "tiny/dpo": False}
    assert complete(chat).status_code == 200


def test_an_unproven_checkpoint_is_closed_or_named_experimental(chat: ChatServer) -> None:
    chat.start()
    assert (
        "format probe of this checkpoint has not been taken"
        in complete(chat, model="tiny/dpo").json()["error"]["message"]
    )
    chat.stop()
    ann = chat.start("--experimental", "tiny/dpo").person()
    first = lines(ann.post("answer", model="tiny/dpo", messages=ASK, max_tokens=2))[0]
    assert (
        first["experimental"] is True
        and "sentinel bench tiny/dpo --suite format_probe" in first["reasons"][0]
    )
    told = complete(chat, model="tiny/dpo").json()["sentinel"]
    assert told == {"experimental": True, "reasons": first["reasons"]}
    assert complete(chat).status_code == 404


def test_the_api_answers_as_openais_does_whole_and_streamed(chat: ChatServer) -> None:
    chat.start()
    models = chat.api().get("/models").json()
    assert models["object"] == "list" and [one["id"] for one in models["data"]] == [
        "tiny/sft",
        "tiny/dpo",
    ]
    whole = complete(chat).json()
    (choice,) = whole["choices"]
    assert whole["object"] == "chat.completion" and choice["finish_reason"] == "length"
    assert choice["message"]["role"] == "assistant" and whole["usage"]["completion_tokens"] == 12
    assert whole["usage"]["total_tokens"] == 12 + whole["usage"]["prompt_tokens"] > 12
    streamed = complete(chat, stream=True, stream_options={"include_usage": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    first, *middle, end, usage = events(streamed.text)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(one["choices"][0]["delta"]["content"] for one in middle)
    assert text == choice["message"]["content"]
    assert (end["choices"][0]["finish_reason"], end["choices"][0]["delta"]) == ("length", {})
    assert usage["choices"] == [] and usage["usage"] == whole["usage"]
    assert {one["object"] for one in (first, *middle, end, usage)} == {"chat.completion.chunk"}


def test_a_stop_text_ends_the_answer_before_it_whole_and_streamed(chat: ChatServer) -> None:
    chat.start()
    text = complete(chat, max_tokens=200).json()["choices"][0]["message"]["content"]
    stop = text[30:34]
    expected = text[: text.index(stop)]
    whole = complete(chat, max_tokens=2000, stop=[stop, "never comes"]).json()
    assert (
        whole["choices"][0]["message"]["content"] == expected
        and whole["choices"][0]["finish_reason"] == "stop"
    )
    assert whole["usage"]["completion_tokens"] < 2000
    middle = events(complete(chat, max_tokens=2000, stop=stop, stream=True).text)[1:-1]
    assert "".join(one["choices"][0]["delta"]["content"] for one in middle) == expected


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            400,
            "messages",
        ),
        ({"messages": [{"role": "user", "content": "squares " * 6000}]}, 400, "messages"),
        ({"temperature": 3}, 400, "temperature"),
        ({"temperature": True}, 400, "temperature"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 1.5}, 400, "max_tokens"),
        ({"n": 2}, 400, "n"),
        ({"tools": [{"type": "function"}]}, 400, "tools"),
        ({"stop": [1]}, 400, "stop"),
        ({"stream": "yes"}, 400, "stream"),
        ({"model": "tiny:nosuch"}, 404, "model"),
        ({"model": "../../etc/passwd"}, 404, "model"),
        ({"model": None}, 404, "model"),
    ],
)
def test_a_wrong_request_is_told_which_field_in_openais_shape(
    module_chat: ChatServer, change: dict[str, Any], status: int, param: str
) -> None:
    answer = complete(module_chat, **change)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["param"] == param and error["type"] == "invalid_request_error" and error["message"]


@pytest.fixture(scope="module")
def module_chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatServer]:
    """One server for the requests that leave nothing behind."""
    import shutil

    from sentinel_pipeline_tests.conftest import ROOT

    root = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "data" / "recipes", root / "data" / "recipes")
    server = ChatServer(Home(root), tmp_path_factory.mktemp("models"))
    yield server.start()
    server.stop()


def test_what_asks_for_nothing_is_accepted(module_chat: ChatServer) -> None:
    neutral = {
        "n": 1,
        "tools": [],
        "logprobs": False,
        "presence_penalty": 0,
        "user": "u",
        "stop": None,
    }
    parts = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "list"}]},
    ]
    assert complete(module_chat, messages=parts, **neutral).status_code == 200


def test_only_a_living_persons_token_is_a_key(module_chat: ChatServer) -> None:
    token = add_user(module_chat.desk, "eve")
    assert module_chat.api(token).get("/models").status_code == 200
    remove_user(module_chat.desk, "eve")
    for headers in ({"authorization": f"Bearer {token}"}, {}, {"authorization": "Bearer x"}):
        answer = httpx.get(f"{module_chat.address}/v1/models", headers=headers)
        assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_api_key"
    cookie = module_chat.person().http
    assert (
        cookie.get("/v1/models").status_code == 401
    )  # a page of another site could ride on a cookie, not on a key


def test_strangers_foreign_hosts_and_forged_requests_get_nothing(module_chat: ChatServer) -> None:
    address = module_chat.address
    assert httpx.post(f"{address}/api/answer", json={}).status_code == 401
    assert httpx.get(f"{address}/").headers["location"] == "/login"
    assert httpx.get(f"{address}/v1/models", headers={"host": "evil.example"}).status_code == 421
    ann = module_chat.person()
    assert ann.http.post("/api/answer", json={}).status_code == 403
    crossed = ann.http.post(
        "/api/answer", json={}, headers={"x-csrf-token": ann.csrf, "origin": "http://evil.example"}
    )
    assert crossed.status_code == 403
    assert "default-src 'none'" in ann.http.get("/").headers["content-security-policy"]


def test_who_goes_away_frees_the_place_and_the_model(module_chat: ChatServer) -> None:
    ann = module_chat.person()
    headers = {"x-csrf-token": ann.csrf}
    body = {"model": "tiny/sft", "messages": ASK, "max_tokens": 4000}
    for _ in range(12):
        with ann.http.stream("POST", "/api/answer", json=body, headers=headers) as answer:
            assert answer.status_code == 200
            received = answer.iter_lines()
            assert "id" in json.loads(next(received))
            assert "piece" in json.loads(next(received))
    deadline = time.monotonic() + 120
    while (
        answer := ann.post("answer", model="tiny/sft", messages=ASK, max_tokens=3)
    ).status_code == 429:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert lines(answer)[-1]["done"]["completion_tokens"] == 3


def test_a_body_too_large_or_no_json_is_refused(module_chat: ChatServer) -> None:
    api = module_chat.api()
    assert api.post("/chat/completions", content=b"[1]").status_code == 400
    assert (
        api.post("/chat/completions", content=b'{"a": "' + b"x" * (9 << 20) + b'"}').status_code
        == 413
    )
