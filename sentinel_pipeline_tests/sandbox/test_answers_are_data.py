"""Answers are data: no method of an answer settles a test, and no answer lies in the arguments of a
later call before that is made."""

# ruff: noqa: E501

from __future__ import annotations

import sys

import pytest

from sentinel_pipeline.records import PythonTests
from sentinel_pipeline.sandbox import Limits, Outcome
from sentinel_pipeline.sandbox.guest import pytest_like
from sentinel_pipeline.sandbox.judge.python_tests import _learn
from sentinel_pipeline.sandbox.judge.suite import Suite
from sentinel_pipeline_tests.sandbox.conftest import Grade

SETTLING = {
    "every of an array": ("() => Object.assign([1], { every: () => true })", "assert.ok(f().every((x) => x > 5));"),
    "some of an array": ("() => Object.assign([1], { some: () => true })", "assert.ok(f().some((x) => x > 5));"),
    "includes of an array": ("() => Object.assign([1], { includes: () => true })", "assert.ok(f().includes(5));"),
    "indexOf of an array": ("() => Object.assign([1], { indexOf: () => 0 })", "assert.equal(f().indexOf(5), 0);"),
    "find of an array": ("() => Object.assign([1], { find: () => 5 })", "assert.equal(f().find((x) => x > 4), 5);"),
    "forEach of an array": ("() => Object.assign([1], { forEach: () => 1 })", "f().forEach((x) => assert.equal(x, 5));"),
    "map of an array": ("() => Object.assign([1], { map: () => [2] })", "assert.deepEqual(f().map((x) => x * 1), [2]);"),
    "join of an array": ("() => Object.assign([1], { join: () => '1,2' })", "assert.equal(f().join(','), '1,2');"),
    "toString of an array": ("() => Object.assign([1], { toString: () => '2' })", "assert.equal(String(f()), '2');"),
    "iterator of an array": ("() => { const a = [1]; a[Symbol.iterator] = function* () { yield 2; }; return a; }", "assert.deepEqual([...f()], [2]);"),
    "some inside a value": ("() => ({ a: [Object.assign([1], { some: () => true })] })", "assert.ok(f().a[0].some((x) => x > 4));"),
    "every of an object": ("() => ({ every: () => true, length: 1 })", "assert.ok(f().every((x) => x > 5));"),
    "forEach of an object": ("() => ({ forEach() {} })", "f().forEach((x) => assert.equal(x, 5));"),
    "hasOwnProperty of an object": ("() => ({ hasOwnProperty: () => true })", "assert.ok(f().hasOwnProperty('a'));"),
    "includes of a class": ("() => new (class { includes() { return true; } })()", "assert.ok(f().includes(5));"),
    "startsWith of a class": ("() => new (class { startsWith() { return true; } })()", "assert.ok(f().startsWith('a'));"),
    "every of a class of arrays": ("() => new (class extends Array { every() { return true; } })()", "assert.ok(f().every((x) => x > 1));"),
    "in of a proxy": ("() => new Proxy(function () {}, { has: () => true })", "assert.ok('a' in f());"),
    "in of an object": ("() => new (class { constructor() { this.a = 1; } })()", "assert.ok('a' in f());"),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTLING)
def test_no_method_of_an_answer_settles_a_test(script: Grade, name: str) -> None:
    value, tests = SETTLING[name]
    result = script(f"const f = {value};", tests, language="javascript")
    assert result.outcome is Outcome.FAIL, result.reason
    assert script("const f = (x) => x", "assert.equal(f(1), 1)").code == "passed"


HONEST = {
    "closure": ("const f = () => { let n = 0; return { inc() { return ++n; }, get() { return n; } }; };", "const c = f(); c.inc(); assert.equal(c.get(), 1);"),
    "stack by a closure": ("function f() { const s = []; return { push(x) { s.push(x); }, pop() { return s.pop(); } }; }", "const c = f(); c.push(1); assert.equal(c.pop(), 1);"),
    "class of the program": (
        "class L { constructor() { this.a = []; } add(x) { this.a.push(x); return this; } includes(x) { return this.a.includes(x); } forEach(g) { this.a.forEach(g); } }",
        "const l = new L(); assert.ok(l.add(3).includes(3)); let n = 0; l.forEach((x) => { n += x; }); assert.equal(n, 3); assert.ok('a' in l);",
    ),
    "object of the program": ("const f = { includes(a, x) { return a.includes(x); } };", "assert.ok(f.includes([1], 1));"),
    "array": ("const f = () => [1, 2];", "assert.ok(f().includes(2)); assert.ok(f().every((x) => x > 0));"),
    "map": ("const f = () => new Map([['a', 1]]);", "assert.ok(f().has('a'));"),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_methods_of_right_programs_are_called(script: Grade, name: str) -> None:
    code, tests = HONEST[name]
    assert script(code, tests, None, language="javascript").reason == "passed"


TELLING = {
    "an answer that is a later argument": ("assert f(3) == 9\nassert f(9) == 81", True),
    "an answer that is an earlier argument": ("assert f(9) == 81\nassert f(3) == 9", False),
    "its own argument": ("assert f(3) == 3\nassert f(4) == 4", False),
    "a list": ("assert f([1]) == [1, 2]\nassert f([1, 2]) == [3]", True),
    "another type": ("assert f(3) == '9'\nassert f(9) == 81", False),
    "by a name": ("a = f(3)\nassert a == 9\nassert f(x=9) == 81", True),
    "within a tolerance": ("assert abs(f(3) - 9.5) < 1\nassert f(9.5) == 81", True),
    "approximately": ("import pytest\nassert f(3) == pytest.approx(9.5)\nassert f(9.5) == 81", True),
    "the first of several answers": ("assert f(3) in (9, 8)\nassert f(9) == 81", True),
    "by unittest": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n"
        "        self.assertEqual(f(3), 9)\n        self.assertEqual(f(9), 81)\n",
        True,
    ),
    "a truth": ("assert f(3) == True\nassert f(True) == 81", False),
    "an answer's part": ("assert f(3)[0] == 9\nassert f(9) == 81", True),
}  # fmt: skip


@pytest.mark.parametrize("name", TELLING)
def test_calls_are_made_one_by_one_where_a_later_argument_tells_an_answer(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pytest", pytest_like)  # as in a judge's own process
    tests, expected = TELLING[name]
    suite = Suite(PythonTests(tests=tests, entry_point="f"))
    _learn(suite)
    assert suite.dynamic is expected


LOOKING = (
    "import sys, re\n"
    "def f(x):\n"
    "    frame = sys._getframe()\n"
    "    texts = []\n"
    "    while frame:\n"
    "        texts += [repr(value) for value in frame.f_locals.values() if value is not texts]\n"
    "        frame = frame.f_back\n"
    "    later = [int(n) for t in texts for n in re.findall(r'\\[\\[(\\d+)\\],\\{\\}\\]', t)]\n"
    "    return next((n for n in later if n != x), 0)\n"
)


def test_a_program_finds_no_answer_among_later_arguments(python: Grade) -> None:
    result = python(LOOKING, "assert f(3) == 9\nassert f(9) == 0", limits=Limits(cpu_seconds=2))
    assert result.reason == "assertion: f(3): expected 9, got 0"
