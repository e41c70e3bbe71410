"""EvalPlus's problem files (HumanEval+ and MBPP+): releases that hold inputs, and hub rows that
hold whole tests.

A release tells inputs and a reference solution; what the reference gives is what is expected. The
few tasks whose outputs are compared in another way are EvalPlus's own list (``evalplus/eval``,
release 0.3.1). What this module does not do: fetch them, or need numpy: what hub rows use of it is
a stand-in.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from ...records import PythonTests
from . import mbpp
from .evalplus_inputs import arguments
from .rows import SuiteRow

FIELDS = {"prompt", "canonical_solution", "base_input", "entry_point"}
_SETS = """
similar_elements find_char_long common_in_nested_lists extract_singly larg_nnum intersection_array find_dissimilar Diff
"""
_KINDS = dict.fromkeys(_SETS.split(), "set") | {
    "check_str": "not_none",
    "text_match_three": "not_none",
    "text_starta_endb": "not_none",
    "find_zero": "root",
    "are_equivalent": "any",
    "sum_div": "zero_too",
    "surface_Area": "height_too",
    "digit_distance_nums": "padded_too",
}
"""Entry points whose outputs are not compared plainly; the ``_too`` ones have a second right answer
in EvalPlus."""
_SAME = {
    "plain": "return got == want or _close(got, want)",
    "set": "return got is not None and set(got) == set(want)",
    "not_none": "return (got if isinstance(got, bool) else got is not None) == (want is not None)",
    "root": "return isinstance(got, (int, float)) and abs(sum(c * got**i for i, c in enumerate(given[0]))) <= (ATOL or 1e-4)",
    "any": "return True",
    "zero_too": "return got == want or got == 0",
    "height_too": (
        "base, height = given\n    slant = ((base / 2) ** 2 + height**2) ** 0.5\n"
        "    return got == want or _close(got, want) or abs(got - round(base**2 + 2 * base * slant)) <= ATOL"
    ),
    "padded_too": (
        "one, two = map(str, given)\n    width = max(len(one), len(two))\n"
        "    pairs = zip(one.zfill(width), two.zfill(width))\n"
        "    return got == want or got == sum(abs(int(a) - int(b)) for a, b in pairs)"
    ),
}
_CHECK = """
def _expected():
    names = {}
    exec(REFERENCE, names)
    return [names[NAME](*copy.deepcopy(given)) for given in INPUTS]

def _floats(want):
    return isinstance(want, float) or isinstance(want, (list, tuple)) and all(isinstance(one, float) for one in want)

def _close(got, want):
    tolerance = ATOL or (1e-6 if _floats(want) else 0)
    return tolerance > 0 and type(got) is type(want) and _near(got, want, tolerance)

def _near(got, want, tolerance):
    if isinstance(want, (list, tuple)):
        same = type(got) is type(want) and len(got) == len(want)
        return same and all(_near(one, other, tolerance) for one, other in zip(got, want))
    if got == want or not all(isinstance(one, (int, float)) for one in (got, want)):
        return got == want
    return abs(got - want) <= tolerance + 1e-7 * abs(want) < inf or got != got and want != want

def check(candidate):
    for given, want in zip(INPUTS, __once__(_expected)):
        got = candidate(*copy.deepcopy(given))
        assert same(got, want, given)
"""
_NUMPY = """
class {name}:
    class ndarray:
        pass
    class testing:
        def assert_allclose(got, want, rtol=1e-7, atol=0):
            assert {name}.allclose(got, want, rtol, atol)
    float32 = float64 = float
    def allclose(got, want, rtol=1e-5, atol=1e-8):
        if isinstance(want, (list, tuple)):
            return len(got) == len(want) and all({name}.allclose(*pair, rtol, atol) for pair in zip(got, want))
        return got == want or abs(got - want) <= atol + rtol * abs(want) < float("inf")
"""
"""What EvalPlus's tests use of numpy. Shapes must agree: nothing is broadcast."""


def fits(row: SuiteRow) -> bool:
    """Whether this is a row of a release."""
    return row.fields.keys() >= FIELDS and "test" not in row.fields


def verifier(row: SuiteRow) -> PythonTests:
    """Tests over every base and plus input, with the release's tolerance ``atol``; the harness runs
    the reference once a problem.

    Raises:
        BadInput: a field is missing or of a wrong type.
    """
    name = row.text("entry_point")
    stub = row.text("prompt")
    facts = {
        "INPUTS": _inputs(row),
        "REFERENCE": row.python("canonical_solution", stub + row.text("canonical_solution")),
        "NAME": name,
        "ATOL": _tolerance(row),
    }
    lines = [
        "import copy",
        "from math import inf, nan",
        *(f"{key} = {value!r}" for key, value in facts.items()),
    ]
    same = f"def same(got, want, given):\n    {_SAME[_KINDS.get(name, 'plain')]}\n"
    return PythonTests(tests="\n".join(lines) + "\n" + same + _CHECK, entry_point=name, prefix=stub)


def _inputs(row: SuiteRow) -> list[Any]:
    inputs: list[Any] = []
    for field in ("base_input", "plus_input"):
        value = row.fields.get(field) or []
        if not isinstance(value, list) or not all(isinstance(argument, list) for argument in value):
            raise row.bad(field, "expected a list of argument lists.")
        try:
            inputs += [arguments(row.text("task_id"), argument) for argument in value]
        except ValueError as error:
            raise row.bad(field, f"{error}.") from error
    if not inputs:
        raise row.bad("base_input", "expected a non-empty list of argument lists.")
    return inputs


def _tolerance(row: SuiteRow) -> float:
    value = row.fields.get("atol") or 0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise row.bad("atol", f"expected a number from 0 to 1, got {value!r:.40}.")
    return float(value)


def mbpp_verifier(row: SuiteRow) -> PythonTests:
    """A hub row of MBPP+: ``test`` is a whole test module, ``test_list`` names the function.

    Raises:
        BadInput: the tests are not Python, or call no function.
    """
    return without_numpy(replace(mbpp.verifier(row), tests=row.python("test", row.text("test"))))


def without_numpy(checked: PythonTests) -> PythonTests:
    """The same tests with a stand-in for ``import numpy``, where they begin with it: the harness
    has the standard library only."""
    lines = checked.tests.split("\n")
    for node in ast.parse(checked.tests).body:
        if isinstance(node, ast.Import) and [alias.name for alias in node.names] == ["numpy"]:
            stand_in = _NUMPY.format(name=node.names[0].asname or "numpy")
            tests = [*lines[: node.lineno - 1], stand_in, *lines[node.end_lineno :]]
            return replace(checked, tests="\n".join(tests))
    return checked
