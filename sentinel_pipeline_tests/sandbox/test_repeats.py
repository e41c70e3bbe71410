"""The same verdicts, to the letter, twenty times over, while every core has other work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sentinel_pipeline.records import PythonTests, StdioTests
from sentinel_pipeline.sandbox import Grader, Limits, Outcome, Program
from sentinel_pipeline_tests.sandbox.attacks import FOOLING, TESTS
from sentinel_pipeline_tests.sandbox.test_benchmark_references import humaneval

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

REPEATS = 20
LIMITS = Limits(cpu_seconds=20, wall_seconds=300)
ENDS_AT_A_LIMIT = (
    "while True",
    "setrecursionlimit",
)  # which limit comes first is the machine's business
_BURN = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: sum(range(1000))"


@contextmanager
def every_core_loaded() -> Iterator[None]:
    with ExitStack() as stack:
        for core in os.sched_getaffinity(0):
            burner = stack.enter_context(subprocess.Popen([sys.executable, "-c", _BURN, str(core)]))
            stack.callback(burner.kill)
        yield


def programs(folder: Path) -> list[Program]:
    """References, every fourth with its results changed, forgeries, programs that print sets, and
    ones that use chance."""
    right = list(humaneval(folder))
    wrong = [
        Program(id=f"{one.id} wrong", code=_returns_a_list(one), verifier=one.verifier)
        for one in right[::4]
    ]
    hostile = PythonTests(tests=TESTS, entry_point="f")
    forged = [
        Program(id=name, code=code, verifier=hostile)
        for name, code in FOOLING.items()
        if not any(part in code for part in ENDS_AT_A_LIMIT)
    ]
    sets = "print({chr(n) for n in range(97, 110)})"
    printed = [Program(id="a set", code=sets, verifier=StdioTests(inputs=("",), outputs=("{}",)))]
    chance = "import random\ndef f(x): return random.random()\n"
    return [*right, *wrong, *forged, *printed, Program(id="chance", code=chance, verifier=hostile)]


def _returns_a_list(one: Program) -> str:
    assert isinstance(one.verifier, PythonTests)
    name = one.verifier.entry_point
    return f"{one.code}\n_right = {name}\ndef {name}(*args):\n    return [_right(*args)]\n"


def test_verdicts_are_the_same_twenty_times_while_all_cores_are_loaded(
    benchmarks_dir: Path,
) -> None:
    batch = programs(benchmarks_dir)
    with every_core_loaded(), Grader(limits=LIMITS) as grader:
        runs = [
            tuple(
                (result.id, result.outcome, result.code, result.detail)
                for result in grader.grade(batch)
            )
            for _ in range(REPEATS)
        ]
    assert Counter(outcome for _, outcome, _, _ in runs[0][:164]) == {Outcome.PASS: 164}
    assert Counter(outcome for _, outcome, _, _ in runs[0][164:]) == {
        Outcome.FAIL: len(batch) - 164
    }
    for run in runs[1:]:
        assert [pair for pair in zip(run, runs[0]) if pair[0] != pair[1]] == []
