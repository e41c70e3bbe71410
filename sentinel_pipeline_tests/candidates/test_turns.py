"""Normalisation loses nothing: tools, parts, order; what cannot be kept is refused by name. Pairs
become two linked candidates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.candidates.pairs import to_candidates
from sentinel_pipeline.candidates.shapes import RowRefused, to_candidate
from sentinel_pipeline.candidates.turns import tool_calls_in
from sentinel_pipeline.records import Candidate

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(str.strip)
NAME = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)


def _read(row: dict[str, Any]) -> Candidate:
    return to_candidate(row, source="s", file="f", line=1)


@given(st.none() | TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=3), TEXT, TEXT)
def test_every_turn_survives_in_its_place(
    system: str | None, earlier: list[tuple[str, str]], ask: str, answer: str
) -> None:
    turns = [{"role": "system", "content": system}] if system is not None else []
    for user, assistant in earlier:
        turns += [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    turns += [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
    found = _read({"messages": turns})
    assert [turn.to_dict() for turn in found.messages] == turns[:-1] and found.completion == answer
    shared = {"human": "user", "gpt": "assistant", "system": "system"}
    speakers = {role: speaker for speaker, role in shared.items()}
    conversation = [
        {"from": speakers[str(turn["role"])], "value": turn["content"]} for turn in turns
    ]
    again = _read({"conversations": conversation})
    assert (again.messages, again.completion) == (found.messages, found.completion)


@given(
    st.lists(st.tuples(NAME, st.dictionaries(NAME, VALUE, max_size=3)), min_size=1, max_size=3),
    st.none() | TEXT,
    st.booleans(),
)
def test_tool_calls_survive(
    calls: list[tuple[str, dict[str, Any]]], said: str | None, as_text: bool
) -> None:
    given_calls = [
        {
            "id": f"c{n}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(value) if as_text else value},
        }
        for n, (name, value) in enumerate(calls)
    ]
    row = {
        "messages": [
            {"role": "user", "content": "do it"},
            {"role": "assistant", "content": said, "tool_calls": given_calls},
        ]
    }
    found = _read(row).completion
    assert tool_calls_in(found)[-len(calls) :] == [
        {"name": name, "arguments": value, "id": f"c{n}"} for n, (name, value) in enumerate(calls)
    ]
    assert said is None or found.startswith(said)


def test_tools_and_their_results_are_kept() -> None:
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
    call = {"function": {"name": "now", "arguments": "{}"}}
    row = {
        "tools": [tool],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What time is it?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "noon"},
            {"role": "assistant", "content": "Noon."},
        ],
    }
    found = _read(row)
    assert found.messages[0].content == f"Be brief.\n\n<tools>\n{json.dumps(tool)}\n</tools>"
    assert json.loads(found.messages[3].content.split("\n")[1]) == {
        "tool_call_id": "c1",
        "content": "noon",
    }
    assert [turn.role for turn in found.messages] == ["system", "user", "assistant", "tool"]


def _turns(*roles: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": "x"} for role in roles]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            {"messages": _turns("assistant", "user", "assistant")},
            "order: messages[0]: a turn of assistant may not stand first",
        ),
        (
            {"messages": _turns("user", "user", "assistant")},
            "order: messages[1]: a turn of user may not stand after user",
        ),
        ({"messages": _turns("user", "tool", "assistant")}, "order: messages[1]: a turn of tool"),
        (
            {"messages": _turns("user", "system", "assistant")},
            "field: messages[1]: a system turn must be the first",
        ),
        (
            {"messages": _turns("system", "system", "user", "assistant")},
            "field: messages[1]: a system turn",
        ),
        ({"messages": _turns("user", "critic", "assistant")}, "field: messages[1].role"),
        (
            {"messages": [*_turns("user"), {"role": "assistant", "content": " "}]},
            "field: messages[1].content",
        ),
        (
            {
                "messages": [
                    *_turns("user"),
                    {"role": "assistant", "content": "a", "scratchpad": "hm"},
                ]
            },
            "field: messages[1].scratchpad: is not understood here and would be lost",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "x", "tool_calls": [{"name": "f"}]},
                    *_turns("assistant"),
                ]
            },
            "field: messages[0].tool_calls",
        ),
        (
            {
                "messages": [
                    *_turns("user"),
                    {"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{"}]},
                ]
            },
            "field: messages[1].tool_calls: arguments",
        ),
        (
            {"messages": [*_turns("user"), {"role": "assistant", "tool_calls": [7]}]},
            "field: messages[1].tool_calls: a call without",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url"}]},
                    *_turns("assistant"),
                ]
            },
            "field: messages[0].content: has parts",
        ),
        ({"messages": _turns("user", "assistant"), "tools": "{"}, "field"),
    ],
)
def test_what_is_not_strict_is_refused_by_name(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowRefused) as refused:
        _read(row)
    assert refused.value.reason.startswith(reason)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "p", "rejected": "bad", "chosen": "good"},
        {"prompt": "p", "response": "bad", "correction": "good"},
        {"prompt": "p", "completion": "bad", "corrected_response": "good"},
        {
            "messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "bad"}],
            "corrected": "good",
        },
        {
            "rejected": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "bad"}],
            "chosen": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "good"}],
        },
    ],
)
def test_a_pair_is_two_linked_candidates(row: dict[str, Any]) -> None:
    failed, right = to_candidates(row, source="s", file="f", line=1)
    assert (failed.completion, right.completion) == ("bad", "good")
    assert (
        [turn.content for turn in failed.messages]
        == [turn.content for turn in right.messages]
        == ["p"]
    )
    assert failed.corrected_by == right.id and right.corrected_by is None


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "p", "rejected": "x", "chosen": "x"},
        {"prompt": "p", "rejected": 1, "chosen": "x"},
    ],
)
def test_half_a_pair_is_no_pair(row: dict[str, Any]) -> None:
    with pytest.raises(RowRefused):
        to_candidates(row, source="s", file="f", line=1)
