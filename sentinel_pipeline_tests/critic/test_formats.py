"""JSON values, short texts, stops: right is None, wrong has its code."""

from __future__ import annotations

import json

import pytest

from sentinel_pipeline.critic import formats
from sentinel_pipeline.records import JsonAnswer, TextAnswer


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        (0, False),
        (None, False),
        ([1], [1.0]),
        ({"a": 1}, {"a": True}),
    ],
)
def test_json_types_are_exact(a: object, b: object) -> None:
    assert not formats.same_json(a, b) and formats.same_json(a, a)


def test_json_key_order_is_free_and_lists_are_not() -> None:
    assert formats.same_json({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1})
    assert not formats.same_json([1, 2], [2, 1])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": {"b": 2}}, None),
        ({"a": {"b": 3}}, "json_value: at $.a.b expected 2, got 3"),
        ({"a": {"c": 2}}, 'json_keys: at $.a missing ["b"], unexpected ["c"]'),
        ([], 'json_value: at $ expected {"a": {"b": 2}}, got []'),
    ],
)
def test_json_difference_names_the_place(value: object, reason: str | None) -> None:
    assert formats.judge_json(value, JsonAnswer(expected='{"a": {"b": 2}}')) == reason


def test_a_schema_is_checked_before_the_value() -> None:
    schema = json.dumps(
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    )
    verifier = JsonAnswer(expected='{"n": 1}', schema=schema)
    assert formats.judge_json({"n": 1}, verifier) is None
    assert str(formats.judge_json({"n": "1"}, verifier)).startswith("json_schema: at $.n: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  YOUR name is  Ana. ", None),
        ("Your name is Ana. Is it?", "text_answer: is none of the accepted answers"),
        ("", "text_answer: is none of the accepted answers"),
    ],
)
def test_accepted_texts_are_exact_but_for_case_and_space(text: str, reason: str | None) -> None:
    assert formats.judge_text(text, TextAnswer(accepted=("Your name is Ana.", "Ana"))) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The art of it", None),
        ("The party", "missing_fact: art"),
        ("art and war", "unwanted_text: war"),
        ("art, warm", None),
    ],
)
def test_facts_are_whole_words(text: str, reason: str | None) -> None:
    assert (
        formats.judge_text(text, TextAnswer(must_contain=("art",), must_not_contain=("war",)))
        == reason
    )


@pytest.mark.parametrize(
    ("text", "stop", "reason"),
    [
        ("x<|im_end|>", None, None),
        ("x<|im_end|>\n", None, None),
        ("x<|im_end|> more", None, "after_stop: 4 characters follow <|im_end|>"),
        ("x", None, None),
        ("x", "END", "no_stop"),
        ("xEND", "END", None),
    ],
)
def test_stops(text: str, stop: str | None, reason: str | None) -> None:
    assert formats.stop_problem(text, stop) == reason
