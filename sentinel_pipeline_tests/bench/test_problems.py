"""Problem files of every format: what they load as, how their samples are judged, and what a malformed one says."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.grade import allow, calibrate, grade_samples
from sentinel_pipeline.bench.problems import Problem, load_problems
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.sandbox import Grader, Limits, Program
from sentinel_pipeline_tests.bench.conftest import Judge

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
FORMATS: dict[str, tuple[dict[str, Any], str, str]] = {
    "humaneval": (HUMANEVAL, "    return x / 2\n", "    return x // 2\n"),
    "humaneval+ release": (PLUS, "    return 0.1 * x\n", "    return max(0.0, x / 10)\n"),
    "mbpp+ release": (MBPP_PLUS, "def pair(*both):\n    return list(both)\n", "def pair(a, b):\n    return [1, 2]\n"),
    "humaneval+ hub": (HUB, "    return x * 0.5\n", "    return x // 2\n"),
    "mbpp": (MBPP, "def total(a, b):\n    return sum((a, b))\n", "def total(a, b):\n    return 3\n"),
    "mbpp sanitized": (SANITIZED, "def up(x):\n    return -int(-x // 1)\n", "def up(x):\n    return int(x)\n"),
    "mbpp+ hub": (HUB_MBPP, "def up(x):\n    return int(x) + (x % 1 > 0)\n", "def up(x):\n    return int(x) + 1\n"),
    "own, verifier": (OWN, "print(2 * int(input()))\n", "print(5)\n"),
    "own, tests": (OWN_TESTS, "def twice(x):\n    return x + x\n", "def twice(x):\n    return x * x + 1\n"),
}


def file_of(folder: Path, *rows: Any, name: str = "problems.jsonl") -> Path:
    path = folder / name
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def only(folder: Path, row: dict[str, Any]) -> Problem:
    (problem,) = load_problems(str(file_of(folder, row))).values()
    return problem


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_passes_what_is_right_and_fails_what_is_wrong(tmp_path: Path, grader: Grader, name: str) -> None:
    row, right, wrong = FORMATS[name]
    problem = only(tmp_path, row)
    assert problem.id == str(row.get("task_id", 1))
    codes = [problem.reference, problem.prefix + right, problem.prefix + wrong]
    results = list(grader.grade(Program(id="p", code=code, verifier=problem.verifier) for code in codes))
    assert [result.code for result in results[:2]] == ["passed", "passed"], [result.reason for result in results]
    assert results[2].code in {"assertion", "output_differs"}, results[2].reason
    assert {result.trust for result in results} == {"separate"}


def test_all_formats_may_stand_in_one_gzipped_file_in_its_order(tmp_path: Path) -> None:
    rows = [row for row, _, _ in FORMATS.values()]
    problems = load_problems(str(file_of(tmp_path, *rows, name="all.jsonl.gz")))
    assert list(problems) == [
        "HumanEval/900",
        "HumanEval/901",
        "Mbpp/902",
        "HumanEval/903",
        "904",
        "905",
        "906",
        "mine",
        "9",
    ]


def test_a_completion_goes_on_from_the_prompt_only_where_the_format_has_a_stub(tmp_path: Path) -> None:
    stubs = {name: only(tmp_path, row).prefix for name, (row, _, _) in FORMATS.items()}
    assert {name for name, stub in stubs.items() if stub} == {
        "humaneval",
        "humaneval+ release",
        "mbpp+ release",
        "humaneval+ hub",
    }
    assert stubs["humaneval"] == HUMANEVAL["prompt"]


def test_without_a_reference_there_is_none(tmp_path: Path) -> None:
    assert (
        only(tmp_path, {key: value for key, value in HUMANEVAL.items() if key != "canonical_solution"}).reference == ""
    )


def test_sanitized_mbpp_is_read_as_the_array_that_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sanitized-mbpp.json"
    path.write_text(json.dumps([SANITIZED, SANITIZED | {"task_id": 907}], indent=4))
    assert list(load_problems(str(path))) == ["905", "907"]
    path.write_text(json.dumps([SANITIZED, {"task_id": 907}], indent=4))
    with pytest.raises(BadInput, match="field 'test': has no tests") as caught:
        load_problems(str(path))
    assert caught.value.line == path.read_text().split("907")[0].count("\n")  # the line before: where its brace stands
    path.write_text("[1]")
    with pytest.raises(BadInput, match="expected a JSON object, got int"):
        load_problems(str(path))
    path.write_text("[}")
    with pytest.raises(BadInput, match="is no JSON"):
        load_problems(str(path))


def test_a_suite_by_name_is_one_even_beside_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smoke").mkdir()
    monkeypatch.chdir(tmp_path)
    problems = load_problems("smoke")
    assert len(problems) == 8 and all(one.reference.startswith(one.prefix) and one.prefix for one in problems.values())


BAD: list[tuple[list[Any], str, int | None]] = [
    (
        [HUMANEVAL, {"task_id": "x", "prompt": "def f(): ..."}],
        "field 'test': has no tests; fields here: prompt, task_id",
        2,
    ),
    (
        [HUMANEVAL, {"question": "?"}],
        "field 'test': has no tests; fields here: question.*Expected a problem file of",
        2,
    ),
    ([HUMANEVAL, HUMANEVAL], "field 'task_id': 'HumanEval/900' stands twice. Make ids unique", 2),
    ([MBPP, MBPP | {"task_id": "904"}], "field 'task_id': '904' stands twice", 2),
    ([HUMANEVAL, "{nope"], "is no JSON", 2),
    ([HUMANEVAL, "[1]"], "expected a JSON object, got list", 2),
    ([HUMANEVAL | {"test": "def check("}], "field 'test': is no Python", 1),
    ([HUMANEVAL | {"task_id": None}], "field 'task_id': expected a number or printable text, got None", 1),
    ([HUMANEVAL | {"task_id": " "}], "field 'task_id': expected a number or printable text", 1),
    ([HUMANEVAL | {"task_id": "a\x1b[2J"}], r"field 'task_id': expected a number or printable text, got 'a\\x1b", 1),
    ([HUMANEVAL | {"task_id": "\ud800"}], "field 'task_id': expected a number or printable text", 1),
    ([MBPP | {"task_id": True}], "field 'task_id': expected a number or printable text, got True", 1),
    ([PLUS | {"base_input": 3}], "field 'base_input': expected a list of argument lists", 1),
    ([PLUS | {"base_input": [1]}], "field 'base_input': expected a list of argument lists", 1),
    ([PLUS | {"plus_input": {"a": 1}}], "field 'plus_input': expected a list of argument lists", 1),
    ([PLUS | {"base_input": [], "plus_input": []}], "field 'base_input': expected a non-empty list", 1),
    ([PLUS | {"atol": "tiny"}], "field 'atol': expected a number from 0 to 1, got 'tiny'", 1),
    ([PLUS | {"atol": float("inf")}], "field 'atol': expected a number from 0 to 1, got inf", 1),
    ([PLUS | {"canonical_solution": "return ("}], "field 'canonical_solution': is no Python", 1),
    ([MBPP_PLUS | {"task_id": "Mbpp/252", "base_input": [["no number"]]}], "field 'base_input': complex", 1),
    ([MBPP_PLUS | {"task_id": "Mbpp/722", "base_input": [[[1]]]}], "field 'base_input': .*do not fit Mbpp/722", 1),
    ([HUB_MBPP | {"test_list": ["assert True"]}], "field 'test_list': the asserts call no function", 1),
    (
        [{"task_id": "t", "verifier": {"kind": "text_answer", "accepted": ["x"]}}],
        "field 'verifier': 't' is checked by text_answer, which runs no program. One of: python_tests, stdio_tests",
        1,
    ),
    ([], "holds no problem", None),
    (["", "  "], "holds no problem", None),
]


@pytest.mark.parametrize(("rows", "message", "line"), BAD, ids=range(len(BAD)))
def test_a_malformed_problem_file_names_file_line_and_field(
    tmp_path: Path, rows: list[Any], message: str, line: int | None
) -> None:
    path = file_of(tmp_path, *rows)
    with pytest.raises(BadInput, match=message) as caught:
        load_problems(str(path))
    assert (caught.value.file, caught.value.line) == (path, line)


def test_a_missing_problem_file_names_the_suites() -> None:
    with pytest.raises(
        BadInput, match="nowhere.jsonl: no such problem file. Give a file, or one of: smoke, heldout, humaneval"
    ):
        load_problems("nowhere.jsonl")


def test_a_reference_that_fails_on_its_inputs_is_named_with_its_reason(tmp_path: Path, grader: Grader) -> None:
    broken = PLUS | {"canonical_solution": "    return 1 / (x - 3)\n"}
    wrong = HUMANEVAL | {"canonical_solution": "    return x\n"}
    _, faulty = calibrate(load_problems(str(file_of(tmp_path, broken, wrong, MBPP))), grader)
    assert faulty.keys() == {"HumanEval/901", "HumanEval/900"}
    assert "ZeroDivisionError" in faulty["HumanEval/901"] and faulty["HumanEval/900"].startswith("assertion: half(4)")


def test_a_release_checks_plus_inputs_too(tmp_path: Path, judge: Judge) -> None:
    problem = only(tmp_path, PLUS)
    result = judge(problem, "    return 0.1 if x == 1 else 0.3\n")
    assert result.code == "assertion" and "near(-0.5)" in result.detail


def test_a_reference_that_needs_more_than_usual_gets_it_and_so_do_samples(tmp_path: Path) -> None:
    large = PLUS | {"entry_point": "f", "prompt": "def f(n):\n", "canonical_solution": "    return [n] * n\n"}
    rows = [
        large | {"task_id": "large", "base_input": [[300_000]], "plus_input": []},
        MBPP | {"task_id": 1},
        {
            "task_id": "slow",
            "tests": "assert f() == 1",
            "reference": "import time\ndef f():\n    while time.process_time() < 0.8:\n        pass\n    return 1\n",
        },
    ]
    problems = load_problems(str(file_of(tmp_path, *rows)))
    with Grader(workers=1, limits=Limits(cpu_seconds=0.5, wall_seconds=1.5)) as grader:
        limits, faulty = calibrate(problems, grader)
        assert faulty == {} and limits.keys() == {"large", "slow"}
        assert limits["slow"].cpu_seconds > 4 * 0.3 and limits["slow"].wall_seconds >= 4 * limits["slow"].cpu_seconds
        assert limits["large"].output_kib > 256 and allow(Limits(), 1).wall_seconds == Limits().wall_seconds
        samples = tmp_path / "samples.jsonl"
        code = {"large": "    return [n for _ in range(n)]\n", "slow": rows[2]["reference"], "1": MBPP["code"]}
        samples.write_text("".join(json.dumps({"task_id": name, "completion": code[name]}) + "\n" for name in code))
        tally = grade_samples(samples, problems, tmp_path / "out.jsonl", grader, limits)
    assert tally.codes == {"passed": 3}


@pytest.mark.parametrize(("name", "count"), [("humaneval/HumanEval.jsonl.gz", 164), ("mbpp/mbpp.jsonl", 974)])
def test_every_reference_of_the_public_files_passes_as_a_sample(
    tmp_path: Path, benchmarks_dir: Path, name: str, count: int
) -> None:
    problems = load_problems(str(benchmarks_dir / name))
    assert len(problems) == count
    kept = dict(list(problems.items())[:: 1 if count < 500 else 6])
    samples = tmp_path / "samples.jsonl"
    samples.write_text("".join(json.dumps({"task_id": n, "solution": one.reference}) + "\n" for n, one in kept.items()))
    with Grader(limits=allow(Limits(), 20)) as grader:
        tally = grade_samples(samples, kept, tmp_path / "results.jsonl", grader, {})
    assert tally.codes == {"passed": len(kept)} and tally.infra == 0
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [row["task_id"] for row in rows] == list(kept) and {row["result"] for row in rows} == {"passed"}
    assert tally.rates((1,))["pass@1"] == {"value": 1.0, "tasks": len(kept)}


def test_a_multipl_e_row_is_graded_in_its_language(tmp_path: Path) -> None:
    row = {
        "name": "HumanEval_900_twice",
        "language": "ts",
        "prompt": "//Twice x.\nfunction twice(x: number): number {\n",
        "tests": "declare var require: any;\nconst assert = require('node:assert');\n\nfunction test() {\n"
        "  let candidate = twice;\n  assert.deepEqual(candidate(4),8);\n}\n\ntest();\n",
    }
    path = tmp_path / "ts.jsonl"
    path.write_text(json.dumps(row) + "\n")
    samples = tmp_path / "samples.jsonl"
    completions = ("  return 2 * x;\n}\n", "  return x;\n}\n")
    samples.write_text("".join(json.dumps({"name": row["name"], "completion": text}) + "\n" for text in completions))
    problems = load_problems(str(path))
    with Grader(workers=1) as grader:
        tally = grade_samples(samples, problems, tmp_path / "out.jsonl", grader, {})
    assert (tally.passed[row["name"]], tally.judged[row["name"]]) == (1, 2)
    assert tally.codes == {"passed": 1, "assertion": 1}
