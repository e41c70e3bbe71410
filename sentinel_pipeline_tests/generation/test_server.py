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
from sentinel_pipeline.generation.server import Server, ServerSpec, spec_of
from sentinel_pipeline.records import FunctionCalls, Message, TextAnswer
from sentinel_pipeline.records.conversation import place_of
from sentinel_pipeline.records.recipe import load_recipe
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
    (
        400,
        {"error": "Unsupported parameter: use 'max_completion_tokens'"},
        "Bound its answers by that field: --token-limit max_completion_tokens",
    ),
    (400, {"error": "'temperature' does not support 0"}, "Leave them out: --no-send-sampling"),
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


def test_several_servers_share_the_work(tmp_path: Path) -> None:
    with serving(lambda body: "one") as first, serving(lambda body: "two") as second:
        both = spec(first.url, more_urls=(second.url,), concurrency=1)
        with Server(both) as server:
            assert answer_by(server, prompts(10), Decoding(), tmp_path / "a.jsonl") == 0
    assert (len(first.asked), len(second.asked)) == (5, 5)


def test_a_server_that_is_out_rests_while_another_answers(tmp_path: Path) -> None:
    """No item waits for it: its pause is longer than the test."""
    with serving(lambda body: (503, {})) as broken, serving(lambda body: "fine") as sound:
        both = spec(broken.url, more_urls=(sound.url,), concurrency=1, wait_s=30.0)
        began = time.monotonic()
        with Server(both) as server:
            assert answer_by(server, prompts(6), Decoding(), tmp_path / "a.jsonl") == 0
            assert server.usage.failed == 0
    assert time.monotonic() - began < 20
    assert len(broken.asked) == 1 and len(sound.asked) == 6


def test_a_reasoning_models_own_words_are_sent(tmp_path: Path) -> None:
    """It knows another field for the bound, an effort, and no temperature or seed."""
    with serving(lambda body: "fine") as served:
        reasoning = spec(
            served.url, token_limit="max_completion_tokens", reasoning_effort="low", sampling=False
        )
        with Server(reasoning) as server:
            decoding = Decoding(temperature=0.7, max_new_tokens=900)
            answer_by(server, prompts(1), decoding, tmp_path / "a.jsonl")
            server.ask([Message("user", "judge")], max_tokens=500)
    for body, limit in zip(served.asked, (900, 500), strict=True):
        assert body["max_completion_tokens"] == limit and body["reasoning_effort"] == "low"
        assert not {"max_tokens", "temperature", "top_p", "seed"} & body.keys()


def test_a_server_must_say_that_it_serves_the_weights_in_question(tmp_path: Path) -> None:
    """Its answers would be no evidence about others."""
    weights = tmp_path / "model"
    weights.mkdir()
    with serving(lambda body: "fine") as served, Server(spec(served.url)) as server:
        with pytest.raises(Infrastructure, match=r"does not tell of a model 'm'.*vllm serve"):
            server.require_serves(weights)
        served.models = [{"id": "m", "root": "Qwen/Qwen3-4B"}]
        with pytest.raises(Infrastructure, match=r"serves Qwen/Qwen3-4B as 'm', not the weights"):
            server.require_serves(weights)
        served.models = [{"id": "m", "root": str(weights)}]
        server.require_serves(weights)


def test_a_recipe_names_its_servers(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('[bench]\nengine = "server"\n[server]\nmodel = "m"\n')
    with pytest.raises(BadInput, match=r"server\.base_urls.*names no server"):
        load_recipe(path)
    path.write_text(
        '[bench]\nengine = "server"\n[server]\nmodel = "m"\nbase_urls = ["http://a/v1", "http://b/v1"]\n'
        'max_retries = 2\ntoken_limit = "max_completion_tokens"\n'
    )
    served = spec_of(load_recipe(path).server)
    assert (served.urls, served.tries) == (("http://a/v1", "http://b/v1"), 3)
    assert served.token_limit == "max_completion_tokens"


def test_a_job_answers_by_servers_and_what_stays_unanswered_is_infrastructure(
    tmp_path: Path,
) -> None:
    from sentinel_pipeline.records.engine_spec import ServerModel
    from sentinel_pipeline.run_job import answer_suites
    from sentinel_pipeline.store import write_parquet
    from sentinel_pipeline.tasks.suites import load_suite
    from sentinel_pipeline.worker.interrupts import Interrupts
    from sentinel_pipeline.worker.jobs import AnswerJob
    from sentinel_pipeline.worker.progress import Progress

    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    tasks = load_suite("smoke")
    write_parquet(tmp_path / "smoke.parquet", (task.to_row() for task in tasks), "tasks")
    refused = last({"messages": [turn.to_dict() for turn in tasks[0].messages]})
    with serving(lambda body: (500, {}) if last(body) == refused else "fine") as served:
        served.models = [{"id": "m", "root": str(model)}]
        job = AnswerJob(
            logs=tmp_path / "logs",
            model=model,
            suites={"smoke": str(tmp_path / "smoke.parquet")},
            engine="server",
            server=ServerModel(model="m", base_urls=(served.url,), max_retries=1),
        )
        progress = Progress(None, "answer", lambda text: None)
        with pytest.raises(Infrastructure, match=r"1 of 8 items have no answer.*run again"):
            answer_suites(job, progress, Interrupts())
        served.answer = lambda body: "fine"
        assert answer_suites(job, progress, Interrupts())["items"] == 8
    assert {row.id for row in read_answers(job.logs / "smoke.jsonl")} == {t.id for t in tasks}
