"""Judging a flat JSON object field by field against a reference: the extraction task's one scorer.

Credit comes from values that are right and tell something, never from keys that are there: an
object of nulls, zeros or empty texts earns nothing, and a value where the reference has another or
none costs, 0 for null and null for false included. A key that is repeated says two things, and an
object hidden in a long text is not the answer that was asked for: neither earns anything.
What this module does not do: read JSON (``extract`` does), or weigh one field above another.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any

from ..records import FieldsAnswer
from .formats import same_json, schema_problem
from .graded import Graded
from .json_reader import MENDED, Extracted
from .numbers import read_number

MAX_AROUND = 60
"""Words that may stand around the object: an introduction and a remark, not an essay."""
SCHEMA_SHARE = 0.5
"""What right values are worth in an object that breaks its schema (a label that does not exist, a
field too many)."""


_WORD = re.compile(r"[^\W_]+")


def judge_fields(found: Extracted, verifier: FieldsAnswer, answer: str = "") -> Graded:
    """Grade what was extracted from ``answer``: ``parsed``, ``strict`` JSON, ``schema``, ``values``
    right."""
    nothing = {"parsed": 0.0, "strict": 0.0, "schema": 0.0, "values": 0.0}
    problem = found.error or ("several_values" if "several_values" in found.leniencies else None)
    if problem is None and "duplicate_key" in found.leniencies:
        problem = "duplicate_key: the object repeats a key"
    around = len(_WORD.findall(answer)) - len(_WORD.findall(str(found.value)))
    if problem is None and around > MAX_AROUND:
        problem = f"wrapped: about {around} words around the object, at most {MAX_AROUND} may be"
    if problem is None and not isinstance(found.value, dict):
        problem = f"json_schema: expected an object, got {type(found.value).__name__}"
    if problem is not None:
        return Graded(nothing, 0.0, problem)
    expected = _expected(verifier.expected)
    value = {key: _as_number(item, expected.get(key)) for key, item in found.value.items()}
    broken = schema_problem(value, verifier.schema)
    values, wrong = _values(value, expected)
    parts = {
        "parsed": 1.0,
        "strict": float(not MENDED & set(found.leniencies)),
        "schema": float(broken is None),
        "values": values,
    }
    return Graded(parts, values if broken is None else values * SCHEMA_SHARE, broken or wrong)


@lru_cache(maxsize=4096)
def _expected(text: str) -> dict[str, Any]:
    return dict(json.loads(text))


def _as_number(value: Any, expected: Any) -> Any:
    """A number that was put in quotes, as ``"R$ 1.234,50"`` is, where a number is expected."""
    if (
        isinstance(value, str)
        and isinstance(expected, (int, float))
        and not isinstance(expected, bool)
    ):
        number = read_number(value.strip())
        return value if number is None else number.value
    return value


def _values(value: dict[str, Any], expected: dict[str, Any]) -> tuple[float, str | None]:
    """The share of telling fields that are right, each other field that is wrong counted with them,
    and the first field that is wrong."""
    wrong = [
        key for key in expected if key not in value or not same_field(value[key], expected[key])
    ]
    telling = [key for key in expected if expected[key]]
    right = sum(key not in wrong for key in telling)
    others_wrong = sum(key not in telling for key in wrong)
    share = right / (len(telling) + others_wrong) if telling else float(not wrong)
    if not wrong:
        return share, None
    name = wrong[0]
    got = json.dumps(value[name], ensure_ascii=True)[:60] if name in value else "nothing"
    return (
        share,
        f"field_value: {name}: expected {json.dumps(expected[name], ensure_ascii=True)[:60]}, got {got}",
    )


def same_field(value: Any, expected: Any) -> bool:
    """Numbers by value, texts but for case and white space, anything else exactly."""
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    if isinstance(value, (int, float)) and isinstance(expected, (int, float)):
        return value == expected or math.isclose(value, expected, rel_tol=1e-9)
    if isinstance(value, str) and isinstance(expected, str):
        return " ".join(value.split()).casefold() == " ".join(expected.split()).casefold()
    return same_json(value, expected)
