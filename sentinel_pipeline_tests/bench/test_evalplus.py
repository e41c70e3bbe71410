"""EvalPlus's way of comparing outputs, case by case: tolerance, special tasks, types of arguments,
inputs that nobody changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.problems import Problem
from sentinel_pipeline.sandbox import Grader, Program
from sentinel_pipeline.tasks.suites.evalplus_inputs import arguments
from sentinel_pipeline_tests.bench.conftest import Judge
from sentinel_pipeline_tests.bench.material import HUMANEVAL, PLUS, only


def release(
    tmp_path: Path,
    name: str,
    reference: str,
    inputs: list[Any],
    task: str = "Mbpp/900",
    atol: float = 0,
) -> Problem:
    row = {
        "task_id": task,
        "prompt": '"""A task."""\n',
        "canonical_solution": reference,
        "entry_point": name,
        "base_input": inputs[:1],
        "plus_input": inputs[1:],
        "atol": atol,
    }
    return only(tmp_path, row)


PLAIN: list[tuple[str, float, str, bool]] = [
    ("0.3", 0, "0.1 + 0.2", True),
    ("0.3", 0, "0.3000005", True),
    ("0.3", 0, "0.300002", False),
    ("1e9", 0, "1e9 + 50", True),
    ("1e9", 0, "1e9 + 200", False),
    ("0.3", 0, "'0.3'", False),
    ("0.3", 0, "None", False),
    ("0.3", 0, "[0.3]", False),
    ("2.0", 0, "2", True),
    ("2.0", 0, "True + 1", True),
    ("2.0000001", 0, "2", False),
    ("float('inf')", 0, "5.0", False),
    ("float('inf')", 0, "-float('inf')", False),
    ("float('inf')", 0, "float('inf')", True),
    ("float('nan')", 0, "float('nan')", True),
    ("float('nan')", 0, "0.0", False),
    ("0.0", 0, "float('nan')", False),
    ("0.0", 0, "float('inf')", False),
    ("[0.1, 0.3]", 0, "[0.1, 0.1 + 0.2]", True),
    ("[0.1, 0.3]", 0, "(0.1, 0.3)", False),
    ("(0.1, 0.3)", 0, "[0.1, 0.3]", False),
    ("[0.1, 0.3]", 0, "[0.1]", False),
    ("[0.1]", 0, "[0.1, 0.3]", False),
    ("[1, 0.3]", 0, "[1, 0.1 + 0.2]", False),
    ("[1, 0.3]", 1e-4, "[1, 0.30005]", True),
    ("[1, 0.3]", 1e-4, "[1, 0.3005]", False),
    ("[[0.3]]", 0, "[[0.1 + 0.2]]", False),
    ("7", 0, "7.0000000001", False),
    ("7", 0, "7.0", True),
    ("[]", 0, "()", False),
    ("'a'", 0, "'b'", False),
    ("{'a': {1}}", 0, "{'a': {1}}", True),
    ("[1]", 0, "(1,)", False),
    ("10**30", 0.1, "10.0**400", False),
]


@pytest.mark.parametrize(
    ("want", "atol", "got", "passes"), PLAIN, ids=[f"{w} {g}" for w, _, g, _ in PLAIN]
)
def test_outputs_are_compared_with_evalpluss_tolerance(
    tmp_path: Path, judge: Judge, want: str, atol: float, got: str, passes: bool
) -> None:
    problem = release(tmp_path, "f", f"def f():\n    return {want}\n", [[]], atol=atol)
    result = judge(problem, f"def f():\n    return {got}\n")
    assert (result.code == "passed") is passes, result.reason


def test_an_object_that_claims_to_equal_everything_does_not(tmp_path: Path, judge: Judge) -> None:
    liar = "class Liar(float):\n    def __eq__(self, other):\n        return True\n    __ne__ = __hash__ = __abs__ = None\n"
    for name in ("f", "find_zero", "similar_elements", "sum_div", "surface_Area", "check_str"):
        problem = release(
            tmp_path, name, f"def {name}(*a):\n    return None if a else 0.5\n", [[[5, 1]]]
        )
        result = judge(problem, f"{liar}def {name}(*a):\n    return Liar(7.0)\n")
        assert result.code not in {"passed", "infra", "test_error"}, name


SPECIAL: list[tuple[str, str, list[Any], str, bool]] = [
    ("similar_elements", "return (1, 2)", [[]], "return [2, 1, 1]", True),
    ("similar_elements", "return (1, 2)", [[]], "return [2, 1, 3]", False),
    ("similar_elements", "return ()", [[]], "return None", False),
    ("Diff", "return [1]", [[]], "return 1", False),
    (
        "check_str",
        "import re; return re.search('a', x)",
        [["a"], ["b"]],
        "return True if x == 'a' else None",
        True,
    ),
    ("check_str", "import re; return re.search('a', x)", [["a"], ["b"]], "return x == 'a'", True),
    (
        "check_str",
        "import re; return re.search('a', x)",
        [["a"], ["b"]],
        "return 'yes' if x == 'a' else None",
        True,
    ),
    ("check_str", "import re; return re.search('a', x)", [["a"], ["b"]], "return 'yes'", False),
    ("check_str", "import re; return re.search('a', x)", [["a"], ["b"]], "return None", False),
    ("check_str", "import re; return re.search('a', x)", [["a"], ["b"]], "return False", False),
    ("are_equivalent", "return True", [[1]], "return False", True),
    ("are_equivalent", "return True", [[1]], "return 1 / 0", False),
    ("sum_div", "return 7", [[1]], "return 0", True),
    ("sum_div", "return 7", [[1]], "return 1", False),
    ("surface_Area", "return x", [[3, 4]], "return 33", False),
    ("digit_distance_nums", "return -1", [[1, 23]], "return 4", True),
    ("digit_distance_nums", "return -1", [[1, 23]], "return 5", False),
]


@pytest.mark.parametrize(
    ("name", "want", "inputs", "got", "passes"), SPECIAL, ids=[f"{s[0]} {s[3]}" for s in SPECIAL]
)
def test_special_tasks_are_compared_as_evalplus_does(
    tmp_path: Path, judge: Judge, name: str, want: str, inputs: list[Any], got: str, passes: bool
) -> None:
    problem = release(tmp_path, name, f"def {name}(x=0, *more):\n    {want}\n", inputs)
    result = judge(problem, f"def {name}(x=0, *more):\n    {got}\n")
    assert (result.code == "passed") is passes, result.reason
    assert result.outcome.value != "infra"


def test_the_pyramids_height_may_be_the_perpendicular_one(tmp_path: Path, judge: Judge) -> None:
    problem = release(
        tmp_path,
        "surface_Area",
        "def surface_Area(b, s):\n    return 2 * b * s + b * b\n",
        [[6, 4]],
    )
    assert judge(problem, "def surface_Area(b, s):\n    return 84\n").code == "passed"
    assert (
        judge(problem, "def surface_Area(b, h):\n    return 96\n").code == "passed"
    )  # 36 + 12 * 5
    assert judge(problem, "def surface_Area(b, h):\n    return 97\n").code == "assertion"
    assert judge(problem, "def surface_Area(b, h):\n    return None\n").outcome.value == "fail"


def test_find_zero_is_judged_by_the_polynomial_of_the_inputs_as_given(
    tmp_path: Path, judge: Judge
) -> None:
    problem = release(
        tmp_path,
        "find_zero",
        "def find_zero(xs):\n    return 123.0\n",
        [[[-6, 1, 1]], [[-3, 2]]],
        atol=1e-4,
    )
    right = "def find_zero(xs):\n    return {root} if len(xs) == 3 else 1.5\n"
    assert judge(problem, right.format(root="2")).code == "passed"
    assert judge(problem, right.format(root="-3.0")).code == "passed"
    assert judge(problem, right.format(root="2.0001")).code == "assertion"
    assert judge(problem, right.format(root="float('nan')")).code == "assertion"
    assert judge(problem, right.format(root="float('inf')")).code == "assertion"
    assert judge(problem, right.format(root="1e200")).outcome.value == "fail"
    assert (
        judge(problem, "def find_zero(xs):\n    xs[:] = [0.0] * len(xs)\n    return 9.0\n").code
        == "assertion"
    )


def test_a_candidate_that_changes_its_arguments_changes_no_later_case_and_no_expectation(
    tmp_path: Path, judge: Judge
) -> None:
    rows = [3, 1, 2]
    problem = release(
        tmp_path, "f", "def f(x):\n    x.sort()\n    return x\n", [[rows], [rows], [[1]]]
    )
    assert (
        judge(problem, "def f(x):\n    y = sorted(x)\n    x.clear()\n    return y\n").code
        == "passed"
    )
    assert judge(problem, "def f(x):\n    x.clear()\n    return x\n").code == "assertion"
    same = release(tmp_path, "f", "def f(x):\n    return x\n", [[rows]])
    assert judge(same, "def f(x):\n    x.append(4)\n    return x\n").code == "assertion"
    assert judge(same, "def f(x):\n    return x\n").code == "passed"


def test_what_a_sample_does_to_the_outputs_of_a_reference_no_later_sample_sees(
    tmp_path: Path, judge: Judge
) -> None:
    problem = release(tmp_path, "f", "def f(x):\n    return [[x]]\n", [[1]])
    assert judge(problem, "def f(x):\n    return [[2]]\n").code == "assertion"
    assert judge(problem, "def f(x):\n    return [[x]]\n").code == "passed"
    assert judge(problem, "def f(x):\n    return [[2]]\n").code == "assertion"


def test_a_reference_meets_sets_in_the_order_in_which_a_program_does(tmp_path: Path) -> None:
    code = "def f(x):\n    return list(set(x))\n"
    problem = release(tmp_path, "f", code, [[list("abcdefghijkl")]])
    for _ in range(2):
        with Grader(workers=1) as grader:
            assert [
                one.code
                for one in grader.grade([Program(id="p", code=code, verifier=problem.verifier)])
            ] == ["passed"]


SHAPES: list[tuple[int, list[Any], list[Any]]] = [
    (2, [[1, 2], [3]], [(1, 2), (3,)]),
    (2, [[[1], 2], [3]], [([1], 2), (3,)]),
    (63, [[[1, 2], [3, 4]]], [[(1, 2), (3, 4)]]),
    (75, [[[1, 2]], 3], [[(1, 2)], 3]),
    (75, [[[1, 2]], [3]], [[(1, 2)], [3]]),
    (106, [[1], [2]], [[1], (2,)]),
    (115, [[[1, 1], []]], [[{1}, {}]]),
    (124, ["1.5", "2+1j"], [1.5, 2 + 1j]),
    (250, [[1], [2]], [(1,), [2]]),
    (252, ["1j"], [1j]),
    (259, [[[1], [2]], [[3]]], [((1,), (2,)), ((3,),)]),
    (278, [[[1], 2, "x"]], [((1,), 2, "x")]),
    (307, [[1], 2, [3]], [(1,), 2, [3]]),
    (580, [[[1, [2]], 3]], [((1, (2,)), 3)]),
    (722, [{"a": [1, 2]}, [3]], [{"a": (1, 2)}, [3]]),
    (3, [[1, 2], "x"], [[1, 2], "x"]),
    (615, [[]], [()]),
]


@pytest.mark.parametrize(
    ("number", "given", "expected"), SHAPES, ids=[f"{s[0]} {s[1]}" for s in SHAPES]
)
def test_mbpp_plus_arguments_become_what_their_task_takes(
    number: int, given: list[Any], expected: list[Any]
) -> None:
    assert repr(arguments(f"Mbpp/{number}", given)) == repr(expected)
    assert arguments(f"HumanEval/{number}", given) is given


def test_tuple_and_complex_arguments_reach_the_program_as_such(
    tmp_path: Path, judge: Judge
) -> None:
    problem = release(
        tmp_path, "f", "def f(a, b):\n    return a + b\n", [[[1, 2], [3]]], task="Mbpp/2"
    )
    assert (
        judge(problem, "def f(a, b):\n    return a + b if type(a) is tuple else 0\n").code
        == "passed"
    )
    problem = release(
        tmp_path,
        "f",
        "import cmath\ndef f(z):\n    return cmath.phase(z)\n",
        [["1j"], ["(-1+0j)"]],
        task="Mbpp/252",
    )
    right = judge(problem, "import math\ndef f(z):\n    return math.atan2(z.imag, z.real)\n")
    assert (right.code, right.trust) == ("passed", "separate")


HUB_GOT: list[tuple[str, bool]] = [
    ("[1.0, 2.0]", True),
    ("[1.0, 2.0000001]", True),
    ("[1.0, 2.001]", False),
    ("[1.0]", False),
    ("[1.0, 2.0, 3.0]", False),
    ("2.0", False),
    ("None", False),
    ("[1.0, float('inf')]", False),
    ("[1.0, float('nan')]", False),
]


@pytest.mark.parametrize(("got", "passes"), HUB_GOT)
def test_numpys_stand_in_compares_as_numpy_does(
    tmp_path: Path, judge: Judge, got: str, passes: bool
) -> None:
    test = "import numpy as np\ndef check(candidate):\n    np.testing.assert_allclose(candidate(), [1.0, 2.0], atol=1e-6)\n"
    problem = only(tmp_path, HUMANEVAL | {"prompt": "def half():\n", "test": test})
    result = judge(problem, f"    return {got}\n")
    assert (result.code == "passed") is passes and result.outcome.value != "infra", result.reason


def test_a_release_checks_plus_inputs_too(tmp_path: Path, judge: Judge) -> None:
    problem = only(tmp_path, PLUS)
    result = judge(problem, "    return 0.1 if x == 1 else 0.3\n")
    assert result.code == "assertion" and "near(-0.5)" in result.detail
