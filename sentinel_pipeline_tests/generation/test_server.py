"""A served model: answers are kept as they come, trouble is retried and is never an answer,
refusals are named."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.critic.thoughts import UNFINISHED, Parted, part
from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.generation import Decoding, Prompt, read_answers
from sentinel_pipeline.generation.answers import Answer, answer_by
from sentinel_pipeline.generation.cache import AnswerCache
from sentinel_pipeline.generation.server import Server, ServerSpec
from sentinel_pipeline.records import FunctionCalls, Message, TextAnswer
from sentinel_pipeline.records.conversation import place_of
from sentinel_pipeline_tests.generation.served import completion, serving


def spec(url: str, **change: Any) -> ServerSpec:
    return replace(
        ServerSpec(base_url=url, model="m", wait_s=0.001, timeout_s=30, tries=3, concurrency=4),
        **change,
    )


def prompts(count: int = 10) -> list[Prompt]:
    return [Prompt(f"p{i}", (Message("user", f"say {i}"),)) for i in range(count)]


def last(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def test_every_prompt_is_asked_once_with_its_decoding_and_the_tokens_are_counted(
    tmp_path: Path,
) -> None:
    with (
        serving(lambda body: f"you said {last(body)}") as served,
        Server(spec(served.url, key="k3y")) as server,
    ):
        decoding = Decoding(temperature=0.5, top_p=0.9, max_new_tokens=7)
        assert answer_by(server, prompts(), decoding, tmp_path / "a.jsonl") == 0
        usage = server.usage
    found = {row.id: row for row in read_answers(tmp_path / "a.jsonl")}
    assert {name: (row.completion, row.stopped, row.tokens) for name, row in found.items()} == {
        f"p{i}": (f"you said say {i}", True, 4) for i in range(10)
    }
    assert (usage.requests, usage.retries, usage.prompt_tokens, usage.completion_tokens) == (
        10,
        0,
        100,
        40,
    )
    assert usage.cost(1.0, 10.0) == pytest.approx((100 + 400) / 1e6)
    assert set(served.keys) == {"Bearer k3y"}
    assert {(b["model"], b["temperature"], b["top_p"], b["max_tokens"]) for b in served.asked} == {
        ("m", 0.5, 0.9, 7)
    }
    assert len({body["seed"] for body in served.asked}) == 10, "each item has its own draw"


def test_plain_formats_go_to_completions_as_text(tmp_path: Path) -> None:
    with serving(lambda body: "so on") as served, Server(spec(served.url)) as server:
        answer_by(server, prompts(1), Decoding(prompt_format="raw"), tmp_path / "a.jsonl")
        answer_by(server, prompts(1), Decoding(prompt_format="cue"), tmp_path / "b.jsonl")
    assert [(b["path"], b["prompt"]) for b in served.asked] == [
        ("/v1/completions", "say 0\n"),
        ("/v1/completions", "Instruction: say 0\nResponse:"),
    ]


@pytest.mark.parametrize(
    "trouble",
    [(503, {}), (429, {}), (500, b"oops"), (200, b"{"), (200, {}), (200, {"choices": []})],
)
def test_passing_trouble_is_retried_and_leaves_no_trace_in_the_answers(
    tmp_path: Path, trouble: Any
) -> None:
    seen: Counter[str] = Counter()

    def flaky(body: dict[str, Any]) -> Any:
        seen[last(body)] += 1
        return trouble if seen[last(body)] < 3 else "fine"

    with serving(flaky) as served, Server(spec(served.url)) as server:
        assert answer_by(server, prompts(4), Decoding(), tmp_path / "a.jsonl") == 0
        assert (server.usage.requests, server.usage.retries, server.usage.failed) == (12, 8, 0)
    assert {row.completion for row in read_answers(tmp_path / "a.jsonl")} == {"fine"}


def test_a_servers_wait_is_kept(tmp_path: Path) -> None:
    times: list[float] = []

    def busy(body: dict[str, Any]) -> Any:
        times.append(time.monotonic())
        return (429, {}, {"retry-after": "0.4"}) if len(times) == 1 else "fine"

    with serving(busy) as served, Server(spec(served.url)) as server:
        answer_by(server, prompts(1), Decoding(), tmp_path / "a.jsonl")
    assert times[1] - times[0] >= 0.4


def test_one_lost_item_is_left_out_and_asked_again_by_the_next_run(tmp_path: Path) -> None:
    broken = True

    def answer(body: dict[str, Any]) -> Any:
        return (500, {}) if broken and last(body) == "say 3" else "fine"

    with serving(answer) as served, Server(spec(served.url)) as server:
        assert answer_by(server, prompts(), Decoding(), tmp_path / "a.jsonl") == 1
        assert server.usage.failed >= 1
        assert "p3" not in {row.id for row in read_answers(tmp_path / "a.jsonl")}
        broken, before = False, len(served.asked)
        assert answer_by(server, prompts(), Decoding(), tmp_path / "a.jsonl") == 0
        assert [last(body) for body in served.asked[before:]] == ["say 3"]


def test_an_outage_ends_the_run_keeps_what_is_there_and_is_infrastructure(tmp_path: Path) -> None:
    told: list[str] = []

    def answer(body: dict[str, Any]) -> Any:
        with served.lock:
            if len(told) == 10:
                return 503, {}
            told.append(last(body))
        return "fine"

    with (
        serving(answer) as served,
        Server(spec(served.url)) as server,
        pytest.raises(
            Infrastructure,
            match=r"is out: \d+ items in a row failed, the last by HTTP 503.*run the same",
        ),
    ):
        answer_by(server, prompts(100), Decoding(), tmp_path / "a.jsonl")
    kept = list(read_answers(tmp_path / "a.jsonl"))
    assert len(kept) == 10 and all(row.completion == "fine" for row in kept)
    assert len(served.asked) < 60, "an outage is noticed, not asked through"


def test_nobody_at_the_address_is_infrastructure(tmp_path: Path) -> None:
    with serving(lambda body: "x") as served:
        gone = served.url
    with Server(spec(gone)) as server, pytest.raises(Infrastructure, match="is out.*ConnectError"):
        answer_by(server, prompts(20), Decoding(), tmp_path / "a.jsonl")
    assert list(read_answers(tmp_path / "a.jsonl")) == []


REFUSED = [
    (
        401,
        {"error": "bad key \x1b[31m"},
        r"refused the request for model 'm': HTTP 401: .*bad key.*Check the key",
    ),
    (404, {"error": "no such model"}, r"HTTP 404.*Check --base-url and the model's name"),
    (400, {"error": "unknown field"}, r"HTTP 400: .*unknown field"),
]


@pytest.mark.parametrize(
    ("status", "body", "message"), REFUSED, ids=[status for status, *_ in REFUSED]
)
def test_a_refusal_is_bad_input_and_is_not_retried(
    tmp_path: Path, status: int, body: Any, message: str
) -> None:
    with (
        serving(lambda _: (status, body)) as served,
        Server(spec(served.url, concurrency=1)) as server,
        pytest.raises(BadInput, match=message) as caught,
    ):
        answer_by(server, prompts(5), Decoding(), tmp_path / "a.jsonl")
    assert len(served.asked) == 1 and "\x1b" not in str(caught.value)


def test_too_long_a_prompt_a_filter_and_a_cut_answer_are_the_answers_fate(tmp_path: Path) -> None:
    replies: dict[str, Any] = {
        "say 0": (400, {"error": {"message": "This model's maximum context length is 10 tokens"}}),
        "say 1": (400, {"error": {"code": "content_filter"}}),
        "say 2": (200, completion("half an", finish="length")),
        "say 3": (200, completion(None)),
    }
    with serving(lambda body: replies[last(body)]) as served, Server(spec(served.url)) as server:
        answer_by(server, prompts(4), Decoding(), tmp_path / "a.jsonl")
    found = {row.id: (row.completion, row.stopped) for row in read_answers(tmp_path / "a.jsonl")}
    assert found == {
        "p0": ("", False),
        "p1": ("", False),
        "p2": ("half an", False),
        "p3": ("", True),
    }


def test_requests_run_in_parallel_but_no_more_than_asked_and_no_faster_than_the_rate(
    tmp_path: Path,
) -> None:
    def slow(body: dict[str, Any]) -> str:
        time.sleep(0.05)
        return "x"

    with serving(slow) as served, Server(spec(served.url, concurrency=3)) as server:
        answer_by(server, prompts(12), Decoding(), tmp_path / "a.jsonl")
    assert 1 < served.most_at_once <= 3
    with (
        serving(lambda body: "x") as served,
        Server(spec(served.url, requests_per_minute=600)) as server,
    ):
        began = time.monotonic()
        answer_by(server, prompts(6), Decoding(), tmp_path / "b.jsonl")
    assert time.monotonic() - began >= 0.5


def test_an_address_that_is_none_is_bad_input() -> None:
    with pytest.raises(BadInput, match="not an http or https address"):
        Server(spec("file:///etc/passwd"))


# -- rounds and the cache, which every engine shares -----------------------------------------------


def conversation() -> list[Prompt]:
    first, second = Message("user", "one"), Message("user", "two")
    turns = [Prompt("c#1", (first,)), Prompt("c#2", (first, place_of("c#1"), second))]
    return [*turns, Prompt("c#3", (*turns[1].messages, place_of("c#2"), Message("user", "three")))]


def test_later_turns_hold_the_models_own_earlier_answers(tmp_path: Path) -> None:
    with (
        serving(lambda body: f"{last(body)} after {len(body['messages'])}") as served,
        Server(spec(served.url)) as server,
    ):
        assert answer_by(server, conversation()[::-1], Decoding(), tmp_path / "a.jsonl") == 0
    asked = [[turn["content"] for turn in body["messages"]] for body in served.asked]
    assert asked == [
        ["one"],
        ["one", "one after 1", "two"],
        ["one", "one after 1", "two", "two after 3", "three"],
    ]


def test_a_turn_after_a_lost_one_is_not_asked(tmp_path: Path) -> None:
    with (
        serving(lambda body: (500, {}) if last(body) == "two" else "x") as served,
        Server(spec(served.url)) as server,
    ):
        assert answer_by(server, conversation(), Decoding(), tmp_path / "a.jsonl") == 2
    assert "three" not in {last(body) for body in served.asked}


def test_an_answer_that_looks_like_a_place_is_plain_text(tmp_path: Path) -> None:
    with serving(lambda body: "{answer:c#3}") as served, Server(spec(served.url)) as server:
        assert answer_by(server, conversation(), Decoding(), tmp_path / "a.jsonl") == 0
    assert served.asked[-1]["messages"][1]["content"] == "{answer:c#3}"


def test_a_prompt_that_waits_for_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match="waits for the answer to 'c#1', which is not among the prompts"
    ):
        answer_by(
            lambda asked, decoding: iter(()), conversation()[1:], Decoding(), tmp_path / "a.jsonl"
        )


def test_what_a_model_answered_before_is_not_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def engine(prompts: Any, decoding: Decoding) -> Any:
        asked.extend(prompt.id for prompt in prompts)
        yield [
            Answer(prompt.id, f"{prompt.messages[-1].content}!", True, 1, 0.1) for prompt in prompts
        ]

    def run(name: str, count: int, model: str = "abc", **change: Any) -> list[Answer]:
        cache = AnswerCache(tmp_path / "cache", model)
        answer_by(
            engine, prompts(count), replace(Decoding(), **change), tmp_path / name, None, cache
        )
        return sorted(read_answers(tmp_path / name))

    first = run("a", 3)
    again = run("b", 5)
    assert asked == ["p0", "p1", "p2", "p3", "p4"]
    assert [row._replace(seconds=0.1) for row in again[:3]] == first
    run("c", 2, batch_size=1)
    assert len(asked) == 5, "the batch is no part of the question"
    run("d", 2, model="abd")
    run("e", 2, max_new_tokens=5)
    run("f", 2, temperature=1.0)
    run("g", 2, temperature=1.0, seed=5)
    assert len(asked) == 13
    (path,) = (tmp_path / "cache" / "abd").iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    run("h", 2, model="abd")
    assert len(asked) == 14, "a torn row is asked again, whole ones are not"
    run("i", 2, model="abd")
    assert len(asked) == 14


def reasoned(content: str | None, finish: str, field: str = "reasoning_content") -> dict[str, Any]:
    body = completion(content, finish=finish)
    body["choices"][0]["message"][field] = "two and two"
    return body


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_stands_before_the_answer_as_a_thought(tmp_path: Path, field: str) -> None:
    with (
        serving(lambda body: (200, reasoned("It is 4.", "stop", field))) as served,
        Server(spec(served.url)) as server,
    ):
        assert answer_by(server, prompts(1), Decoding(), tmp_path / "a.jsonl") == 0
        assert server.ask([Message("user", "?")], max_tokens=9).text == "It is 4."
    (row,) = read_answers(tmp_path / "a.jsonl")
    assert part(row.completion) == Parted("\ntwo and two\n", "It is 4.")


def test_reasoning_without_an_answer_is_a_failed_item_and_no_trouble_of_the_server(
    tmp_path: Path,
) -> None:
    with (
        serving(lambda body: (200, reasoned(None, "length"))) as served,
        Server(spec(served.url)) as server,
    ):
        assert answer_by(server, prompts(1), Decoding(), tmp_path / "a.jsonl") == 0
    (row,) = read_answers(tmp_path / "a.jsonl")
    verifier = TextAnswer(must_contain=("two",))
    (found,) = score(
        [Scorable(row.id, prompts(1)[0].messages, row.completion, verifier, row.stopped)]
    )
    assert (row.stopped, found.outcome, found.reason) == (False, "fail", UNFINISHED)


def test_a_later_turn_is_asked_with_the_earlier_answer_and_without_its_thought(
    tmp_path: Path,
) -> None:
    with (
        serving(lambda body: "<think>hm</think>\nfour") as served,
        Server(spec(served.url)) as server,
    ):
        first = Prompt("c#1", (Message("user", "2+2?"),))
        second = Prompt("c#2", (*first.messages, place_of("c#1"), Message("user", "sure?")))
        assert answer_by(server, [first, second], Decoding(), tmp_path / "a.jsonl") == 0
    assert [turn["content"] for turn in served.asked[-1]["messages"]] == ["2+2?", "four", "sure?"]


CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "rain", "arguments": '{"city": "Braga"}'},
}
BROKEN = {"id": "c1", "type": "function", "function": {"name": "rain", "arguments": '{"city'}}


@pytest.mark.parametrize(
    ("message", "outcome"),
    [({"tool_calls": [CALL]}, "pass"), ({"tool_calls": [BROKEN]}, "fail"), ({"refusal": "No."}, "fail")],
)  # fmt: skip
def test_a_reply_without_words_is_its_calls_or_its_refusal(
    tmp_path: Path, message: dict[str, Any], outcome: str
) -> None:
    body = completion(None, finish="tool_calls")
    body["choices"][0]["message"] |= message
    with serving(lambda _: (200, body)) as served, Server(spec(served.url)) as server:
        assert answer_by(server, prompts(1), Decoding(), tmp_path / "a.jsonl") == 0
    (row,) = read_answers(tmp_path / "a.jsonl")
    verifier = FunctionCalls(
        functions='[{"name": "rain", "parameters": {"properties": {"city": {"type": "string"}}}}]',
        expected='[{"rain": {"city": ["Braga"]}}]',
    )
    (found,) = score(
        [Scorable(row.id, prompts(1)[0].messages, row.completion, verifier, row.stopped)]
    )
    assert row.stopped and row.completion.strip()
    assert found.outcome == outcome
