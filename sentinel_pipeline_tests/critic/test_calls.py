"""Function calls: BFCL's ground truths are accepted, every mutation of one field is rejected, and
JSON's own freedoms are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.critic.calls import check_calls, gold_calls, judge_calls
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.records import FunctionCalls, Message, Task
from sentinel_pipeline.tasks.suites import load_suite

FUNCTIONS = [
    {
        "name": "book",
        "parameters": {
            "type": "dict",
            "properties": {
                "city": {"type": "string"},
                "nights": {"type": "integer"},
                "price": {"type": "float"},
                "pets": {"type": "boolean"},
                "dates": {"type": "array", "items": {"type": "string"}},
                "guest": {"type": "dict"},
            },
            "required": ["city", "nights"],
        },
    },
    {
        "name": "cancel",
        "parameters": {
            "type": "dict",
            "properties": {"id": {"type": "integer"}},
            "required": ["id"],
        },
    },
]
BOOK = {
    "book": {
        "city": ["San José", "san jose, CR"],
        "nights": [3],
        "price": [40],
        "pets": ["", False],
        "dates": ["", ["1 May", "2 May"]],
        "guest": ["", {"name": ["Ann"], "age": ["", 40]}],
    }
}


def verifier(*expected: dict[str, Any], ordered: bool = False) -> FunctionCalls:
    return FunctionCalls(
        functions=json.dumps(FUNCTIONS), expected=json.dumps(list(expected)), ordered=ordered
    )


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


ACCEPTED = [
    call("book", city="San José", nights=3, price=40),
    call("book", city="SAN  JOSÉ", nights=3, price=40.0),
    call("book", city="san jose, CR", nights=3, price=40, pets=False, dates=["1 May", "2 may"]),
    call("book", city="San José", nights=3, price=40, guest={"name": "Ann"}),
    call("book", city="San José", nights=3, price=40, guest={"name": "ann", "age": 40}),
    {"name": "book", "arguments": json.dumps({"city": "San José", "nights": 3, "price": 40})},
    [call("book", city="San José", nights=3, price=40)],
]


@pytest.mark.parametrize("answer", ACCEPTED, ids=range(len(ACCEPTED)))
def test_what_means_the_same_is_accepted(answer: Any) -> None:
    assert judge_calls(answer, verifier(BOOK)) is None


REJECTED = [
    (
        call("cancel", city="San José", nights=3, price=40),
        'call_name: expected "book", got "cancel"',
    ),
    (call("book", city="San José", price=40), 'call_argument: "nights" is missing'),
    (call("book", city="San José", nights=3), 'call_argument: "price" is missing'),
    (call("book", city="San José", nights=3.0, price=40), 'call_value: "nights" is 3.0'),
    (call("book", city="San José", nights="3", price=40), 'call_value: "nights" is "3"'),
    (call("book", city="San José", nights=True, price=40), 'call_value: "nights" is true'),
    (call("book", city="San-José", nights=3, price=40), 'call_value: "city"'),
    (call("book", city="San José", nights=3, price=40, pets=0), 'call_value: "pets" is 0'),
    (call("book", city="San José", nights=3, price=40, pets=""), None),
    (
        call("book", city="San José", nights=3, price=40, dates=["2 May", "1 May"]),
        'call_value: "dates"',
    ),
    (call("book", city="San José", nights=3, price=40, guest={"age": 40}), 'call_value: "guest"'),
    (
        call("book", city="San José", nights=3, price=40, guest={"name": "Ann", "x": 1}),
        'call_value: "guest"',
    ),
    (
        call("book", city="San José", nights=3, price=40, stars=5),
        'call_argument: "stars" is not expected',
    ),
    ([call("book", city="San José", nights=3, price=40)] * 2, "call_count: expected 1, got 2"),
    ([], "not_calls: 0 calls"),
    ("book", "not_calls: expected objects"),
    ({"name": "book", "arguments": [1]}, "not_calls: arguments are not an object"),
    ({"name": "book", "arguments": "{"}, "not_calls: arguments are not an object"),
    (
        {"name": "book", "arguments": {}, "id": 1},
        "not_calls: expected objects of name and arguments",
    ),
]


@pytest.mark.parametrize(("answer", "reason"), REJECTED, ids=range(len(REJECTED)))
def test_a_wrong_call_is_rejected_and_says_why(answer: Any, reason: str | None) -> None:
    said = judge_calls(answer, verifier(BOOK))
    assert said is None if reason is None else said is not None and said.startswith(reason)


def test_parallel_calls_may_come_in_any_order_but_each_once() -> None:
    one, two = {"cancel": {"id": [1, 2]}}, {"cancel": {"id": [1]}}
    both = verifier(one, two)
    assert judge_calls([call("cancel", id=1), call("cancel", id=2)], both) is None
    assert judge_calls([call("cancel", id=2), call("cancel", id=1)], both) is None
    assert judge_calls([call("cancel", id=2), call("cancel", id=2)], both) is not None
    assert (
        judge_calls([call("cancel", id=1), call("cancel", id=2)], verifier(one, two, ordered=True))
        is not None
    )
    assert (
        judge_calls([call("cancel", id=2), call("cancel", id=1)], verifier(one, two, ordered=True))
        is None
    )


BROKEN = [
    ({"functions": "[]"}, "functions: expected a non-empty list"),
    ({"expected": "[{}]"}, "expected: expected a non-empty list"),
    ({"expected": '[{"book": {"city": "x"}}]'}, "expected: expected a non-empty list"),
    ({"expected": '[{"fly": {}}]'}, "calls 'fly', which is not on offer"),
    ({"expected": "nonsense"}, "Expecting value"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=range(len(BROKEN)))
def test_a_truth_that_makes_no_sense_is_named(change: dict[str, str], message: str) -> None:
    fields: dict[str, Any] = {"functions": json.dumps(FUNCTIONS), "expected": json.dumps([BOOK])}
    fields |= change
    with pytest.raises(ValueError, match=message):
        check_calls(FunctionCalls(**fields))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_json_value_is_judged_without_an_error(value: Any) -> None:
    assert judge_calls(value, verifier(BOOK)) is not None


# -- the published file ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(benchmarks_dir: Path) -> list[Task]:
    return load_suite("bfcl", data=benchmarks_dir / "bfcl" / "BFCL_v4_simple_python.json")


def test_every_ground_truth_is_accepted(published: list[Task]) -> None:
    scores = list(score(Scorable(t.id, t.messages, t.reference, t.verifier) for t in published))
    assert len(scores) == 400
    assert [(one.id, one.reason) for one in scores if one.outcome != "pass"] == []


def changed(value: Any) -> list[Any]:
    """Values of one field that mean something else."""
    if isinstance(value, bool):
        return [not value, int(value), str(value)]
    if isinstance(value, (int, float)):
        return [value + 1, -value - 1, f"{value}"]
    if isinstance(value, str):
        return [f"{value}x", "", f"not {value}", 7]
    if isinstance(value, list):
        return [[*value, *value, "x"], value[:-1] if value else ["x"], "x"]
    return [{**value, "x": 1}, {}, "x"]


def mutations(answer: dict[str, Any], accepted: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    yield answer | {"name": answer["name"] + "x"}
    yield answer | {"arguments": answer["arguments"] | {"never_heard_of": 1}}
    for key, value in answer["arguments"].items():
        rest = {name: one for name, one in answer["arguments"].items() if name != key}
        if "" not in accepted[key]:
            yield answer | {"arguments": rest}
        yield answer | {"arguments": rest | {key + "x": value}}
        for other in changed(value):
            if other not in accepted[key]:
                yield answer | {"arguments": rest | {key: other}}


def test_every_mutation_of_one_field_is_rejected(published: list[Task]) -> None:
    survived, tried = [], 0
    for task in published:
        assert isinstance(task.verifier, FunctionCalls)
        answer = json.loads(gold_calls(task.verifier))
        accepted = next(iter(json.loads(task.verifier.expected)[0].values()))
        for mutant in mutations(answer, accepted):
            tried += 1
            if judge_calls(mutant, task.verifier) is None:
                survived.append((task.id, mutant))
    assert tried > 4000 and survived == []


def test_no_ground_truth_stands_in_its_prompt(published: list[Task]) -> None:
    assert all(task.reference not in turn.content for task in published for turn in task.messages)
    assert all(isinstance(turn, Message) for task in published for turn in task.messages)
