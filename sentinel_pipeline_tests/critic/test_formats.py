"""JSON values, strict diffs, short texts, stops: right is None, wrong has its code."""

from __future__ import annotations

import difflib
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sentinel_pipeline.critic import formats
from sentinel_pipeline.records import JsonAnswer, TextAnswer

LINES = st.lists(
    st.sampled_from(["a", "b", "", " x", "-- y", "++ z", "\t", "é", "x\x0cy", "u\u2028v", "\\ n"]),
    max_size=14,
)


def _text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _diff(old: str, new: str) -> str:
    pieces = difflib.unified_diff(_split(old), _split(new), "a/f", "b/f")
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
        for line in pieces
    )


def _split(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")[:-1]] + (
        [last] if (last := text.split("\n")[-1]) else []
    )


@settings(max_examples=200, deadline=None)
@given(LINES, LINES, st.booleans(), st.booleans())
def test_a_diff_of_any_two_texts_applies_exactly(
    old: list[str], new: list[str], cut_old: bool, cut_new: bool
) -> None:
    before, after = _text(old)[: -1 if cut_old else None], _text(new)[: -1 if cut_new else None]
    assume(before != after)
    assert formats.apply_diff(_diff(before, after), {"f": before, "g": "other"}) == {
        "f": after,
        "g": "other",
    }


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("abcdefghi"), min_size=3, max_size=8, unique=True), st.data())
def test_a_diff_does_not_apply_to_another_text(old: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(old) - 1))
    diff = _diff(_text(old), _text([*old[:at], "new", *old[at:]]))
    shifted = _text(["first", *old])
    assert formats.apply_diff(diff, {"f": shifted}) != {
        "f": _text(["first", *old[:at], "new", *old[at:]])
    }
    assert str(formats.apply_diff(diff, {"f": shifted})).startswith(
        "hunk_mismatch: hunk 1 does not match at line "
    )


@pytest.mark.parametrize(
    ("diff", "reason"),
    [
        ("--- a/f\n+++ b/f\n@@ -1,1 +1,2 @@\n-a\n+b\n", "bad_diff: Hunk is shorter than expected"),
        (
            "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n+c\n",
            "bad_diff: line 6 stands outside every hunk",
        ),
        ("--- a/h\n+++ b/h\n@@ -1,1 +1,1 @@\n-a\n+b\n", "unknown_file: h"),
        ("--- /dev/null\n+++ b/g\n@@ -0,0 +1,1 @@\n+b\n", "file_exists: g"),
        (
            "--- a/f\n+++ b/f\n@@ -9,1 +9,1 @@\n-a\n+b\n",
            "hunk_mismatch: hunk 1 does not match at line 9",
        ),
        ("--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n@@ -1,1 +1,1 @@\n-a\n+b\n", "hunk_order"),
        ("no diff here", "no_diff"),
        ("--- a/f\n+++ b/f\n-a\n+b\n", "bad_diff"),
        (
            "--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n",
            "hunk_mismatch: f is deleted but lines are left",
        ),
    ],
)
def test_a_corrupt_diff_is_refused_with_its_reason(diff: str, reason: str) -> None:
    found = formats.apply_diff(diff, {"f": "a\nz\n", "g": ""})
    assert isinstance(found, str) and found.startswith(reason)


def test_files_are_made_renamed_and_deleted() -> None:
    made = "--- /dev/null\n+++ b/n\n@@ -0,0 +1,1 @@\n+x\n"
    deleted = "--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n"
    moved = "--- a/g\n+++ b/h\n@@ -1,1 +1,1 @@\n-a\n+b\n"
    assert formats.apply_diff(made + deleted + moved, {"f": "a\n", "g": "a\n"}) == {
        "n": "x\n",
        "h": "b\n",
    }


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
