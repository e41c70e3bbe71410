"""Calls of functions as JSON, compared with what is accepted for each argument."""

from __future__ import annotations

from ...records.verifiers import FunctionCalls
from ..calls import check_calls, judge_calls
from .examples import Canary, Examples
from .scorer import Finding, Reading, Scorer, problem_of


def _judge(reading: Reading, verifier: FunctionCalls) -> Finding:
    return problem_of(reading) or judge_calls(reading.found.value, verifier)


_VERIFIER_1 = FunctionCalls(
    functions=(
        '[{"name": "send_money", "parameters": {"type": "dict", "properties": '
        '{"person": {"type": "string"}, "amount": {"type": "float"}}, '
        '"required": ["person", "amount"]}}]'
    ),
    expected='[{"send_money": {"person": ["Ana"], "amount": [4.5]}}]',
)
CANARIES = (
    Canary(
        id="calls-right",
        prompt="Call send_money(person, amount): send Ana 4.5.",
        completion=('{"name": "send_money", "arguments": {"person": "Ana", "amount": 4.5}}'),
        verifier=_VERIFIER_1,
    ),
    Canary(
        id="calls-wrong-value",
        prompt="Call send_money(person, amount): send Ana 4.5.",
        completion='{"name": "send_money", "arguments": {"person": "Ana", "amount": 45}}',
        verifier=_VERIFIER_1,
        reasons=("call_value",),
    ),
    Canary(
        id="calls-left-out",
        prompt="Call send_money(person, amount): send Ana 4.5.",
        completion='{"name": "send_money", "arguments": {"person": "Ana"}}',
        verifier=_VERIFIER_1,
        reasons=("call_argument",),
    ),
    Canary(
        id="calls-unknown",
        prompt="Call send_money(person, amount): send Ana 4.5.",
        completion='{"name": "transfer", "arguments": {"person": "Ana", "amount": 4.5}}',
        verifier=_VERIFIER_1,
        reasons=("call_name",),
    ),
    Canary(
        id="calls-twice",
        prompt="Call send_money(person, amount): send Ana 4.5.",
        completion=(
            '[{"name": "send_money", "arguments": {"person": "Ana", "amount": '
            '4.5}}, {"name": "send_money", "arguments": {"person": "Ana", '
            '"amount": 4.5}}]'
        ),
        verifier=_VERIFIER_1,
        reasons=("call_count",),
    ),
    Canary(
        id="calls-empty",
        prompt="Call send_money(person, amount): send Ana 4.5.",
        completion="[]",
        verifier=_VERIFIER_1,
        reasons=("not_calls",),
    ),
)

SCORER = Scorer(
    verifier=FunctionCalls,
    language="json",
    judge=_judge,
    check=check_calls,
    examples=Examples(canaries=CANARIES),
)
