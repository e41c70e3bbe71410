"""The chat server against clients that mean harm: no input is a 5xx, no key has all the places, and
a conversation is measured before anything reads it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from sentinel_pipeline.chat.flagged import ChatAnswer
from sentinel_pipeline.chat.models import Models
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Message
from sentinel_pipeline.review.users import add_user
from sentinel_pipeline.store import Home
from sentinel_pipeline.web.answering import (
    MOST_CHARACTERS,
    MOST_MESSAGES,
    OF_ONE,
    conversation,
    number,
    whole,
)
from sentinel_pipeline.web.chat import REMEMBERED, Chat
from sentinel_pipeline.web.login import Server as Shared
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.web.attackers import broken, half_sent, wrong_keys
from sentinel_pipeline_tests.web.chat_server import ChatServer

ASK = [{"role": "user", "content": "list of the squares"}]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatServer]:
    root = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "data" / "recipes", root / "data" / "recipes")
    server = ChatServer(Home(root), tmp_path_factory.mktemp("models"))
    yield server.start()
    server.stop()


def complete(chat: ChatServer, body: str | bytes) -> httpx.Response:
    return chat.api().post("/chat/completions", content=body)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ('"temperature": 5e-324', 200),
        ('"temperature": 1e-300', 200),
        ('"temperature": 0.01', 200),
        ('"temperature": 2', 200),
        ('"temperature": 1, "top_p": 1e-320', 200),
        ('"temperature": 1, "top_p": 5e-324, "seed": -9223372036854775808', 200),
        ('"temperature": 1, "seed": 9223372036854775807', 200),
        ('"temperature": 1, "seed": 9223372036854775808', 400),
        ('"temperature": -0.0', 200),
        ('"temperature": NaN', 400),
        ('"temperature": Infinity', 400),
        ('"temperature": -Infinity', 400),
        ('"temperature": 1e999', 400),
        ('"temperature": 1' + "0" * 400, 400),
        ('"top_p": NaN', 400),
        ('"max_tokens": NaN', 400),
        ('"max_tokens": 1e308', 400),
        ('"seed": NaN', 400),
        ('"seed": 1e300', 400),
        ('"stop": ["\\ud800"]', 200),
        ('"stop": ["", "x"]', 400),
        ('"stop": {"a": 1}', 400),
        ('"stream_options": [1]', 400),
        ('"stream": null', 200),
        ('"user": "\\ud800"', 200),
        ('"\\ud800": "\\udfff"', 400),
        ('"logit_bias": {"a": NaN}', 400),
    ],
)
def test_extreme_fields_are_answered_or_refused(chat: ChatServer, fields: str, status: int) -> None:
    body = f'{{"model": "tiny/sft", "messages": {json.dumps(ASK)}, "max_tokens": 3, {fields}}}'
    answer = complete(chat, body)
    assert answer.status_code == status, answer.text
    answer.json()


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"role": "user", "content": "\ud800 squares \udfff \x00"}], 200),
        ([{"role": "user", "content": [{"type": "text", "text": "\ud800"}]}], 200),
        ([{"role": "user", "content": None}], 400),
        ([{"role": "assistant", "content": None, "tool_calls": []}, *ASK], 400),
        ([{"role": None, "content": "x"}], 400),
        ([{"role": {"a": ["\ud800"] * 9}, "content": "x"}], 400),
        ([{"role": "user"}], 400),
        ([{"content": "x"}], 400),
        ([{"role": "user", "content": {"a": 1}}], 400),
        ([{"role": "user", "content": [None]}], 400),
        ([{"role": "user", "content": []}], 400),
        ([None], 400),
        ([[]], 400),
        ("text", 400),
        ({"role": "user"}, 400),
        (None, 400),
        (7, 400),
        ([*ASK * 50_000], 413),
        ([*ASK * (MOST_MESSAGES + 1)], 413),
        ([{"role": "user", "content": "x" * (MOST_CHARACTERS + 1)}], 400),
    ],
)
def test_odd_messages_are_answered_or_refused_at_once(
    chat: ChatServer, messages: Any, status: int
) -> None:
    body = json.dumps({"model": "tiny/sft", "messages": messages, "max_tokens": 2})
    began = time.monotonic()
    answer = complete(chat, body)
    if len(body) > 2 * 2**20:
        assert answer.status_code == 413
    elif status == 413:
        assert answer.status_code in (400, 413)
    else:
        assert answer.status_code == status, answer.text
    assert len(answer.text) < 4000, "what was sent is not sent back"
    if status != 200:
        assert time.monotonic() - began < 5


def test_a_hundred_thousand_messages_cost_milliseconds() -> None:
    messages = [{"role": "user", "content": "x"}] * 100_000
    began = time.perf_counter()
    with pytest.raises(BadInput, match="100000 messages, the most is 1000"):
        conversation(messages)
    assert time.perf_counter() - began < 0.1


def test_a_conversation_longer_than_any_of_its_tokens_is_not_tokenized(chat: ChatServer) -> None:
    body = {"model": "tiny/sft", "messages": [{"role": "user", "content": "x" * 900_000}]}
    began = time.monotonic()
    answer = complete(chat, json.dumps(body))
    assert answer.status_code == 400 and "900000 characters" in answer.json()["error"]["message"]
    assert time.monotonic() - began < 5


def test_a_note_of_any_text_reaches_the_queue(chat: ChatServer) -> None:
    ann = chat.person()
    answer = ann.post("answer", model="tiny/sft", messages=ASK, max_tokens=2)
    name = json.loads(answer.text.splitlines()[0])["id"]
    for note in (None, 1, ["x"], {"a": 1}, "x" * 2001):
        assert ann.post("review", id=name, note=note).status_code == 400, note
    body = json.dumps({"id": name, "note": "\ud800\x00\x1b[31m[/red]<b>\u202e"})
    sent = ann.http.post("/api/review", content=body, headers={"x-csrf-token": ann.csrf})
    assert sent.json() == {"sent": 1, "known": 0}


def test_one_key_has_a_share_of_the_places_and_another_key_goes_on(chat: ChatServer) -> None:
    other = add_user(chat.desk, "fay")
    body = {"model": "tiny/sft", "messages": ASK, "stream": True, "max_tokens": 4000}
    with ExitStack() as streams:
        api = streams.enter_context(chat.api())
        for _ in range(OF_ONE):
            answer = streams.enter_context(api.stream("POST", "/chat/completions", json=body))
            assert answer.status_code == 200
        refused = chat.api().post("/chat/completions", json=body)
        assert refused.status_code == 429 and "retry-after" in refused.headers
        assert "of your answers" in refused.json()["error"]["message"]
        page = chat.person().post("answer", model="tiny/sft", messages=ASK, max_tokens=2)
        assert page.status_code == 429 and page.json()["kind"] == "busy"
        with chat.api(other).stream("POST", "/chat/completions", json=body) as answer:
            assert answer.status_code == 200


def test_sixty_wrong_keys_shut_nobody_out(chat: ChatServer) -> None:
    statuses = wrong_keys(chat.address, 9, api=True)
    assert statuses[:5] == [401] * 5 and set(statuses[5:]) == {429}
    began = time.monotonic()
    assert chat.api().get("/models").status_code == 200
    assert time.monotonic() - began < 5


def test_half_sent_and_broken_requests_leave_no_traceback(chat: ChatServer) -> None:
    assert {answer[9:12] for answer in half_sent(chat.port, 40)} == {b"408"}
    assert all(not answer or int(answer[9:12]) < 500 for answer in broken(chat.port))
    assert "Traceback" not in chat.log()


def test_what_was_said_is_remembered_within_bounds_and_by_person(home: Home) -> None:
    chat = Chat(Shared.__new__(Shared), Models(home, None, experimental=False))
    quiet = ChatAnswer.new("m", "h", (Message("user", "x"),)).ended("hello", 1.0)
    chat.remember("ann", quiet)
    for _ in range(60):
        loud = ChatAnswer.new("m", "h", (Message("user", "y" * 900_000),)).ended("", 1.0)
        chat.remember("eve", loud)
    assert quiet.id in chat.said and loud.id in chat.said
    characters = sum(len(turn.content) for _, each in chat.said.values() for turn in each.messages)
    assert characters <= REMEMBERED


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", True, [], 10**400])
def test_a_number_is_a_number_within_its_bounds(value: Any) -> None:
    with pytest.raises(BadInput, match="expected a number"):
        number({"t": value}, "t", 0.0, 0.0, 2.0)
    with pytest.raises(BadInput, match="expected a number"):
        whole({"t": value}, "t", 1, 1, 9)
    assert isinstance(number({"t": 1}, "t", 0.0, 0.0, 2.0), float)
