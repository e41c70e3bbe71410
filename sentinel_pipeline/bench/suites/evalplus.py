"""EvalPlus's problem files (HumanEval+ and MBPP+): releases that hold inputs, and hub rows that hold whole tests.

A release tells inputs and a reference solution; what the reference gives is what is expected. The few tasks whose outputs are
compared in another way are EvalPlus's own list (``evalplus/eval/_special_oracle.py``). What this module does not do: fetch them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ...errors import Infrastructure
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
_SECONDS = 600.0
_WORKER = Path(__file__).with_name("evalplus_outputs.py")

_CHECK = """
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
    for given, want in CASES:
        kept = copy.deepcopy(given)
        got = candidate(*given)
        assert same(got, want, kept)
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


def expected_outputs(rows: list[SuiteRow]) -> dict[int, list[str]]:
    """Line -> what the reference gives for each input, as Python literals, from one child process for the whole file.

    Raises:
        BadInput: a reference that raises, or gives what has no literal.
        Infrastructure: the child process ended.
    """
    if not rows:
        return {}
    jobs = [
        [row.text("prompt") + row.text("canonical_solution"), row.text("entry_point"), _inputs(row)] for row in rows
    ]
    command = [sys.executable, "-I", str(_WORKER)]
    try:
        done = subprocess.run(
            command, input=json.dumps(jobs), capture_output=True, text=True, timeout=_SECONDS, check=True
        )
        answers = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise Infrastructure(f"the references of {rows[0].file} could not be run: {error}") from error
    for row, answer in zip(rows, answers):
        if "error" in answer:
            raise row.bad("canonical_solution", f"fails on its own inputs: {answer['error']}.", "Fetch the file again.")
    return {row.line: answer["outputs"] for row, answer in zip(rows, answers)}


def _inputs(row: SuiteRow) -> list[Any]:
    found = [*row.fields["base_input"], *(row.fields.get("plus_input") or [])]
    if not found or not all(isinstance(given, list) for given in found):
        raise row.bad("base_input", "expected a non-empty list of argument lists.")
    return found


def verifier(row: SuiteRow, outputs: list[str]) -> PythonTests:
    """Tests over every base and plus input, with the release's tolerance ``atol``."""
    name, atol = row.text("entry_point"), row.fields.get("atol") or 0
    kind = (
        "set" if name in SET_EQUAL else "not_none" if name in NOT_NONE else "root" if name == "find_zero" else "plain"
    )
    cases = ", ".join(f"({given!r}, {output})" for given, output in zip(_inputs(row), outputs))
    tests = f"import copy\nfrom math import inf, nan\nATOL = {float(atol)!r}\nCASES = [{cases}]\n{_SAME[kind]}{_CHECK}"
    return PythonTests(tests=tests, entry_point=name, prefix=row.text("prompt"))


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
