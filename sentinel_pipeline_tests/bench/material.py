"""Problem rows in the layout of every format, written for these tests, and short ways to write and
grade files of rows."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from sentinel_pipeline.bench.grade import Tally, grade_samples
from sentinel_pipeline.bench.problems import Problem, load_problems
from sentinel_pipeline.sandbox import Grader

HUMANEVAL = {
    "task_id": "HumanEval/900",
    "prompt": 'import math\n\n\ndef half(x):\n    """Half of x."""\n',
    "canonical_solution": "    return x / math.floor(2)\n",
    "entry_point": "half",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate(4) == 2\n    assert candidate(3) == 1.5\n",
}
PLUS = {
    "task_id": "HumanEval/901",
    "prompt": 'def near(x: float) -> float:\n    """A tenth of x."""\n',
    "contract": "\n    assert isinstance(x, float)\n",
    "canonical_solution": "    return x / 10\n",
    "entry_point": "near",
    "base_input": [[1.0]],
    "plus_input": [[3.0], [-0.5]],
    "atol": 0,
}
MBPP_PLUS = {
    "task_id": "Mbpp/902",
    "prompt": '"""\nWrite a function to pair its arguments.\nassert pair(1, 2) == [1, 2]\n"""\n',
    "contract": "",
    "canonical_solution": "\ndef pair(a, b):\n    return [a, b]\n",
    "entry_point": "pair",
    "base_input": [[1, 2]],
    "plus_input": [["x", [3]]],
    "atol": 0,
    "assertion": "assert pair(1, 2) == [1, 2]",
}
HUB_TEST = """import numpy as np

def is_real(x):
    return isinstance(x, float) or isinstance(x, np.ndarray) and x.dtype in (np.float32, np.float64)

def assertion(out, exp, atol):
    if atol == 0 and is_real(exp):
        atol = 1e-6
    if out != exp and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert out == exp

"""
HUB = HUMANEVAL | {
    "task_id": "HumanEval/903",
    "test": HUB_TEST
    + "def check(candidate):\n    inputs = [[4], [3]]\n    results = [2, 1.5]\n"
    + "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        assertion(candidate(*inp), exp, 0)\n",
}
MBPP = {
    "text": "Write a function to add.",
    "code": "def total(a, b):\r\n  return a + b",
    "task_id": 904,
    "test_setup_code": "",
    "test_list": ["assert total(1, 2) == 3", "assert total(0, 0) == 0"],
    "challenge_test_list": [],
}
SANITIZED = {
    "source_file": "Some.ipynb",
    "task_id": 905,
    "prompt": "Write a function to round up.",
    "code": "import math\ndef up(x):\n    return math.ceil(x)",
    "test_imports": ["import math"],
    "test_list": ["assert up(1.5) == math.ceil(1.5)"],
}
HUB_MBPP = SANITIZED | {
    "task_id": 906,
    "test": HUB_TEST
    + "inputs = [[1.5], [2.0]]\nresults = [2, 2]\n"
    + "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(up(*inp), exp, 0)\n",
}
OWN = {
    "task_id": "mine",
    "verifier": {"kind": "stdio_tests", "inputs": ["2\n"], "outputs": ["4\n"]},
    "reference": "print(int(input()) * 2)\n",
}
OWN_TESTS = {"tests": "assert twice(2) == 4", "reference": "def twice(x):\n    return 2 * x\n"}
MULTIPL_E = {
    "name": "HumanEval_907_half",
    "language": "ts",
    "prompt": "//Half of x.\nfunction half(x: number): number {\n",
    "tests": "const assert = require('node:assert');\nfunction test() {\n  assert.deepEqual(half(3), 1.5);\n}\ntest();",
}
BROKEN_TESTS = {"task_id": "broken", "tests": "raise RuntimeError('no fixture')\nassert f(1) == 1"}
FORMATS: dict[str, tuple[dict[str, Any], str, str]] = {
    "humaneval": (HUMANEVAL, "    return x / 2\n", "    return x // 2\n"),
    "humaneval+ release": (PLUS, "    return 0.1 * x\n", "    return max(0.0, x / 10)\n"),
    "mbpp+ release": (
        MBPP_PLUS,
        "def pair(*both):\n    return list(both)\n",
        "def pair(a, b):\n    return [1, 2]\n",
    ),
    "humaneval+ hub": (HUB, "    return x * 0.5\n", "    return x // 2\n"),
    "mbpp": (
        MBPP,
        "def total(a, b):\n    return sum((a, b))\n",
        "def total(a, b):\n    return 3\n",
    ),
    "mbpp sanitized": (
        SANITIZED,
        "def up(x):\n    return -int(-x // 1)\n",
        "def up(x):\n    return int(x)\n",
    ),
    "mbpp+ hub": (
        HUB_MBPP,
        "def up(x):\n    return int(x) + (x % 1 > 0)\n",
        "def up(x):\n    return int(x) + 1\n",
    ),
    "multipl-e": (MULTIPL_E, "  return x / 2;\n}\n", "  return Math.floor(x / 2);\n}\n"),
    "own, verifier": (OWN, "print(2 * int(input()))\n", "print(5)\n"),
    "own, tests": (
        OWN_TESTS,
        "def twice(x):\n    return x + x\n",
        "def twice(x):\n    return x * x + 1\n",
    ),
}
RIGHT, WRONG = "    return x / 2\n", "    return x\n"


def file_of(folder: Path, *rows: Any, name: str = "problems.jsonl") -> Path:
    path = folder / name
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def only(folder: Path, row: dict[str, Any]) -> Problem:
    (problem,) = load_problems(str(file_of(folder, row))).values()
    return problem


def row(completion: str, task: Any = "HumanEval/900", **more: Any) -> dict[str, Any]:
    return {"task_id": task, "completion": completion, **more}


def samples_of(folder: Path, *rows: Any, name: str = "samples.jsonl") -> Path:
    return file_of(folder, *rows, name=name)


def graded(
    tmp_path: Path, grader: Grader, problems: dict[str, Problem], *rows: Any
) -> tuple[Tally, list[dict[str, Any]]]:
    out = tmp_path / "out" / "results.jsonl"
    tally = grade_samples(samples_of(tmp_path, *rows), problems, out, grader, {})
    assert [path.name for path in out.parent.iterdir()] == ["results.jsonl"], "nothing else is left"
    lines = out.read_bytes().decode("ascii").split("\n")
    assert lines.pop() == ""
    return tally, [json.loads(line) for line in lines]
