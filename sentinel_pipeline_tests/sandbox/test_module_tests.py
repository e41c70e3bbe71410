"""Tests that come as modules: unittest classes, pytest functions, imports of the program."""

# ruff: noqa: E501

from __future__ import annotations

import math

import pytest

from sentinel_pipeline.sandbox import Outcome
from sentinel_pipeline.sandbox.guest import pytest_like
from sentinel_pipeline_tests.sandbox.conftest import Grade

RIGHT = "def f(x):\n    if x < 0:\n        raise ValueError('negative: %d' % x)\n    return x * 2\n"
WRONG = "def f(x):\n    return x * 2 + (x == 3)\n"
ITS_OWN = "class Bad(Exception): pass\ndef f(x):\n    raise Bad('no')\n"

UNITTEST = """
import unittest
from solution import f

class TestF(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = 1
    def setUp(self):
        self.n = 2
    def test_double(self):
        self.assertEqual(f(self.base), 2)
        for n in (3, 4):
            with self.subTest(n=n):
                self.assertEqual(f(n), 2 * n)
    def test_negative(self):
        with self.assertRaises(ValueError) as caught:
            f(-1)
        self.assertIn('negative', str(caught.exception))
    @unittest.skip('not today')
    def test_skipped(self):
        self.fail()

if __name__ == '__main__':
    unittest.main()
"""
PYTEST = """
import pytest
import solution as s
from solution import f as double

@pytest.fixture
def three():
    yield 3

@pytest.mark.parametrize('x, y', [(1, 2), pytest.param(3, 6, id='three'), pytest.param(0, 1, marks=pytest.mark.xfail)])
def test_table(x, y):
    assert double(x) == y

def test_fixture(three):
    assert s.f(three) == pytest.approx(6.0000001)

class TestMore:
    def test_error(self):
        with pytest.raises(ValueError, match='negative'):
            double(-1)

@pytest.mark.skip
def test_skipped():
    assert False
"""
MODULES = {
    "unittest": UNITTEST,
    "pytest": PYTEST,
    "bare functions": "def test_a():\n    assert f(3) == 6\ndef test_b():\n    assert f(0) == 0\n",
}


@pytest.mark.parametrize("name", MODULES)
def test_right_program_passes_apart_from_its_tests(python: Grade, name: str) -> None:
    result = python(RIGHT, MODULES[name], entry_point=None)
    assert (result.outcome, result.reason, result.trust) == (Outcome.PASS, "passed", "separate")


@pytest.mark.parametrize("name", MODULES)
def test_wrong_program_fails_for_its_reason(python: Grade, name: str) -> None:
    result = python(WRONG, MODULES[name], entry_point=None)
    assert result.code == "assertion" and "f(3)" in result.detail, result.reason


@pytest.mark.parametrize("name", MODULES)
def test_missing_function_is_named(python: Grade, name: str) -> None:
    assert python("def g(x): return 1\n", MODULES[name], entry_point=None).reason.startswith(
        "wrong_entry_point: 'f'"
    )


def test_every_row_of_a_table_is_tried(python: Grade) -> None:
    tests = (
        "import pytest\n@pytest.mark.parametrize('x', [1, 2, 3])\n@pytest.mark.parametrize('y', [2])\n"
        "def test_table(x, y):\n    assert f(x) == y * x\n"
    )
    assert python(RIGHT, tests).code == "passed"
    assert python(WRONG, tests).reason.startswith("assertion: f(x) == y * x; last call f(3)")


def test_a_coroutine_test_is_awaited(python: Grade) -> None:
    tests = "import pytest\n@pytest.mark.asyncio\nasync def test_a():\n    assert f(3) == 6\n"
    assert python(RIGHT, tests).code == "passed"
    assert python(WRONG, tests).code == "assertion"


def test_unittest_failure_shows_the_values(python: Grade) -> None:
    assert python(WRONG, UNITTEST, entry_point=None).detail == "7 != 6; last call f(3) gave 7"


def test_no_exception_where_one_is_due(python: Grade) -> None:
    tests = "import pytest\ndef test_a():\n    with pytest.raises(ValueError):\n        f(-1)\n"
    assert (
        python("def f(x): return 0\n", tests).detail
        == "did not raise ValueError; last call f(-1) gave 0"
    )


@pytest.mark.parametrize("tests", [
    "import pytest\nfrom solution import f, Bad\ndef test_a():\n    with pytest.raises(Bad, match='no'):\n        f(1)\n",
    "import unittest\nfrom solution import f, Bad\nclass TestF(unittest.TestCase):\n    def test_a(self):\n        with self.assertRaises(Bad):\n            f(1)\n",
    "import solution\nasync def g():\n    return solution\ndef test_a():\n    try:\n        solution.f(1)\n    except solution.Bad:\n        pass\n",
])  # fmt: skip
def test_the_programs_own_exception_is_known_apart_from_its_process(
    python: Grade, tests: str
) -> None:
    result = python(ITS_OWN, tests, entry_point=None)
    assert (result.reason, result.trust) == ("passed", "separate")
    assert (
        python("class Bad(Exception): pass\ndef f(x): return 1\n", tests, entry_point=None).outcome
        is not Outcome.INFRA
    )


@pytest.mark.parametrize(("tests", "reason"), [
    ("def test_a(tmp_path):\n    assert f(1) == 2\n", "there is no fixture 'tmp_path'"),
    ("import numpy.nothing\ndef test_a():\n    assert f(1) == 2\n", "numpy"),
    ("import unittest\nclass TestF(unittest.TestCase):\n    @unittest.skip('all')\n    def test_a(self):\n        self.assertEqual(f(1), 2)\n", "before they use the program"),
])  # fmt: skip
def test_tests_that_cannot_run_are_ours(python: Grade, tests: str, reason: str) -> None:
    result = python(RIGHT, tests)
    assert (result.outcome, result.code) == (Outcome.INFRA, "test_error")
    assert reason in result.detail


def test_a_program_that_swallows_its_tests_errors_still_fails(python: Grade) -> None:
    swallow = "def test_a():\n    try:\n        assert f(1) == 2\n    except BaseException:\n        pass\n"
    assert python("import os\ndef f(x): os._exit(0)\n", swallow).outcome is Outcome.FAIL


FORGERIES = {
    "patches unittest": "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\ndef f(x): return 0\n",
    "brings its own pytest": "import sys\nsys.modules['pytest'] = sys\ndef f(x): return 0\n",
    "equals everything": "class E(int):\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\ndef f(x): return E(0)\n",
    "raises skip": "import unittest\ndef f(x): raise unittest.SkipTest('skip')\n",
    "exits well": "import sys\ndef f(x): sys.exit(0)\n",
}


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("name", FORGERIES)
def test_not_fooled(python: Grade, name: str, module: str) -> None:
    assert python(FORGERIES[name], MODULES[module], entry_point=None).outcome is Outcome.FAIL


@pytest.mark.parametrize(("want", "got", "same"), [
    (1.0, 1.0 + 1e-7, True), (1.0, 1.00001, False), ([1.0, 2], [1.0, 2], True), ([1.0], (1.0,), False), ({"a": 0.3}, {"a": 0.1 + 0.2}, True),
    (math.inf, math.inf, True), (math.inf, 1e308, False), (math.nan, math.nan, False), (1.0, True, False), (1.0, "1.0", False), (0.0, 1e-13, True),
])  # fmt: skip
def test_approx_is_pytests(want: object, got: object, same: bool) -> None:
    assert (got == pytest_like.approx(want)) is same
    if not isinstance(got, (bool, str)):
        assert (got == pytest.approx(want)) is same or type(got) is not type(want)
