"""Verifiers as JSON: what is written comes back, and every field's type is held to."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from sentinel_pipeline.records import (
    CATEGORIES,
    Constraints,
    FieldsAnswer,
    FunctionCalls,
    GroundedText,
    JsonAnswer,
    JudgedAnswer,
    PatchApplies,
    PythonTests,
    ScriptTests,
    ShellEffect,
    SqlAnswer,
    StdioTests,
    TextAnswer,
    Verifier,
    verifier_from_json,
    verifier_to_json,
)

EVERY: list[Verifier] = [
    PythonTests(tests="assert f() == 1", entry_point="f", setup="import os", prefix="x"),
    PythonTests(tests="assert f() == 1"),
    StdioTests(inputs=("1", ""), outputs=("2", "é")),
    ScriptTests(tests="f()", language="javascript", entry_point="f"),
    SqlAnswer(setup="create table t (a int)", query="from t", ordered=True),
    JsonAnswer(expected="{}", schema="{}"),
    PatchApplies(files={"a": "x"}, expected={"a": "y"}, tests="assert True"),
    ShellEffect(files={"a": ""}, stdout=None, expected_files={}),
    ShellEffect(files={"a": ""}, gold="ls"),
    TextAnswer(accepted=("yes",), must_contain=("a", "b")),
    FunctionCalls(functions="[]", expected="[]", ordered=True),
    Constraints(instructions=("punctuation:no_comma",), arguments="[{}]", clean_stop=True),
    FieldsAnswer(expected="{}", schema="{}"),
    JudgedAnswer(rubric="It is polite."),
    GroundedText(
        record="{}",
        must_mention=("4,5",),
        min_words=1,
        max_words=9,
        max_chars=None,
        call_to_action=False,
    ),
]


@pytest.mark.parametrize("verifier", EVERY, ids=lambda one: type(one).__name__)
def test_a_verifier_comes_back_as_it_was(verifier: Verifier) -> None:
    assert verifier_from_json(verifier_to_json(verifier)) == verifier


def test_every_kind_has_a_category() -> None:
    assert {type(one) for one in EVERY} == set(get_args(Verifier))
    assert {one.category for one in EVERY} <= set(CATEGORIES)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"kind": "python_tests", "tests": ["assert f()"]}, "tests: expected text, got list"),
        (
            {"kind": "python_tests", "tests": "x", "setup": None},
            "setup: expected text, got null",
        ),
        (
            {"kind": "stdio_tests", "inputs": "1", "outputs": ["1"]},
            "inputs: expected list, got str",
        ),
        (
            {"kind": "stdio_tests", "inputs": [1], "outputs": ["1"]},
            "inputs\\[0\\]: expected text, got int",
        ),
        (
            {"kind": "script_tests", "tests": "x", "language": "ruby"},
            "language: 'ruby' is not a choice",
        ),
        (
            {"kind": "sql_answer", "setup": "", "query": "", "ordered": "yes"},
            "ordered: expected bool, got str",
        ),
        (
            {"kind": "sql_answer", "setup": "", "query": "", "ordered": 1},
            "ordered: expected bool, got int",
        ),
        (
            {"kind": "patch_applies", "files": {}, "expected": "x"},
            "expected: expected table, got str",
        ),
        (
            {"kind": "constraints", "instructions": [], "clean_stop": "no"},
            "clean_stop: expected bool, got str",
        ),
        ({"kind": "grounded_text", "min_words": True}, "min_words: expected int, got bool"),
        ({"kind": "grounded_text", "max_chars": "9"}, "max_chars: expected int, got str"),
        ({"kind": "shell_effect", "files": {"a": 1}}, "files\\.a: expected text, got int"),
        (
            {"kind": "shell_effect", "files": {}, "expected_files": []},
            "expected_files: expected table, got list",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_named(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        verifier_from_json(json.dumps(fields))
