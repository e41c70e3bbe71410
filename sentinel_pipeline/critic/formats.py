"""Is the answer in the form that was asked, and does it say what was expected? JSON, short texts,
stops.

Each function returns None when all is well, else a reason ``CODE: detail``. What this module does
not do: extract (it gets the extracted value), run code, or apply a diff (``diffs``).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from ..records import JsonAnswer, TextAnswer
from .mentions import only_named

STOPS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|return|>",
)
"""Stop tokens as text, in the families of chat templates that this package knows."""


def same_json(a: Any, b: Any) -> bool:
    """Equality of decoded JSON values with exact types: ``1`` is not ``1.0`` is not ``True``; key
    order is free."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_json(value, b[key]) for key, value in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same_json, a, b))
    return bool(a == b)


def json_difference(value: Any, expected: Any, path: str = "$") -> str | None:
    """Where two decoded values first differ, as ``json_value: …`` or ``json_keys: …`` with a JSON
    path; None when equal."""
    if same_json(value, expected):
        return None
    if isinstance(value, dict) and isinstance(expected, dict):
        missing = sorted(expected.keys() - value.keys())
        extra = sorted(value.keys() - expected.keys())
        if missing or extra:
            return f"json_keys: at {path} missing {_short(missing)}, unexpected {_short(extra)}"
        key = next(key for key in sorted(expected) if not same_json(value[key], expected[key]))
        return json_difference(value[key], expected[key], f"{path}.{key}"[:80])
    if isinstance(value, list) and isinstance(expected, list) and len(value) == len(expected):
        index = next(i for i, item in enumerate(expected) if not same_json(value[i], item))
        return json_difference(value[index], expected[index], f"{path}[{index}]"[:80])
    return f"json_value: at {path} expected {_short(expected)}, got {_short(value)}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)[:60]


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Any:
    import jsonschema_rs

    return jsonschema_rs.validator_for(schema)


def schema_problem(value: Any, schema: str) -> str | None:
    """The first violation of a JSON Schema (given as JSON text), as ``json_schema: …``."""
    error = next(_validator(schema).iter_errors(value), None)
    if error is None:
        return None
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path
    )
    return f"json_schema: at ${place[:60]}: {_line(error.message)[:120]}"


def _line(text: str) -> str:
    """One printable line: what is quoted comes from hostile text."""
    return "".join(char if char.isprintable() else "?" for char in text)


@lru_cache(maxsize=1024)
def _decoded(text: str) -> Any:
    return json.loads(text)


def judge_json(value: Any, verifier: JsonAnswer) -> str | None:
    """Schema first, then the value."""
    try:
        problem = schema_problem(value, verifier.schema) if verifier.schema else None
        return problem or json_difference(value, _decoded(verifier.expected))
    except RecursionError:
        return "too_deep"


# -- texts and stops -------------------------------------------------------------------------------


def judge_text(text: str, verifier: TextAnswer) -> str | None:
    """One of the accepted answers exactly (case and outer space aside); then the facts that must
    and must not be there.

    A fact is found as whole words: ``art`` is not in ``party``.
    """
    folded = " ".join(text.split()).casefold()
    if verifier.accepted and folded not in {
        " ".join(text_accepted.split()).casefold() for text_accepted in verifier.accepted
    }:
        return "text_answer: is none of the accepted answers"
    missing = [fact for fact in verifier.must_contain if not _holds(folded, fact)]
    if missing:
        return f"missing_fact: {_line(missing[0])[:80]}"
    unwanted = [fact for fact in verifier.must_not_contain if _holds(folded, fact)]
    return f"unwanted_text: {_line(unwanted[0])[:80]}" if unwanted else None


def _holds(folded: str, fact: str) -> bool:
    fact_text = " ".join(fact.split()).casefold()
    return bool(re.search(rf"(?<!\w){re.escape(fact_text)}(?!\w)", folded))


def stop_problem(completion: str, stop: str | None = None) -> str | None:
    """Text after a stop token, or — when ``stop`` is demanded — its absence: ``after_stop: …`` or
    ``no_stop``."""
    for token in (stop,) if stop else STOPS:
        at = completion.find(token) if "<" in completion or stop else -1
        while at >= 0 and only_named(completion, at, at + len(token)):
            at = completion.find(token, at + len(token))
        if at >= 0:
            rest = completion[at + len(token) :].strip()
            return f"after_stop: {len(rest)} characters follow {token}" if rest else None
    return "no_stop" if stop else None
