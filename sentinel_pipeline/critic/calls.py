"""Function calls against what is accepted for them, in the form of BFCL's answer files.

A ground truth names, for each call, the values that each argument may have. Values are compared by type: where the function
takes a float, ``5`` and ``5.0`` are one number; elsewhere a float never stands for an integer, and ``true`` never for 1. Texts
are compared without regard to case, white space and kind of quotation marks; BFCL's own checker passes over punctuation too
(``x-1`` is its ``x1``), which would accept wrong arguments, so this one does not. What this module does not do: call anything.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from ..records import FunctionCalls

OMITTED = ""
"""Among the accepted values: the argument may be left out."""
MAX_CALLS = 64


def judge_calls(value: Any, verifier: FunctionCalls) -> str | None:
    """None when ``value`` makes the expected calls, else ``CODE: detail``."""
    calls = _calls(value)
    if isinstance(calls, str):
        return calls
    expected, offered = _decoded(verifier.expected), _parameters(verifier.functions)
    if len(calls) != len(expected):
        return f"call_count: expected {len(expected)}, got {len(calls)}"
    if verifier.ordered:
        pairs = zip(calls, expected, strict=True)
        return next(
            (problem for call, wanted in pairs if (problem := _problem(call, wanted, offered))),
            None,
        )
    return _unordered(calls, expected, offered)


def gold_calls(verifier: FunctionCalls) -> str:
    """An answer that is right: the first accepted value of every argument that has one."""
    made = []
    for wanted in _decoded(verifier.expected):
        name, arguments = next(iter(wanted.items()))
        chosen = {key: _gold(values) for key, values in arguments.items() if _some(values)}
        made.append({"name": name, "arguments": chosen})
    return json.dumps(made[0] if len(made) == 1 else made, ensure_ascii=False)


def check_calls(verifier: FunctionCalls) -> None:
    """Raises ValueError: functions without names, or expected calls that are not ``[{NAME: {ARGUMENT: [values]}}]`` of those."""
    functions, expected = json.loads(verifier.functions), json.loads(verifier.expected)
    if (
        not isinstance(functions, list)
        or not functions
        or not all(_is_function(one) for one in functions)
    ):
        raise ValueError("functions: expected a non-empty list of objects with name and parameters")
    if not isinstance(expected, list) or not expected or not all(_is_call(one) for one in expected):
        raise ValueError("expected: expected a non-empty list of {NAME: {ARGUMENT: [values]}}")
    unknown = {name for call in expected for name in call} - {one["name"] for one in functions}
    if unknown:
        raise ValueError(f"expected: calls {min(unknown)!r}, which is not on offer")


def _is_function(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and isinstance(one.get("parameters"), dict)
    )


def _is_call(one: Any) -> bool:
    if not isinstance(one, dict) or len(one) != 1:
        return False
    arguments = next(iter(one.values()))
    return isinstance(arguments, dict) and all(
        isinstance(values, list) and values for values in arguments.values()
    )


def _some(values: list[Any]) -> bool:
    return OMITTED not in values or any(value != OMITTED for value in values)


def _gold(values: list[Any]) -> Any:
    """The first value that is not the mark of omission; inside objects, which again hold lists of accepted values, likewise."""
    value = next((one for one in values if one != OMITTED), values[0])
    return _gold_inside(value)


def _gold_inside(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _gold(inner) if isinstance(inner, list) else inner
            for key, inner in value.items()
            if _given(inner)
        }
    if isinstance(value, list):
        return [_gold_inside(one) for one in value]
    return value


def _given(inner: Any) -> bool:
    return not isinstance(inner, list) or _some(inner)


@lru_cache(maxsize=1024)
def _decoded(text: str) -> Any:
    return json.loads(text)


class _Offered(NamedTuple):
    """Arguments of a function: all, the required ones, and those that take floats."""

    known: frozenset[str]
    required: frozenset[str]
    real: frozenset[str]


@lru_cache(maxsize=1024)
def _parameters(functions: str) -> dict[str, _Offered]:
    found = {}
    for one in json.loads(functions):
        schema = one.get("parameters", {})
        properties = schema.get("properties", {})
        real = frozenset(key for key, kind in properties.items() if _takes_floats(kind))
        found[one["name"]] = _Offered(
            frozenset(properties), frozenset(schema.get("required", ())), real
        )
    return found


def _takes_floats(kind: Any) -> bool:
    if not isinstance(kind, dict):
        return False
    return kind.get("type") in ("float", "number", "any") or _takes_floats(kind.get("items"))


def _calls(value: Any) -> list[tuple[str, dict[str, Any]]] | str:
    """The calls of an answer, with or without ids; ``arguments`` may be JSON text, as chat servers write it, and be called
    ``parameters``, as Llama does."""
    if isinstance(value, dict) and value.keys() <= {"role", "content", "refusal", "tool_calls"}:
        value = value.get("tool_calls")
    rows = [_bare_call(row) for row in (value if isinstance(value, list) else [value])]
    if not rows or len(rows) > MAX_CALLS:
        return f"not_calls: {len(rows)} calls"
    found = []
    for row in rows:
        if (
            not isinstance(row, dict)
            or row.keys() != {"name", "arguments"}
            or not isinstance(row["name"], str)
        ):
            return "not_calls: expected objects of name and arguments"
        arguments = _object(row["arguments"])
        if arguments is None:
            return "not_calls: arguments are no object"
        found.append((row["name"], arguments))
    return found


def _bare_call(row: Any) -> Any:
    """Name and arguments of a call in a chat server's or in Llama's form; anything else as it is."""
    if not isinstance(row, dict):
        return row
    inner = row.get("function")
    if isinstance(inner, dict) and row.keys() <= {"id", "type", "index", "function"}:
        row = inner
    call = dict(row)
    if isinstance(call.get("id"), str):  # a chat server's ids are texts
        del call["id"]
    if call.get("type") == "function":
        del call["type"]
    if call.keys() == {"name", "parameters"}:
        return {"name": call["name"], "arguments": call["parameters"]}
    return call


def _object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _unordered(calls: list[Any], expected: list[Any], offered: dict[str, Any]) -> str | None:
    """Pair calls with what is expected, whichever way they fit (Kuhn's augmenting paths: an early pick may be given back)."""
    problems = [[_problem(call, wanted, offered) for wanted in expected] for call in calls]
    holder: dict[int, int] = {}

    def place(call: int, tried: set[int]) -> bool:
        for wanted, problem in enumerate(problems[call]):
            if problem is None and wanted not in tried:
                tried.add(wanted)
                if wanted not in holder or place(holder[wanted], tried):
                    holder[wanted] = call
                    return True
        return False

    for call in range(len(calls)):
        if not place(call, set()):
            named = next(
                (
                    p
                    for p, w in zip(problems[call], expected, strict=True)
                    if p and calls[call][0] in w
                ),
                None,
            )
            return (
                named or problems[call][0] or "call_twice: one expected call is made more than once"
            )
    return None


def _problem(
    call: tuple[str, dict[str, Any]], wanted: dict[str, Any], offered: dict[str, Any]
) -> str | None:
    name, given = call
    right, accepted = next(iter(wanted.items()))
    if name != right:
        return f"call_name: expected {_short(right)}, got {_short(name)}"
    known, required, real = offered.get(
        name, _Offered(frozenset(accepted), frozenset(), frozenset())
    )
    for key in given:
        if key not in accepted or (known and key not in known):
            return f"call_argument: {_short(key)} is not expected"
    for key, values in accepted.items():
        if key in given:
            if not any(_same(given[key], value, key in real) for value in values):
                return f"call_value: {_short(key)} is {_short(given[key])}, expected one of {_short(values)}"
        elif key in required or OMITTED not in values:
            return f"call_argument: {_short(key)} is missing"
    return None


def _same(given: Any, accepted: Any, real: bool) -> bool:
    if isinstance(accepted, dict):
        return isinstance(given, dict) and _same_object(given, accepted)
    if isinstance(accepted, list):
        same_length = isinstance(given, list) and len(given) == len(accepted)
        return same_length and all(
            _same(one, other, real) for one, other in zip(given, accepted, strict=True)
        )
    if isinstance(accepted, str):
        return isinstance(given, str) and _folded(given) == _folded(accepted)
    if {type(given), type(accepted)} == {int, float} and (real or type(accepted) is float):
        return bool(given == accepted)
    return type(given) is type(accepted) and bool(given == accepted)


def _same_object(given: dict[str, Any], accepted: dict[str, Any]) -> bool:
    """An object's accepted values are lists again, one for each key."""
    if not given.keys() <= accepted.keys():
        return False
    for key, values in accepted.items():
        choices = values if isinstance(values, list) else [values]
        if key in given:
            if not any(_same(given[key], value, True) for value in choices):
                return False
        elif OMITTED not in choices:
            return False
    return True


def _folded(text: str) -> str:
    return " ".join(text.replace("'", '"').split()).casefold()


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)[:60]
