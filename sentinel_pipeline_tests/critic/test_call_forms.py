"""Calls of tools as models write them: whichever marks stand around them, the verifier reads the
same calls."""

from __future__ import annotations

import json

import pytest

from sentinel_pipeline.candidates.shapes import to_candidate
from sentinel_pipeline.critic.extract import extract
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.records import FunctionCalls, Message

ASK = (Message("user", "Lisbon and Braga?"),)
W = FunctionCalls(
    functions=json.dumps(
        [
            {
                "name": "rain",
                "parameters": {"properties": {"city": {"type": "string"}}, "required": ["city"]},
            }
        ]
    ),
    expected='[{"rain": {"city": ["Lisbon"]}}, {"rain": {"city": ["Braga"]}}]',
)
A = '{"name": "rain", "arguments": {"city": "Lisbon"}}'
B = '{"name": "rain", "arguments": {"city": "Braga"}}'
FORMS = {
    "hermes": f"<tool_call>\n{A}\n</tool_call>\n<tool_call>\n{B}\n</tool_call>",
    "hermes_after_words": f"I look at both.\n<tool_call>{A}</tool_call><tool_call>{B}</tool_call>",
    "mistral": f"[TOOL_CALLS] [{A}, {B}]",
    "mistral_by_name": '[TOOL_CALLS]rain[ARGS]{"city": "Lisbon"}[TOOL_CALLS]rain[ARGS]{"city": "Braga"}',
    "llama": f"<|python_tag|>{A}; {B}".replace("arguments", "parameters"),
    "llama_by_name": '<function=rain>{"city": "Lisbon"}</function>\n<function=rain>{"city": "Braga"}</function>',
    "openai": json.dumps(
        [
            {"id": f"call_{at}", "type": "function", "function": {"name": "rain", "arguments": json.dumps({"city": city})}}
            for at, city in enumerate(("Lisbon", "Braga"))
        ]
    ),
    "thought_first": f"<think>maybe {A}</think>\n<tool_call>\n{A}\n</tool_call>\n<tool_call>\n{B}\n</tool_call>",
    "harmony": "<|channel|>analysis<|message|>both<|end|>"
    + "".join(
        f'<|start|>assistant to=functions.rain<|channel|>commentary json<|message|>{{"city": "{city}"}}<|call|>'
        for city in ("Lisbon", "Braga")
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_two_calls_are_read_in_every_form_and_one_of_them_is_too_few(form: str) -> None:
    (found,) = score([Scorable("x", ASK, FORMS[form], W)])
    assert (found.outcome, found.reason) == ("pass", "passed")
    (other,) = score([Scorable("x", ASK, FORMS[form].replace("Braga", "Porto"), W)])
    assert other.outcome == "fail"


def test_one_call_alone_is_one_too_few() -> None:
    (found,) = score([Scorable("x", ASK, f"<tool_call>\n{A}\n</tool_call>", W)])
    assert (found.outcome, found.reason) == ("fail", "call_count: expected 2, got 1")


def test_a_call_that_is_no_json_is_an_error_and_is_not_passed_over() -> None:
    text = f"<tool_call>\n{A}\n</tool_call>\n<tool_call>\n{{broken\n</tool_call>"
    assert (extract(text, "json").error or "").startswith("not_json")
    assert extract('<tool_call>\n{"name": "rain", "argum', "json").error is not None


def test_the_rows_that_this_package_writes_pass_their_own_verifier() -> None:
    calls = [
        {"id": f"c{at}", "type": "function", "function": {"name": "rain", "arguments": {"city": city}}}
        for at, city in enumerate(("Lisbon", "Braga"))
    ]  # fmt: skip
    turns = [
        {"role": "user", "content": "Lisbon and Braga?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    row = {
        "messages": turns,
        "verifier": {"kind": "function_calls", "functions": W.functions, "expected": W.expected},
    }
    found = next(label([to_candidate(row, source="file:x", file="x", line=1)], workers=1))
    assert found.tests_pass == (True, "passed")
    assert (found.format_pass.value, found.accepted.value) == (True, True)
