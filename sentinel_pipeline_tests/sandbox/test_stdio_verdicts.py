"""What programs over standard input and output are judged to be."""

# ruff: noqa: E501

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.sandbox import Grader, Limits, Outcome
from sentinel_pipeline.sandbox.judge.stdio_tests import meaning
from sentinel_pipeline_tests.sandbox.conftest import Grade

DOUBLE = "n = int(input())\nprint(2 * n)\n"
PASSING = {
    "input and print": DOUBLE,
    "main guard": "def main():\n    print(2 * int(input()))\nif __name__ == '__main__':\n    main()\n",
    "sys.stdin": "import sys\nsys.stdout.write(str(2 * int(sys.stdin.readline())))\n",
    "binary streams": "import sys\nsys.stdout.buffer.write(b'%d\\n' % (2 * int(sys.stdin.buffer.read())))\n",
    "descriptor numbers": "import os\nos.write(1, str(2 * int(os.read(0, 100))).encode())\n",
    "open(0)": "print(2 * int(open(0).read()))\n",
    "fileinput": "import fileinput\nfor line in fileinput.input():\n    print(2 * int(line))\n",
    "exit at the end": DOUBLE + "exit()\n",
    "sys.exit(0)": DOUBLE + "import sys\nsys.exit(0)\n",
    "os._exit after a flush": "import os\nprint(2 * int(input()), flush=True)\nos._exit(0)\n",
    "thread prints": "import threading\nn = int(input())\nthreading.Thread(target=lambda: print(2 * n)).start()\n",
    "trailing white space": "print(2 * int(input()), '  \\n\\n')\n",
}


@pytest.mark.parametrize("name", PASSING)
def test_right_program_passes(stdio: Grade, name: str) -> None:
    result = stdio(PASSING[name], ("4\n", "8\n"), ("5\n", "10\n"))
    assert (result.outcome, result.reason, result.trust) == (Outcome.PASS, "passed", "separate")


FAILING = {
    "prefix": ("print(1)\n", "case 1 of 2: expected '1\\n2\\n', got '1\\n'", "output_differs"),
    "more than asked": ("print(1); print(2); print(3)\n", "case 1 of 2: expected '1\\n2\\n', got '1\\n2\\n3\\n'", "output_differs"),
    "spaces inside": ("print('1\\n 2')\n", "case 1 of 2: expected '1\\n2\\n', got '1\\n 2\\n'", "output_differs"),
    "second case": ("print(1)\nprint(2)\n", "case 2 of 2: expected '3\\n', got '1\\n2\\n'", "output_differs"),
    "exception": ("print(1)\nprint(2)\n1 / 0\n", "case 1 of 2: ZeroDivisionError: division by zero (line 3)", "exception"),
    "exit code": ("print(1)\nprint(2)\nexit(3)\n", "case 1 of 2: SystemExit(3)", "exit"),
    "hard exit code": ("import os\nprint(1)\nprint(2, flush=True)\nos._exit(3)\n", "case 1 of 2: the process ended with code 3", "exit"),
    "syntax": ("print(\n", "case 1 of 2: '(' was never closed (line 1)", "syntax_error"),
    "signal": ("import os\nos.kill(os.getpid(), 9)\n", "case 1 of 2: killed by SIGKILL", "crash"),
    "input is short": ("input(); input()\n", "case 1 of 2: EOFError: EOF when reading a line (line 1)", "exception"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_wrong_program_fails_with_its_reason(stdio: Grade, name: str) -> None:
    code, detail, reason = FAILING[name]
    result = stdio(code, ("x\n", "1\n2\n"), ("y\n", "3\n"))
    assert (result.outcome, result.code, result.detail) == (Outcome.FAIL, reason, detail)


def test_limits_hold(stdio: Grade) -> None:
    small = Limits(cpu_seconds=0.5, wall_seconds=2, output_kib=8, memory_mib=128)
    assert stdio("while True: pass", ("", ""), limits=small).code == "timeout"
    assert stdio("import time\ntime.sleep(60)", ("", ""), limits=small).code == "timeout"
    assert stdio("print('x' * 9000)", ("", "x" * 9000), limits=small).code == "output_limit"
    assert stdio("print('x' * (1 << 24))", ("", ""), limits=small).code == "output_limit"
    assert stdio("x = bytearray(1 << 30)", ("", ""), limits=small).code == "memory"


def test_a_large_input_arrives_whole(stdio: Grade) -> None:
    numbers = "\n".join(map(str, range(100_000)))
    assert (
        stdio(
            "import sys\nprint(sum(map(int, sys.stdin)))", (numbers, str(sum(range(100_000))))
        ).code
        == "passed"
    )


@pytest.mark.parametrize("cases", [[], [("a", "b")]])
def test_cases_that_do_not_match_are_ours(grader: Grader, cases: list[tuple[str, str]]) -> None:
    from sentinel_pipeline.records import StdioTests
    from sentinel_pipeline.sandbox import Program

    verifier = StdioTests(inputs=tuple(case[0] for case in cases), outputs=("1", "2"))
    (result,) = list(grader.grade([Program(id="x", code="print(1)", verifier=verifier)]))
    assert (result.outcome, result.code) == (Outcome.INFRA, "test_error")


FORGERIES = {
    "write an answer of success": (
        "import os\n"
        "for n in range(3, 64):\n"
        "    try: os.write(n, b'\\x0a\\x00\\x00\\x00{\"v\":null}' * 3)\n"
        "    except OSError: pass\n"
    ),
    "look for the expected output": (
        "import os\n"
        "for n in range(64):\n"
        "    try:\n"
        "        os.lseek(n, 0, 0); data = os.read(n, 9999)\n"
        "        if b'SECRET' in data: print('SECRET')\n"
        "    except OSError: pass\n"
    ),
    "look through memory": (
        "import gc\n"
        "for thing in gc.get_objects():\n"
        "    if isinstance(thing, dict) and any(type(v) is str and v.startswith('SECR') for v in list(thing.values())):\n"
        "        print(next(v for v in thing.values() if type(v) is str and v.startswith('SECR')))\n"
    ),
    "write to its own input": "import os\nos.lseek(0, 0, 0)\ntry: os.write(0, b'SECRET')\nexcept OSError: pass\n",
    "close its output": "import os\nos.close(1)\n",
    "truncate its output": "import os\nos.ftruncate(1, 6)\n",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_not_fooled(stdio: Grade, name: str) -> None:
    result = stdio(FORGERIES[name], ("x\n", "SECRET\n"))
    assert result.outcome is Outcome.FAIL, result.reason
    assert stdio(DOUBLE, ("4\n", "8\n")).code == "passed"


def test_one_case_leaves_nothing_for_the_next(stdio: Grade) -> None:
    counter = "import os\np = '/tmp/n'\nn = len(open(p).read()) if os.path.exists(p) else 0\nopen(p, 'a').write('x')\nprint(n)\n"
    assert stdio(counter, ("", "0")).code == "passed"
    assert stdio(counter, ("", "0")).code == "passed"


@given(st.lists(st.text(alphabet="ab \t"), min_size=1), st.integers(0, 3))
def test_only_white_space_at_ends_is_free(lines: list[str], extra: int) -> None:
    text = "\n".join(lines).encode()
    padded = "\n".join(line + " " * extra for line in lines).encode() + b"\n" * extra
    assert meaning(text) == meaning(padded)
    assert meaning(text) != meaning(text.rstrip() + b"x")
