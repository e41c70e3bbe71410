"""EvalPlus's problem files (HumanEval+ and MBPP+): releases that hold inputs, and hub rows that hold whole tests.

A release tells inputs and a reference solution; what the reference gives is what is expected. The few tasks whose outputs are
compared in another way are EvalPlus's own list (``evalplus/eval/_special_oracle.py``). What this module does not do: fetch them.
"""

from __future__ import annotations

from typing import Any

from ...records import PythonTests
from .mbpp import infer_entry_point, solution
from .rows import SuiteRow

FIELDS = {"prompt", "canonical_solution", "base_input", "entry_point"}
SET_EQUAL = frozenset(
    [
        "similar_elements",
        "find_char_long",
        "common_in_nested_lists",
        "extract_singly",
        "larg_nnum",
        "intersection_array",
        "find_dissimilar",
        "Diff",
    ]
)
"""MBPP+ tasks whose outputs are compared as sets."""
NOT_NONE = frozenset(["check_str", "text_match_three", "text_starta_endb"])
"""MBPP+ tasks where any value but None stands for True."""
_CHECK = """
def _expected():
    names = {}
    exec(REFERENCE, names)
    return [names[NAME](*copy.deepcopy(given)) for given in INPUTS]

def _floats(want):
    if isinstance(want, (list, tuple)):
        return bool(want) and all(map(_floats, want))
    return isinstance(want, float)

def _close(got, want):
    if isinstance(want, (list, tuple)):
        return type(got) is type(want) and len(got) == len(want) and all(map(_close, got, want))
    number = isinstance(got, (int, float)) and not isinstance(got, bool)
    return number and (got == want or got != got and want != want or abs(got - want) <= (ATOL or 1e-6) + 1e-7 * abs(want))

def check(candidate):
    for given, want in zip(INPUTS, __once__(_expected)):
        got = candidate(*copy.deepcopy(given))
        assert same(got, want, given)
"""
_SAME = {
    "plain": "def same(got, want, given):\n    return got == want or _floats(want) and _close(got, want)\n",
    "set": "def same(got, want, given):\n    return got is not None and set(got) == set(want)\n",
    "not_none": "def same(got, want, given):\n    return want == got if isinstance(got, bool) else want == (got is not None)\n",
    "root": (
        "def same(got, want, given):\n    return isinstance(got, (int, float)) and "
        "abs(sum(c * got ** i for i, c in enumerate(given[0]))) <= (ATOL or 1e-4)\n"
    ),
}


def fits(row: SuiteRow) -> bool:
    """Whether this is a row of a release."""
    return row.fields.keys() >= FIELDS and "test" not in row.fields


def _inputs(row: SuiteRow) -> list[Any]:
    found = [*row.fields["base_input"], *(row.fields.get("plus_input") or [])]
    if not found or not all(isinstance(given, list) for given in found):
        raise row.bad("base_input", "expected a non-empty list of argument lists.")
    return found


def verifier(row: SuiteRow) -> PythonTests:
    """Tests over every base and plus input, with the release's tolerance ``atol``; the judge runs the reference once a problem.

    Raises:
        BadInput: a field is missing or of a wrong type.
    """
    name, stub = row.text("entry_point"), row.text("prompt")
    kind = (
        "set" if name in SET_EQUAL else "not_none" if name in NOT_NONE else "root" if name == "find_zero" else "plain"
    )
    told = {
        "INPUTS": _inputs(row),
        "REFERENCE": row.python("canonical_solution", stub + row.text("canonical_solution")),
        "NAME": name,
        "ATOL": float(row.fields.get("atol") or 0),
    }
    lines = ["import copy", "from math import inf, nan", *(f"{key} = {value!r}" for key, value in told.items())]
    return PythonTests(tests="\n".join(lines) + "\n" + _SAME[kind] + _CHECK, entry_point=name, prefix=stub)


def mbpp_verifier(row: SuiteRow) -> PythonTests:
    """A hub row of MBPP+: ``test`` is a whole test module, ``test_list`` names the function.

    Raises:
        BadInput: the tests are no Python, or call no function.
    """
    entry = infer_entry_point("\n".join(row.texts("test_list")), solution(row))
    tests = row.python("test", row.text("test"))
    if entry is None:
        raise row.bad("test_list", "the asserts call no function, so what to test is not known.")
    imports = row.texts("test_imports") if row.fields.get("test_imports") else []
    return PythonTests(tests=tests, entry_point=entry.name, setup="\n".join(imports))
