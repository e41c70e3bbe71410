"""What Python programs are judged to be, and why: one reason per test."""

from __future__ import annotations

import pytest

from sentinel_pipeline.sandbox import Limits, Outcome
from sentinel_pipeline_tests.sandbox.conftest import Grade

RIGHT = "def f(x):\n    return x + 1\n"


def test_right_program_passes_in_its_own_process(python: Grade) -> None:
    result = python(RIGHT, "assert f(1) == 2")
    assert (result.outcome, result.code, result.trust) == (Outcome.PASS, "passed", "separate")


def test_wrong_answer_names_call_expected_and_got(python: Grade) -> None:
    result = python("def f(x):\n    return x\n", "assert f(1) == 1\nassert f(2) == 4")
    assert (result.outcome, result.reason) == (Outcome.FAIL, "assertion: f(2): expected 4, got 2")


def test_wrong_entry_point_names_what_is_defined(python: Grade) -> None:
    result = python("def g(x):\n    return x\n", "assert f(1) == 1")
    assert result.reason == "wrong_entry_point: 'f' is not defined; defined: g"


def test_syntax_error_names_its_line(python: Grade) -> None:
    result = python("def f(x):\n    return (\n", "assert f(1) == 1")
    assert (result.code, "line 2" in result.detail) == ("syntax_error", True)


@pytest.mark.parametrize(
    "code", ["def f(x):\n    return '\ud800' \\ud800", "x = \0", "(" * 5000 + ")" * 5000]
)
def test_text_that_is_no_program_is_a_syntax_error(python: Grade, code: str) -> None:
    assert python(code, "assert f(1) == 1").code == "syntax_error"


def test_exception_names_type_and_line_in_the_program(python: Grade) -> None:
    result = python("def f(x):\n    y = 0\n    return x / y\n", "assert f(1) == 1")
    assert result.reason == "exception: ZeroDivisionError: division by zero (line 3)"


def test_exception_while_loading_is_an_exception(python: Grade) -> None:
    assert python("import nothing_like_this\n", "assert f(1) == 1").reason.startswith(
        "exception: ModuleNotFoundError"
    )


def test_endless_loop_times_out_on_cpu_time(python: Grade) -> None:
    result = python(
        "def f(x):\n    while True: pass\n", "assert f(1) == 1", limits=Limits(cpu_seconds=0.3)
    )
    assert (result.outcome, result.reason) == (
        Outcome.TIMEOUT,
        "timeout: more than 0.3 s of CPU time",
    )


def test_sleeping_program_meets_the_wall_limit(python: Grade) -> None:
    code = "import time\ndef f(x):\n    time.sleep(60)\n"
    result = python(code, "assert f(1) == 1", limits=Limits(wall_seconds=0.5))
    assert (result.outcome, result.reason) == (
        Outcome.TIMEOUT,
        "timeout: more than 0.5 s of wall time",
    )


def test_memory_bomb_is_memory(python: Grade) -> None:
    assert (
        python("def f(x):\n    return len(bytearray(10**10))\n", "assert f(1) == 1").code
        == "memory"
    )


def test_early_exit_is_exit_whatever_its_code(python: Grade) -> None:
    codes = [
        python(f"import os, sys\ndef f(x):\n    {way}\n", "assert f(1) == 1").code
        for way in ("sys.exit(0)", "os._exit(0)")
    ]
    assert codes == ["exit", "exit"]


def test_crash_names_the_signal(python: Grade) -> None:
    code = "import ctypes\ndef f(x):\n    ctypes.string_at(0)\n"
    assert python(code, "assert f(1) == 1").reason == "crash: killed by SIGSEGV"


def test_too_much_output_is_output_limit(python: Grade) -> None:
    code = "def f(x):\n    return 'x' * 1_000_000\n"
    assert python(code, "assert f(1) == 1", limits=Limits(output_kib=64)).code == "output_limit"


def test_forbidden_action_is_named(python: Grade) -> None:
    code = "import socket\ndef f(x):\n    socket.socket()\n"
    assert python(code, "assert f(1) == 1").reason.startswith("forbidden: PermissionError")


@pytest.mark.parametrize(
    "tests", ["", "assert (", "assert True", "import nothing_like_this\nassert f(1) == 2"]
)
def test_tests_that_cannot_judge_are_infrastructure_not_a_score(python: Grade, tests: str) -> None:
    result = python(RIGHT, tests)
    assert (result.outcome, result.code) == (Outcome.INFRA, "test_error")


def test_detail_is_one_bounded_line_without_control_characters(python: Grade) -> None:
    code = "def f(x):\n    raise ValueError('\\x1b[31m\\n\\u202e' + 'y' * 5000)\n"
    detail = python(code, "assert f(1) == 1").detail
    assert len(detail) <= 400 and detail.isprintable()


def test_swallowed_failure_still_fails(python: Grade) -> None:
    tests = "try:\n    r = f(1)\nexcept BaseException:\n    r = 2\nassert r == 2"
    assert python("import os\ndef f(x):\n    os._exit(0)\n", tests).code == "exit"


def test_slow_comparison_over_hostile_answers_is_a_timeout(python: Grade) -> None:
    tests = "n = f(1)\nassert n\nx = 0\nfor i in range(n): x += i\n"
    result = python("def f(x):\n    return 10**12\n", tests, limits=Limits(cpu_seconds=0.2))
    assert (result.outcome, result.code) == (Outcome.TIMEOUT, "timeout")
