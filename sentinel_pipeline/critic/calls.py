"""Function calls against what is accepted for them, in the form of BFCL's answer files.

A ground truth names, for each call, the values that each argument may have. Values are compared by
type: where the function takes a float, ``5`` and ``5.0`` are one number; elsewhere a float never
stands for an integer, and ``true`` never for 1. Texts are compared without regard to case, white
space and kind of quotation marks; BFCL's own checker passes over punctuation too (``x-1`` is its
``x1``), which would accept wrong arguments, so this one does not. What this module does not do:
call anything.
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
    expected = _decoded(verifier.expected)
    offered = _parameters(verifier.functions)
    if len(calls) != len(expected):
        return f"call_count: expected {len(expected)}, got {len(calls)}"
    if verifier.ordered:
        pairs = zip(calls, expected, strict=True)
        return next(
            (
                problem
                for call, expected_call in pairs
                if (problem := _problem(call, expected_call, offered))
            ),
            None,
        )
    return _unordered(calls, expected, offered)


def gold_calls(verifier: FunctionCalls) -> str:
    """An answer that is right: the first accepted value of every argument that has one."""
    calls = []
    for call in _decoded(verifier.expected):
        name, arguments = next(iter(call.items()))
        chosen = {key: _gold(values) for key, values in arguments.items() if _some(values)}
        calls.append({"name": name, "arguments": chosen})
    return json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)


def check_calls(verifier: FunctionCalls) -> None:
    """Raises ValueError: functions without names, or expected calls that are not ``[{NAME:
    {ARGUMENT: [values]}}]`` of those."""
    functions = json.loads(verifier.functions)
    expected = json.loads(verifier.expected)
    if (
        not isinstance(functions, list)
        or not functions
        or not all(_is_function(function) for function in functions)
    ):
        raise ValueError("functions: expected a non-empty list of objects with name and parameters")
    if (
        not isinstance(expected, list)
        or not expected
        or not all(_is_call(call) for call in expected)
    ):
        raise ValueError("expected: expected a non-empty list of {NAME: {ARGUMENT: [values]}}")
    unknown = {name for call in expected for name in call} - {
        function["name"] for function in functions
    }
    if unknown:
        raise ValueError(f"expected: calls {min(unknown)!r}, which is not on offer")


def _is_function(function: Any) -> bool:
    return (
        isinstance(function, dict)
        and isinstance(function.get("name"), str)
        and isinstance(function.get("parameters"), dict)
    )


def _is_call(call: Any) -> bool:
    if not isinstance(call, dict) or len(call) != 1:
        return False
    arguments = next(iter(call.values()))
    return isinstance(arguments, dict) and all(
        isinstance(values, list) and values for values in arguments.values()
    )


def _some(values: list[Any]) -> bool:
    return OMITTED not in values or any(value != OMITTED for value in values)


def _gold(values: list[Any]) -> Any:
    """The first value that is not the mark of omission; inside objects, which again hold lists of
    accepted values, likewise."""
    value = next((value_choice for value_choice in values if value_choice != OMITTED), values[0])
    return _gold_inside(value)


def _gold_inside(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _gold(inner) if isinstance(inner, list) else inner
            for key, inner in value.items()
            if _given(inner)
        }
    if isinstance(value, list):
        return [_gold_inside(item) for item in value]
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
    offered = {}
    for function in json.loads(functions):
        schema = function.get("parameters", {})
        properties = schema.get("properties", {})
        real = frozenset(key for key, kind in properties.items() if _takes_floats(kind))
        offered[function["name"]] = _Offered(
            frozenset(properties), frozenset(schema.get("required", ())), real
        )
    return offered


def _takes_floats(kind: Any) -> bool:
    if not isinstance(kind, dict):
        return False
    return kind.get("type") in ("float", "number", "any") or _takes_floats(kind.get("items"))


def _calls(value: Any) -> list[tuple[str, dict[str, Any]]] | str:
    """The calls of an answer, with or without ids; ``arguments`` may be JSON text, as chat servers
    write it, and be called ``parameters``, as Llama does."""
    if isinstance(value, dict) and value.keys() <= {"role", "content", "refusal", "tool_calls"}:
        value = value.get("tool_calls")
    rows = [_bare_call(row) for row in (value if isinstance(value, list) else [value])]
    if not rows or len(rows) > MAX_CALLS:
        return f"not_calls: {len(rows)} calls"
    calls = []
    for row in rows:
        if (
            not isinstance(row, dict)
            or row.keys() != {"name", "arguments"}
            or not isinstance(row["name"], str)
        ):
            return "not_calls: expected objects of name and arguments"
        arguments = _object(row["arguments"])
        if arguments is None:
            return "not_calls: arguments are not an object"
        calls.append((row["name"], arguments))
    return calls


def _bare_call(row: Any) -> Any:
    """Name and arguments of a call in a chat server's or in Llama's form; anything else as it
    is."""
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
    """Pair calls with what is expected, whichever way they fit (Kuhn's augmenting paths: an early
    pick may be given back)."""
    problems = [
        [_problem(call, expected_call, offered) for expected_call in expected] for call in calls
    ]
    holder: dict[int, int] = {}

    def place(call: int, tried: set[int]) -> bool:
        for index, problem in enumerate(problems[call]):
            if problem is None and index not in tried:
                tried.add(index)
                if index not in holder or place(holder[index], tried):
                    holder[index] = call
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
    call: tuple[str, dict[str, Any]], expected_call: dict[str, Any], offered: dict[str, Any]
) -> str | None:
    name, name_arguments = call
    right, accepted = next(iter(expected_call.items()))
    if name != right:
        return f"call_name: expected {_short(right)}, got {_short(name)}"
    allowed, required, real = offered.get(
        name, _Offered(frozenset(accepted), frozenset(), frozenset())
    )
    for key in name_arguments:
        if key not in accepted or (allowed and key not in allowed):
            return f"call_argument: {_short(key)} is not expected"
    for key, values in accepted.items():
        if key in name_arguments:
            if not any(_same(name_arguments[key], value, key in real) for value in values):
                return f"call_value: {_short(key)} is {_short(name_arguments[key])}, expected one of {_short(values)}"
        elif key in required or OMITTED not in values:
            return f"call_argument: {_short(key)} is missing"
    return None


def _same(actual: Any, accepted: Any, real: bool) -> bool:
    if isinstance(accepted, dict):
        return isinstance(actual, dict) and _same_object(actual, accepted)
    if isinstance(accepted, list):
        same_length = isinstance(actual, list) and len(actual) == len(accepted)
        return same_length and all(
            _same(value, other, real) for value, other in zip(actual, accepted, strict=True)
        )
    if isinstance(accepted, str):
        return isinstance(actual, str) and _folded(actual) == _folded(accepted)
    if {type(actual), type(accepted)} == {int, float} and (real or type(accepted) is float):
        return bool(actual == accepted)
    return type(actual) is type(accepted) and bool(actual == accepted)


def _same_object(actual: dict[str, Any], accepted: dict[str, Any]) -> bool:
    """An object's accepted values are lists again, one for each key."""
    if not actual.keys() <= accepted.keys():
        return False
    for key, values in accepted.items():
        choices = values if isinstance(values, list) else [values]
        if key in actual:
            if not any(_same(actual[key], value, True) for value in choices):
                return False
        elif OMITTED not in choices:
            return False
    return True


def _folded(text: str) -> str:
    return " ".join(text.replace("'", '"').split()).casefold()


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)[:60]
