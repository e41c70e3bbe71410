"""Order, streaming, back-pressure, and workers that die."""

# ruff: noqa: E501

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from sentinel_pipeline.records import PythonTests
from sentinel_pipeline.sandbox import Grader, Limits, Outcome, Program, grade

TESTS = PythonTests(tests="assert f(1) == 2", entry_point="f")


def _program(number: int, body: str = "return x + 1", limits: Limits | None = None) -> Program:
    return Program(id=str(number), code=f"def f(x):\n    {body}\n", verifier=TESTS, limits=limits)


def test_results_come_in_input_order_whatever_takes_longer() -> None:
    slow = "import time; time.sleep(0.3); return x + 1"
    programs = [_program(n, slow if n % 5 == 0 else "return x + 1") for n in range(15)]
    assert [result.id for result in grade(programs, workers=2)] == [str(n) for n in range(15)]


def test_input_is_taken_no_further_than_the_window() -> None:
    taken = 0

    def endless() -> Iterator[Program]:
        nonlocal taken
        while True:
            taken += 1
            yield _program(taken)

    with Grader(workers=1) as grader:
        results = grader.grade(endless())
        first = [next(results).id for _ in range(5)]
        results.close()
    assert first == ["1", "2", "3", "4", "5"]
    assert taken < 5 + 70


def test_a_grader_serves_again_after_a_batch_was_abandoned() -> None:
    with Grader(workers=1) as grader:
        results = grader.grade(_program(n) for n in range(100))
        next(results)
        results.close()
        assert [result.id for result in grader.grade([_program(7)])] == ["7"]


def test_no_programs_no_results() -> None:
    assert list(grade([])) == []


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost() -> None:
    with Grader(workers=1) as grader:
        results = grader.grade([_program(n) for n in range(12)])
        seen = [next(results)]
        grader.workers[0].process.send_signal(signal.SIGKILL)
        seen += results
    assert [(result.id, result.code) for result in seen] == [(str(n), "passed") for n in range(12)]


def test_a_program_whose_worker_dies_every_time_is_infrastructure_and_the_rest_is_graded() -> None:
    killer = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nassert f(1) == 2\n"
    bad = Program(
        id="bad", code="def f(x): return 2", verifier=PythonTests(tests=killer, entry_point="f")
    )
    results = list(grade([_program(0), bad, _program(2)], workers=1))
    assert [(result.id, result.outcome) for result in results] == [
        ("0", Outcome.PASS),
        ("bad", Outcome.INFRA),
        ("2", Outcome.PASS),
    ]


def test_a_zygote_that_is_killed_is_replaced_and_the_program_tried_again() -> None:
    with Grader(workers=1) as grader:
        list(grader.grade([_program(0)]))
        judge = grader.workers[0].process.pid
        with open(f"/proc/{judge}/task/{judge}/children", encoding="ascii") as file:
            (zygote,) = (int(pid) for pid in file.read().split())
        os.kill(zygote, signal.SIGKILL)
        assert [result.code for result in grader.grade([_program(1), _program(2)])] == [
            "passed",
            "passed",
        ]


def test_descriptors_do_not_accumulate() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        list(grade([_program(0)], workers=1))
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_caller_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    forked = []
    os.register_at_fork(before=lambda: forked.append(1))
    assert [result.code for result in grade([_program(0)], workers=1)] == ["passed"]
    assert forked == []


def test_verdicts_are_the_same_over_repeats() -> None:
    body = "return {str(i) for i in range(9)}.pop() + str(__import__('random').random())"
    programs = [_program(n, body) for n in range(6)]
    details = {result.detail for _ in range(2) for result in grade(programs, workers=2)}
    assert len(details) == 1


@pytest.mark.parametrize("mib", [1, 4])
def test_disk_limit_of_a_program_holds(mib: int) -> None:
    code = "def f(x):\n    n = 0\n    for i in range(64):\n        try:\n            with open(f'/tmp/{i}', 'wb') as o: o.write(bytes(1 << 18))\n            n += 1\n        except OSError: break\n    return n\n"
    tests = PythonTests(tests=f"n = f(1)\nassert {4 * mib - 2} <= n <= {4 * mib}", entry_point="f")
    (result,) = grade(
        [Program(id="d", code=code, verifier=tests, limits=Limits(disk_mib=mib))], workers=1
    )
    assert result.code == "passed", result.reason
