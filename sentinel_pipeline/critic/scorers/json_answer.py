"""A JSON value compared by value, after its schema where there is one."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from ...records.verifiers import JsonAnswer
from ..formats import judge_json, schema_problem
from .examples import Canary, Defect, Examples
from .scorer import Finding, Reading, Scorer, problem_of


def _judge(reading: Reading, verifier: JsonAnswer) -> Finding:
    return problem_of(reading) or judge_json(reading.found.value, verifier)


def _form(value: Any, verifier: JsonAnswer) -> str | None:
    return schema_problem(value, verifier.schema) if verifier.schema else None


# -- examples -------------------------------------------------------------------------------------


def wrong_value(value: Any, rng: Random) -> Any:
    """The same shape with one leaf changed: a slipped decimal, an off-by-one, another word."""
    if isinstance(value, dict) and value:
        inner = "arguments" if value.get("arguments") else rng.choice(sorted(value))
        return value | {inner: wrong_value(value[inner], rng)}
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        return [*value[:at], wrong_value(value[at], rng), *value[at + 1 :]]
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1, 1))
    if isinstance(value, float):
        return round(value * 10, 6) if value else 1.5
    return f"{value}s" if isinstance(value, str) else [value]


def wrong_json(expected: str, rng: Random) -> str:
    """The expected JSON with one leaf changed."""
    return json.dumps(wrong_value(json.loads(expected), rng), ensure_ascii=False)


def keys_without_values(expected: str) -> dict[str, str]:
    """Objects that have all keys and know nothing."""
    value = json.loads(expected)
    keys = list(value) if isinstance(value, dict) else []
    fills: dict[str, Any] = {"nulls": None, "empty_texts": "", "zeros": 0, "lists": []}
    return {
        f"all_keys_{name}": json.dumps(dict.fromkeys(keys, fill)) for name, fill in fills.items()
    }


def _other_field(reference: str, verifier: JsonAnswer, rng: Random) -> str:
    """A right value under a wrong name."""
    call = json.loads(reference)
    fields = call.get("arguments", call)
    old = rng.choice(sorted(fields))
    renamed = {(f"{name}_" if name == old else name): value for name, value in fields.items()}
    answer = call | {"arguments": renamed} if "arguments" in call else renamed
    return json.dumps(answer, ensure_ascii=False)


def _numbers_as_text(reference: str, verifier: JsonAnswer, rng: Random) -> str:
    """``"4,5"`` for 4.5, what a careless reader of Portuguese leaves behind."""

    def loosen(value: object) -> object:
        if isinstance(value, dict):
            return {name: loosen(inner) for name, inner in value.items()}
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return str(value).replace(".", ",") if is_number else value

    return json.dumps(loosen(json.loads(reference)), ensure_ascii=False)


def _fields(verifier: JsonAnswer) -> Any:
    """The object whose names may be wrong: of a call its arguments; None where there is none."""
    expected = json.loads(verifier.expected)
    return expected.get("arguments", expected) if isinstance(expected, dict) else None


def _has_fields(reference: str, verifier: JsonAnswer) -> bool:
    return bool(_fields(verifier))


def _has_numbers(reference: str, verifier: JsonAnswer) -> bool:
    fields = _fields(verifier)
    return isinstance(fields, dict) and any(
        type(value) in (int, float) for value in fields.values()
    )


_VERIFIER_1 = JsonAnswer(
    expected='{"city": "Porto", "price": 4.5}',
)
CANARIES = (
    Canary(
        id="json-decimal-comma",
        prompt="Give city and price of: Porto, 4,5 euros. Answer in JSON.",
        completion='{"city": "Porto", "price": "4,5"}',
        verifier=_VERIFIER_1,
        reasons=("json_value",),
    ),
    Canary(
        id="json-int-for-float",
        prompt="Give city and price of: Porto, 4,5 euros. Answer in JSON.",
        completion='{"city": "Porto", "price": 4}',
        verifier=_VERIFIER_1,
        reasons=("json_value",),
    ),
    Canary(
        id="json-missing-key",
        prompt="Give city and price of: Porto, 4,5 euros. Answer in JSON.",
        completion='{"city": "Porto"}',
        verifier=_VERIFIER_1,
        reasons=("json_keys",),
    ),
)

SCORER = Scorer(
    verifier=JsonAnswer,
    language="json",
    quotes=True,
    judge=_judge,
    form=_form,
    check=lambda verifier: json.loads(verifier.expected),
    examples=Examples(
        wrong=lambda reference, verifier, rng: wrong_json(verifier.expected, rng),
        hacks=lambda reference, verifier: keys_without_values(verifier.expected),
        defects={
            "wrong_field": Defect(_other_field, _has_fields),
            "wrong_type": Defect(_numbers_as_text, _has_numbers),
        },
        canaries=CANARIES,
    ),
)
