"""A fault in a judge's own code is infrastructure: never a pass, never a failure, whatever the
tests catch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel_pipeline.records import (
    PythonTests,
    ScriptTests,
    ShellEffect,
    SqlAnswer,
    StdioTests,
    Verifier,
    verifier_to_json,
)
from sentinel_pipeline.sandbox import Limits, isolation
from sentinel_pipeline.sandbox.guest import codec, pytest_like
from sentinel_pipeline.sandbox.judge import (
    mirrors,
    python_tests,
    remote,
    rows,
    script_tests,
    script_values,
    sessions,
    shell_effect,
    sql_answer,
    stdio_tests,
)
from sentinel_pipeline.sandbox.judge.main import Judge
from sentinel_pipeline.sandbox.judge.tools import Tools
from sentinel_pipeline.sandbox.typescript import find_engine, find_node
from sentinel_pipeline.sandbox.worker import _packages
from sentinel_pipeline_tests.tools import missing_tool

LIMITS = Limits(cpu_seconds=20, wall_seconds=120)
ERRORS = (
    *(TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError),
    *(ZeroDivisionError, RuntimeError, StopIteration, OSError, NotImplementedError),
)
POINT = (
    "class P:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return s.x == o.x\n"
    "    def __add__(s, o): return P(s.x + o.x)\n    def __len__(s): return s.x\n"
    "    def __iter__(s): return iter([s.x])\ndef f(x): return P(x)\n"
    "def grow(x): x.append([4])\nLIMIT = 9\n"
)
SWALLOWING = (
    "def quietly(check):\n    try:\n        check()\n    except Exception:\n        pass\n"
    "quietly(lambda: f(1) + f(2) == f(3) and f(5).x and len(f(1)) and list(f(2)) and str(f(1)))\n"
    "quietly(lambda: f(1) != 5 and 2 in f(2) and LIMIT + 1 and f(1).nothing)\n"
    "a = [[1], [2], [3], []]\nquietly(lambda: grow(a))\nassert f(2).x == 2\n"
)
UNITTEST = (
    "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n"
    "        self.assertEqual(f(1) + f(2), f(3))\n        with self.assertRaises(TypeError):\n"
    "            f(1) - f(1)\n"
)
PYTEST = (
    "import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_a(n):\n"
    "    assert f(n).x == pytest.approx(n)\n    with pytest.raises(AttributeError):\n"
    "        f(n).nothing\n"
)
CASES: dict[str, tuple[str, Verifier]] = {
    "plain": (
        "def f(x): return [x + 1]\n",
        PythonTests(tests="assert f(1) == [2]\nassert f(2) == [3]\n", entry_point="f"),
    ),
    "objects": (POINT, PythonTests(tests=SWALLOWING, entry_point="f")),
    "unittest": (POINT, PythonTests(tests=UNITTEST, entry_point="f")),
    "pytest": (POINT, PythonTests(tests=PYTEST, entry_point="f")),
    "shared": (
        POINT,
        PythonTests(tests="class Q(P): pass\nassert Q(1).x == 1\n", entry_point="f"),
    ),
    "stdio": ("print(int(input()) + 1)\n", StdioTests(inputs=("1\n",), outputs=("2\n",))),
    "script": (
        "function f(x: number) { if (!x) throw new Error('no'); return {a: [x + 1, 2.5]} }\n",
        ScriptTests(
            tests="const assert = require('node:assert');\nassert.deepEqual(f(1), {a: [2, 2.5]});\n"
            "assert.throws(() => f(0));\n",
            entry_point="f",
            language="typescript",
        ),
    ),
    "sql": (
        "SELECT a + 1 FROM t",
        SqlAnswer(setup="CREATE TABLE t AS SELECT 1 AS a", query="SELECT 2", ordered=False),
    ),
    "shell": ("echo ok", ShellEffect(files={}, stdout="ok\n")),
}
SESSION = (
    *((remote.Session, name) for name in ("_carry_out", "_interpret", "_apply_changes")),
    *((codec, name) for name in ("to_text", "pack", "unpack")),
    *((sessions.Live, name) for name in ("exchange", "read", "_send", "_receive")),
    *((python_tests, name) for name in ("why_ended", "in_time", "_load", "_loaded_answer")),
)
OBJECTS = (
    *SESSION,
    *((remote.Session, name) for name in ("handle", "class_of", "opaque", "_exception")),
    *((mirrors, name) for name in ("make", "instance", "exception", "delivered", "use", "on_data")),
    *((mirrors, name) for name in ("_equal", "_combine", "_ask", "_shown", "_exactly", "is_plain")),
    *((mirrors, name) for name in ("_equals_strangers", "_iterator", "judged", "target_of")),
)
PLACES: dict[str, tuple[tuple[Any, str], ...]] = {
    "plain": (*SESSION, (python_tests, "split_frames")),
    "objects": OBJECTS,
    "unittest": OBJECTS,
    "pytest": OBJECTS,
    "shared": (
        *((python_tests, name) for name in ("_beside", "_beside_verdict", "split_frames")),
        *((python_tests, name) for name in ("why_ended", "loaded", "frame", "_parsed")),
    ),
    "stdio": (
        *((stdio_tests, name) for name in ("meaning", "_fill", "_how_it_ended", "split_frames")),
        *((stdio_tests, name) for name in ("in_time", "loaded", "_one_case")),
    ),
    "script": (
        *((script_tests, name) for name in ("check", "_loaded", "_context", "_talk", "_run")),
        *((script_tests, name) for name in ("read_failure", "in_time")),
        *((script_values, name) for name in ("_content", "_items", "_members")),
        (sessions.Live, "exchange"),
    ),
    "sql": (
        *((sql_answer, name) for name in ("_read", "read_row", "first_difference", "in_time")),
        *((sql_answer, name) for name in ("_difference", "_run", "split_frames", "why_ended")),
        *((rows, name) for name in ("_shape", "_number", "_unpaired", "_exact")),
    ),
    "shell": (
        *((shell_effect, name) for name in ("_run", "_finding", "_compare_tree", "_bytes")),
        (shell_effect, "_compare_folders"),
    ),
}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """A judge in this process, so that its code can be broken."""
    tools = Tools(engine=find_engine(), node=find_node(), packages=_packages())
    warm = Judge(isolation().active, LIMITS, tools)
    yield warm
    warm.drop_all()


def grade(judge: Judge, kind: str) -> dict[str, Any]:
    code, verifier = CASES[kind]
    text = verifier_to_json(verifier)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pytest", pytest_like)  # as in a judge's own process
        return judge.grade({"code": code, "verifier": text, "limits": asdict(LIMITS)})


class Breaking:
    """A function that raises at one of its calls, and counts them."""

    def __init__(self, right: Callable[..., Any], error: type[Exception], at: int) -> None:
        self.right = right
        self.error = error
        self.at = at
        self.calls = 0

    def method(self) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                raise self.error("injected")
            return self.right(*args, **kwargs)

        return run


def usable(judge: Judge, kind: str) -> bool:
    """Whether this machine has what the judge needs; what its first run learns is out of the way
    afterwards."""
    result = grade(judge, kind)
    if result["outcome"] == "infra" and kind in ("script", "sql"):
        missing_tool(f"what {kind} programs need ({result['detail']})")
    return bool(result["outcome"] == "pass")


@pytest.mark.parametrize("kind", CASES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_fault_of_the_judge_is_infrastructure_never_a_verdict(
    judge: Judge, kind: str, data: st.DataObject
) -> None:
    assert usable(judge, kind)
    owner, name = data.draw(st.sampled_from(PLACES[kind]), label="place")
    error = data.draw(st.sampled_from(ERRORS), label="error")
    at = data.draw(st.integers(1, 4), label="call")
    with pytest.MonkeyPatch.context() as patch:
        breaking = Breaking(getattr(owner, name), error, at)
        patch.setattr(owner, name, breaking.method())
        result = grade(judge, kind)
    fired = breaking.calls >= at
    assert result["outcome"] == ("infra" if fired else "pass"), result["detail"]
    assert result["code"] in (("infra", "test_error") if fired else ("passed",))
    # What an exception says may be the program's text.
    assert result["code"] != "infra" or "injected" not in result["detail"]


@pytest.mark.parametrize("kind", CASES)
def test_no_loop_of_a_judge_is_ended_by_a_stop_iteration_of_what_it_calls(
    judge: Judge, kind: str
) -> None:
    assert usable(judge, kind)
    reached = []
    for owner, name in PLACES[kind]:
        for at in (1, 2):
            with pytest.MonkeyPatch.context() as patch:
                breaking = Breaking(getattr(owner, name), StopIteration, at)
                patch.setattr(owner, name, breaking.method())
                result = grade(judge, kind)
            if breaking.calls >= at:
                reached.append((name, at))
                assert result["outcome"] == "infra", (name, at, result["detail"])
    assert reached


@pytest.mark.parametrize(
    "path", sorted(Path(remote.__file__).parent.glob("*.py")), ids=lambda path: path.name
)
def test_no_judge_hands_a_function_to_map_or_filter(path: Path) -> None:
    """A StopIteration of such a function ends the loop without a word; a comprehension raises."""
    lazy = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and (node.func.id in ("map", "filter") or (node.func.id == "iter" and len(node.args) == 2))
    ]
    assert lazy == []


def test_every_place_that_is_broken_is_on_the_way_of_a_verdict(judge: Judge) -> None:
    reached = set()
    for kind, places in PLACES.items():
        assert usable(judge, kind)
        for owner, name in places:
            with pytest.MonkeyPatch.context() as patch:
                breaking = Breaking(getattr(owner, name), ValueError, 0)
                patch.setattr(owner, name, breaking.method())
                assert grade(judge, kind)["outcome"] == "pass"
            if breaking.calls:
                reached.add(f"{owner.__name__}.{name}")
    named = {f"{owner.__name__}.{name}" for places in PLACES.values() for owner, name in places}
    assert named - reached == set()
