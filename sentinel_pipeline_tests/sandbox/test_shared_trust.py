"""Where tests must run beside the program, an object that lies about what it equals is caught: the
harness compares what they show."""

from __future__ import annotations

import pytest

from sentinel_pipeline.records import PythonTests
from sentinel_pipeline.sandbox import Limits, Outcome
from sentinel_pipeline.sandbox.judge.suite import Suite
from sentinel_pipeline_tests.sandbox.conftest import Grade

BESIDE = "class Q(P): pass\n"
_SAYS = {
    "everything": "return True",
    "every number and text": "return isinstance(other, (int, float, str, list))",
    "everything but its own kind": "return not isinstance(other, type(self))",
}
_BASES = {"object": "", "int": "7", "float": "2.5", "str": "'a'", "list": "[1]", "dict": "{}"}
LYING = {
    f"{base} that equals {what}": (
        f"class P({base}):\n    def __eq__(self, other): {body}\n    __hash__ = None\n"
        f"def f(x): return P({value})\n"
    )
    for what, body in _SAYS.items()
    for base, value in _BASES.items()
} | {
    "int that equals smaller numbers": (
        "class P(int):\n    def __eq__(self, other): return type(other) is int and other < 100\n"
        "    __hash__ = None\ndef f(x): return P(7)\n"
    ),
    "list of liars": (
        "class P(int):\n    def __eq__(self, other): return True\n    __hash__ = None\n"
        "def f(x): return [P(7)] if x == 2 else P(7)\n"
    ),
    "object that counts what it is asked": (
        "class P:\n    asked = 0\n    def __eq__(self, other):\n        P.asked += 1\n"
        "        return P.asked % 3 != 0\n    __hash__ = None\ndef f(x): return P()\n"
    ),
}


@pytest.mark.parametrize("name", LYING)
@pytest.mark.parametrize("form", ["assert", "turned round", "unittest"])
def test_no_object_that_lies_passes_beside_its_tests(python: Grade, name: str, form: str) -> None:
    compared = {
        "assert": "assert f(2) == [5]\nassert f(1) == 5\n",
        "turned round": "assert [5] == f(2)\nassert 5 == f(1)\n",
        "unittest": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n"
        "        self.assertEqual(f(2), [5])\n        self.assertEqual(5, f(1))\n",
    }
    result = python(LYING[name], BESIDE + compared[form], limits=Limits(cpu_seconds=2))
    assert (result.outcome, result.trust) == (Outcome.FAIL, "shared"), result.reason


RIGHT = {
    "plain value": "class P: pass\ndef f(x): return 5\n",
    "subclass of a number": "class P(int): pass\ndef f(x): return P(5)\n",
    "object that equals its number": (
        "class P:\n    def __init__(self): self.value = 5\n"
        "    def __eq__(self, other):\n"
        "        return self.value == (other.value if isinstance(other, P) else other)\n"
        "    __hash__ = None\ndef f(x): return P()\n"
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_programs_pass_beside_their_tests(python: Grade, name: str) -> None:
    result = python(RIGHT[name], BESIDE + "assert f(1) == 5\n")
    assert (result.reason, result.trust) == ("passed", "shared")


def test_a_comparison_that_the_tests_expect_to_fail_is_no_lie(python: Grade) -> None:
    tests = (
        "try:\n    assert f(1) == 5\n    failed = False\n"
        "except AssertionError:\n    failed = True\nassert failed\n"
    )
    result = python("class P: pass\ndef f(x): return 4\n", BESIDE + tests)
    assert (result.reason, result.trust) == ("passed", "shared")


def test_large_answers_are_not_shown_and_pass(python: Grade) -> None:
    text = "x" * 200_000
    tests = BESIDE + f"for _ in range(5):\n    assert f(1) == '{text}'\n"
    result = python("class P: pass\ndef f(x): return 'x' * 200000\n", tests)
    assert (result.reason, result.trust) == ("passed", "shared")


def test_what_is_compared_with_a_literal_is_shown_and_nothing_else() -> None:
    tests = "assert f(1) == [1, 2]\nassert 3 == f(2)\nassert f(1) == f(2)\nassert f(1) != 4\n"
    suite = Suite(PythonTests(tests=tests, entry_point="f"))
    assert "__shown__(0, f(1), [1, 2]) == [1, 2]" in suite.beside
    assert "3 == __shown__(1, f(2), 3)" in suite.beside
    assert suite.shown.values == [[1, 2], 3]
