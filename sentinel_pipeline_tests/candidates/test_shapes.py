"""Row shapes: every supported shape gives the same candidate, and every malformed one says why
not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.candidates.shapes import RowRefused, to_candidate
from sentinel_pipeline.records import Candidate, JsonAnswer, Message, PythonTests, ShellEffect

ASKED, SAID = "Add two numbers.", "def add(a, b):\n    return a + b"
USER, BOT = {"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}
SHAPES: dict[str, dict[str, Any]] = {
    "prompt/response": {"prompt": ASKED, "response": SAID},
    "prompt+completion": {"prompt": ASKED, "completion": SAID},
    "trl conversational": {"prompt": [USER], "completion": [BOT]},
    "messages": {"messages": [USER, BOT]},
    "messages+completion": {"messages": [USER], "completion": SAID},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": ASKED}]}, BOT]},
    "alpaca": {"instruction": ASKED, "input": "", "output": SAID},
    "alpaca without input": {"instruction": ASKED, "output": SAID},
    "sharegpt": {
        "conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]
    },
    "sharegpt with roles": {
        "conversations": [{"role": "user", "content": ASKED}, {"from": "assistant", "value": SAID}]
    },
}
MBPP = {
    "text": "Write a function to add. ",
    "code": "import math\r\ndef total(a, b):\r\n  return a + b",
    "task_id": 7,
    "test_setup_code": "",
    "test_list": ["assert total(1, 2) == 3", "assert total(0, 0) == 0"],
    "challenge_test_list": ["assert total(9, 9) == 18"],
}


def read(row: Any) -> Candidate:
    return to_candidate(row, source="file:x.jsonl", file="x.jsonl", line=3)


def refused(row: Any) -> str:
    with pytest.raises(RowRefused) as caught:
        read(row)
    return caught.value.reason


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_prompt_and_answer(shape: str) -> None:
    candidate = read(SHAPES[shape])
    assert (candidate.messages, candidate.completion) == ((Message("user", ASKED),), SAID)
    assert (candidate.source, candidate.file, candidate.line) == ("file:x.jsonl", "x.jsonl", 3)


@pytest.mark.parametrize("shape", SHAPES)
def test_tests_and_entry_point_are_read_in_any_shape(shape: str) -> None:
    row = SHAPES[shape] | {"tests": "assert add(1, 2) == 3", "entry_point": "add", "task_id": "t1"}
    candidate = read(row)
    assert candidate.verifier == PythonTests(tests="assert add(1, 2) == 3", entry_point="add")
    assert candidate.task_id == "t1"


@pytest.mark.parametrize("shape", SHAPES)
def test_null_fields_count_as_absent(shape: str) -> None:
    """A Parquet table of mixed rows holds every column in every row."""
    every = dict.fromkeys(name for row in SHAPES.values() for name in row)
    nulls = every | dict.fromkeys(
        ("tests", "verifier", "entry_point", "category", "task_id", "text", "code", "test_list")
    )
    assert read(nulls | SHAPES[shape]).completion == SAID


def test_the_entry_point_of_given_tests_is_inferred() -> None:
    candidate = read(
        SHAPES["alpaca"] | {"tests": ["assert sorted(add(1, 2)) == [3]", "assert add(0, 0) == 0"]}
    )
    assert isinstance(candidate.verifier, PythonTests) and candidate.verifier.entry_point == "add"


def test_an_alpaca_input_follows_its_instruction() -> None:
    row = {"instruction": "Sort this.", "input": "3 1 2", "output": "1 2 3"}
    assert read(row).messages == (Message("user", "Sort this.\n\n3 1 2"),)


def test_a_system_field_becomes_the_first_turn() -> None:
    row = SHAPES["sharegpt"] | {"system": "Be brief."}
    assert [turn.role for turn in read(row).messages] == ["system", "user"]


def test_a_long_conversation_keeps_its_turns() -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        USER,
        BOT,
        {"role": "user", "content": "And three?"},
        BOT,
    ]
    assert [turn.role for turn in read({"messages": turns}).messages] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


def test_an_mbpp_row_becomes_a_tested_candidate() -> None:
    candidate = read(MBPP)
    assert candidate.completion == "import math\ndef total(a, b):\n  return a + b"
    assert (
        candidate.messages[0].content
        == "Write a function to add.\nName the function total. It takes 2 arguments."
    )
    assert candidate.verifier == PythonTests(
        tests="assert total(1, 2) == 3\nassert total(0, 0) == 0", entry_point="total", setup=""
    )
    assert candidate.task_id == "7"


def test_an_mbpp_prompt_shows_no_assert_and_no_solution() -> None:
    prompt = read(MBPP).messages[0].content
    assert "assert" not in prompt and "return" not in prompt


def test_a_sanitized_mbpp_row_brings_its_imports() -> None:
    row = {
        name: value for name, value in MBPP.items() if name not in {"text", "challenge_test_list"}
    }
    candidate = read(
        row | {"prompt": "Write it.", "test_imports": ["import math"], "source_file": "x.ipynb"}
    )
    assert isinstance(candidate.verifier, PythonTests) and candidate.verifier.setup == "import math"


def test_a_humaneval_row_continues_its_stub() -> None:
    row = {
        "task_id": "HumanEval/900",
        "prompt": 'def half(x):\n    """Half of x."""\n',
        "canonical_solution": "    return x / 2\n",
        "entry_point": "half",
        "test": "def check(candidate):\n    assert candidate(4) == 2\n",
    }
    candidate = read(row)
    assert candidate.completion == "    return x / 2\n" and candidate.task_id == "HumanEval/900"
    assert isinstance(candidate.verifier, PythonTests)
    assert (candidate.verifier.prefix, candidate.verifier.entry_point) == (row["prompt"], "half")


def test_a_verifier_is_read_as_object_and_as_text() -> None:
    given = {"kind": "json_answer", "expected": "{}"}
    assert read(SHAPES["messages"] | {"verifier": given}).verifier == JsonAnswer(expected="{}")
    assert read(SHAPES["messages"] | {"verifier": json.dumps(given)}).verifier == JsonAnswer(
        expected="{}"
    )


def test_a_verifier_of_files_is_read() -> None:
    given = {
        "kind": "shell_effect",
        "files": {"a.txt": "x"},
        "stdout": "x\n",
        "expected_files": None,
    }
    assert read(SHAPES["messages"] | {"verifier": given}).verifier == ShellEffect(
        files={"a.txt": "x"}, stdout="x\n"
    )


def test_the_sources_category_is_kept_as_it_is() -> None:
    """Whether it is one of the mix's is the recipe's to say."""
    assert (
        read(SHAPES["messages"] | {"category": "creative_writing"}).category == "creative_writing"
    )
    assert read(SHAPES["messages"] | {"category": "  "}).category is None
    assert read(SHAPES["messages"] | {"category": "devops"}).category == "devops"


def test_a_candidate_survives_its_row() -> None:
    candidate = read(MBPP)
    assert Candidate.from_row(candidate.to_row()) == candidate


def test_the_same_row_at_two_places_is_two_candidates() -> None:
    row = SHAPES["messages"]
    ids = {
        to_candidate(row, source="s", file=file, line=line).id for file in "ab" for line in (1, 2)
    }
    assert len(ids) == 4


BAD: list[tuple[Any, str]] = [
    ([1, 2], "shape: expected an object, got list"),
    ("text", "shape: expected an object, got str"),
    ({}, "shape: no known shape has the fields none"),
    ({"text": "only text"}, "shape: no known shape has the fields text"),
    ({"prompt": "only a prompt"}, "shape: no known shape has the fields prompt"),
    ({"prompt": 3, "response": "x"}, "field: field 'prompt': expected text, got int."),
    ({"prompt": "x", "response": "  "}, "field: field 'response': is blank; expected text."),
    (
        {"prompt": "x", "completion": ["y"]},
        "field: completion[0]: expected an object with role and content, got str",
    ),
    (
        {"prompt": "x", "completion": [USER]},
        "field: completion: expected exactly one assistant turn, got 1 turn(s)",
    ),
    ({"prompt": [BOT], "completion": "x"}, "field: the prompt has no user turn"),
    ({"prompt": [USER, BOT], "completion": "x"}, "field: the prompt ends with an assistant turn"),
    ({"messages": "hello"}, "field: messages: expected a non-empty list"),
    ({"messages": []}, "field: messages: expected a non-empty list"),
    ({"messages": [USER]}, "field: messages: the last turn must be the assistant's, not user"),
    ({"messages": [BOT]}, "field: messages: holds an answer without a prompt"),
    (
        {"messages": [{"role": "robot", "content": "x"}, BOT]},
        "field: messages[0].role: 'robot' is not one of",
    ),
    (
        {"messages": [{"role": "user", "content": None}, BOT]},
        "field: messages[0].content: expected non-empty text",
    ),
    (
        {"conversations": [{"from": "alien", "value": "x"}]},
        "field: conversations[0].from: unknown speaker 'alien'",
    ),
    ({"conversations": [["human", "x"]]}, "field: conversations[0]: expected an object, got list"),
    ({"conversations": {}}, "field: conversations: expected a non-empty list, got dict"),
    ({"instruction": "x", "output": ["y"]}, "field: field 'output': expected text, got list."),
    (MBPP | {"test_list": []}, "field: field 'test_list': expected a non-empty list of text"),
    (MBPP | {"test_list": ["assert total(1"]}, "field: field 'test_list': invalid Python"),
    (
        MBPP | {"test_list": ["assert 1 == 1"]},
        "field: field 'test_list': the asserts call no function",
    ),
    (MBPP | {"code": None}, "shape: no known shape"),
    (SHAPES["messages"] | {"tests": "assert ("}, "field: field 'tests': invalid Python"),
    (SHAPES["messages"] | {"tests": 5}, "field: field 'tests': expected text, got int."),
    (
        SHAPES["messages"] | {"verifier": {"kind": "oracle"}},
        "field: field 'verifier': kind: unknown kind 'oracle'. Known: constraints, ",
    ),
    (SHAPES["messages"] | {"verifier": "{"}, "field: field 'verifier': Expecting"),
    (
        SHAPES["messages"] | {"verifier": {"kind": "python_tests"}},
        "tests: is missing and has no default",
    ),
    (
        SHAPES["messages"] | {"verifier": {"kind": "python_tests", "tests": [1]}},
        "tests: expected text, got list",
    ),
    (
        SHAPES["messages"]
        | {"verifier": {"kind": "patch_applies", "files": {"a": 1}, "expected": {}}},
        "files.a: expected text, got int",
    ),
    (
        SHAPES["messages"] | {"verifier": {"kind": "text_answer", "accepted": "yes"}},
        "accepted: expected list, got str",
    ),
    ({"prompt": "x", "response": "a\ud800b"}, "encoding: holds a lone surrogate U+D800"),
]


@pytest.mark.parametrize(("row", "reason"), BAD, ids=range(len(BAD)))
def test_a_malformed_row_says_what_is_wrong(row: Any, reason: str) -> None:
    assert reason in refused(row)


plain = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@given(asked=plain, said=plain)
@settings(deadline=None)
def test_text_comes_through_unchanged(asked: str, said: str) -> None:
    for row in ({"prompt": asked, "response": said}, {"instruction": asked, "output": said}):
        candidate = read(row)
        assert (candidate.messages[0].content, candidate.completion) == (asked, said)


WORDS = """
prompt response completion messages conversations instruction input output text code test_list tests verifier entry_point
canonical_solution test task_id category system role content from value kind
"""
names = st.sampled_from(WORDS.split())
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["user", "assistant", "human", "gpt"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(row=st.dictionaries(names | st.text(), junk, max_size=6) | junk)
@settings(max_examples=200, deadline=None)
def test_any_json_value_is_a_candidate_or_a_reason(row: Any) -> None:
    """No other exception, and what comes through can be stored."""
    try:
        candidate = read(row)
    except RowRefused as error:
        assert error.reason.split(":")[0] in {"shape", "field", "encoding"}
    else:
        json.dumps(candidate.to_row(), ensure_ascii=False).encode()
        assert candidate.messages[-1].role in {"user", "tool", "system"} and candidate.completion
