"""A candidate does not choose infra: whatever a sample answers, and whatever the tests do with it,
the result is a verdict with a reason."""

# ruff: noqa: E501

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytest

from sentinel_pipeline.records import PythonTests
from sentinel_pipeline.sandbox import Limits, Outcome
from sentinel_pipeline.sandbox.guest import pytest_like
from sentinel_pipeline.sandbox.judge.python_tests import _run_tests, _RunBeside
from sentinel_pipeline.sandbox.judge.remote import Session
from sentinel_pipeline.sandbox.judge.suite import BadTests, Suite
from sentinel_pipeline_tests.sandbox.attacks import QUESTIONS
from sentinel_pipeline_tests.sandbox.conftest import Grade
from sentinel_pipeline_tests.sandbox.hostile_answers import ASKING, Maker

LIMITS = Limits(cpu_seconds=20)
SMALL = Limits(cpu_seconds=0.5, wall_seconds=2, memory_mib=256)


class _Hostile(Session):
    def __init__(self, maker: Maker) -> None:
        super().__init__()
        self.maker = maker
        self.answers: list[Any] = []
        if maker.chance.random() < 0.5:
            self.own_classes = {"A": maker.described()}

    def exchange(self, request: bytes) -> dict[str, Any]:
        self.answers.append(self.maker.answer())
        answer: dict[str, Any] = self.answers[-1]
        return answer


@pytest.mark.parametrize("seed", range(6))
def test_no_answer_makes_a_fault_of_the_judge(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest", pytest_like)  # as in a judge's own process
    maker = Maker(seed)
    codes: Counter[str] = Counter()
    for name, tests in {**QUESTIONS, **ASKING}.items():
        suite = Suite(PythonTests(tests=tests, entry_point="f"))
        for _ in range(0 if suite.shared else 8):
            session = _Hostile(maker)
            try:
                codes[_run_tests(suite, session, LIMITS).code] += 1
            except (BadTests, _RunBeside) as decision:
                codes[type(decision).__name__] += 1
            except Exception as error:
                pytest.fail(f"{name}: {error!r} over {session.answers[-1:]}")
    assert codes["exception"] > 100 and codes["assertion"] > 20
    assert codes.total() > 800


ENGINE = {
    "a text that fills the memory": ("2 ** 29", "assert.equal('a'.repeat(f()).length, 3)"),
    "an array that fills the memory": ("2 ** 27", "assert.deepEqual(Array.from({length: f()}), [3])"),
    "a length that is none": ("-1", "assert.equal(new Array(f()).length, 1)"),
    "a depth that overflows the stack": ("100000", "const r = (n) => (n === 0 ? 0 : 1 + r(n - 1)); assert.equal(r(f()), 1)"),
    "a date that is none": ("new Date(NaN)", "assert.equal(f().toISOString(), 'x')"),
    "an object whose text raises": ("({ toString() { throw 1 } })", "assert.fail(f())"),
    "an object whose text raises, in a message": ("({ toString() { throw 1 } })", "assert.equal(1, 2, `${f()}`)"),
    "a nested array that is handed back": ("[...Array(95)].reduce((a) => [a], 1)", "assert.deepEqual(f([f(1)]), [1])"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENGINE)
def test_no_answer_of_a_script_makes_the_tests_faulty(script: Grade, name: str) -> None:
    value, tests = ENGINE[name]
    result = script(f"const f = (x) => {value};", tests, language="javascript", limits=SMALL)
    assert result.outcome in (Outcome.FAIL, Outcome.TIMEOUT), result.reason
    assert script("const f = (x) => x", "assert.equal(f(1), 1)").code == "passed"


def test_a_script_that_calls_back_without_end_fails(script: Grade) -> None:
    result = script(
        "const f = (g) => g(1);",
        "const h = (x) => f(h);\nassert.equal(h(1), 1);",
        language="javascript",
        limits=SMALL,
    )
    assert result.outcome in (Outcome.FAIL, Outcome.TIMEOUT), result.reason


LEFT = {
    "sparse files": ("for i in $(seq 40); do truncate -s 16M f$i; done", "output_limit"),
    "a sparse file beyond the limit": ("truncate -s 2G a 2>/dev/null; : > b", "files_differ"),
    "long paths": ("n=$(printf 'x%.0s' $(seq 250)); d=.; for i in $(seq 15); do d=$d/$n$i; done; mkdir -p $d; for i in $(seq 900); do : > $d/$i; done", "output_limit"),
    "many entries": ("for i in $(seq 1200); do : > $i; done", "files_differ"),
    "binary content": ("head -c 8000000 /dev/urandom > a", "files_differ"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_a_command_leaves_is_read_within_bounds(shell: Grade, name: str) -> None:
    command, code = LEFT[name]
    result = shell(command, stdout="", limits=Limits(cpu_seconds=5, wall_seconds=60))
    assert (result.outcome, result.code) == (Outcome.FAIL, code), result.reason
    assert shell("echo ok", stdout="ok\n").code == "passed"


TWICE = (
    "import os, struct\n"
    "class P: pass\n"
    "def f(x):\n"
    "    frame = b'{\"v\":true}'\n"
    "    for number in range(3, 64):\n"
    "        try: os.write(number, 2 * (struct.pack('<I', len(frame)) + frame))\n"
    "        except OSError: pass\n"
    "    os._exit(0)\n"
)


def test_more_than_one_verdict_beside_the_program_is_its_failure(python: Grade) -> None:
    tests = "class Q(P): pass\nassert f(1) == 2\n"
    result = python(TWICE, tests)
    assert (result.outcome, result.trust) == (Outcome.FAIL, "shared"), result.reason


@pytest.mark.parametrize(
    "tests",
    ["import pytest\npytest.fail(f(1))", "raise ValueError(f(1))", "assert f(1) == 2, f(1)"],
)
def test_an_object_whose_text_raises_fails(python: Grade, tests: str) -> None:
    code = (
        "class P:\n    def __str__(self): raise RuntimeError('no')\n    __repr__ = __str__\n"
        "def f(x): return P()\n"
    )
    result = python(code, tests)
    assert result.outcome is Outcome.FAIL, result.reason
