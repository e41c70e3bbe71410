"""Functions that tests hand over: what a program may call in the judge, and what the judge itself
can do."""

# ruff: noqa: E501

from __future__ import annotations

import math
import operator
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.sandbox import Limits, Outcome, isolation
from sentinel_pipeline.sandbox.judge.callbacks import chooses_a_class, may_be_called
from sentinel_pipeline_tests.sandbox.conftest import Grade

CALLS = "def f(g, *args):\n    return g(*args)\n"


def _of_tests(text: str) -> Any:
    """``g`` of tests with this text."""
    modules = {"operator": operator, "time": time, "math": math, "os": os}
    space: dict[str, Any] = {"__name__": "tests", **modules}
    exec(compile(text, "<tests>", "exec"), space)
    return space["g"]


HARMLESS: dict[str, str] = {
    "arithmetic": "g = lambda x: x * 2 + 1",
    "closure": "def make():\n    seen = []\n    def add(x):\n        seen.append(x)\n        return len(seen)\n    return add\ng = make()",
    "global list": "seen = []\ndef g(x):\n    seen.append(x)",
    "helper of the tests": "def double(x): return x * 2\ndef g(x): return double(double(x))",
    "recursion": "def g(n): return 1 if n < 2 else n * g(n - 1)",
    "library that computes": "import re, json\ndef g(x): return json.dumps(re.findall('a', x))",
    "clock": "g = lambda: time.perf_counter()",
    "raises": "def g(x):\n    raise ValueError(x)",
    "method of the tests": "class K:\n    def __init__(self): self.n = 0\n    def add(self, x):\n        self.n += x\n        return self.n\ng = K().add",
    "default": "def g(x, start=[0]): return start + [x]",
    "type of one value": "g = lambda x: type(x).__name__",
    "print": "g = lambda x: print(x)",
}
HARMFUL: dict[str, str] = {
    "eval": "g = lambda s: eval(s)",
    "exec": "def g(s):\n    exec(s, {})",
    "compile": "g = lambda s: compile(s, 's', 'eval')",
    "open": "g = lambda p: open(p).read()",
    "import": "g = lambda n: __import__(n)",
    "import of a module": "def g(x):\n    import subprocess\n    return subprocess.run(x)",
    "module": "g = lambda p: os.remove(p)",
    "module in a default": "def g(p, m=os): return m.remove(p)",
    "sleep": "g = lambda n: time.sleep(n)",
    "sleep in a closure": "def make(wait):\n    return lambda n: wait(n)\ng = make(time.sleep)",
    "getattr": "g = lambda o, n: getattr(o, n)",
    "setattr": "g = lambda o, n, v: setattr(o, n, v)",
    "globals": "g = lambda n: globals()[n]",
    "attrgetter": "g = lambda n: operator.attrgetter(n)([])",
    "call": "g = lambda *a: operator.call(*a)",
    "class maker": "g = lambda *a: type(*a)",
    "inner function": "def g(s):\n    def inner():\n        return eval(s)\n    return inner()",
    "helper": "def run(s): return eval(s)\ndef g(s): return run(s)",
    "table": "table = {'run': eval}\ndef g(s): return table['run'](s)",
    "method": "class K:\n    def run(self, s): return eval(s)\ng = K().run",
    "other method of the object": "class K:\n    def run(self, s): return self.other(s)\n    def other(self, s): return eval(s)\ng = K().run",
    "class": "class K:\n    def __init__(self, s): self.s = eval(s)\ndef g(s): return K(s)",
    "globals of a function": "def h(): pass\ng = lambda n: h.__globals__[n]",
    "subclasses": "g = lambda: object.__subclasses__()",
    "unknown name": "g = lambda: nothing_known(1)",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_computes_may_be_called(name: str) -> None:
    assert may_be_called(_of_tests(HARMLESS[name]))


@pytest.mark.parametrize("name", HARMFUL)
def test_what_reaches_further_may_not_be_called(name: str) -> None:
    assert not may_be_called(_of_tests(HARMFUL[name]))


ALLOWED: list[Any] = [
    *(len, [].append, str.upper, math.sqrt, operator.add, print, re.compile("a").match, divmod),
    "{}".format,
]
REFUSED: list[Any] = [
    *(eval, exec, open, compile, input, getattr, vars, __import__, breakpoint, operator.call),
    *(time.sleep, os.remove, os.system, os.getcwd, Path.open),
]


@pytest.mark.parametrize("function", ALLOWED)
def test_library_functions_that_compute_are_on_the_list(function: Any) -> None:
    assert may_be_called(function)


@pytest.mark.parametrize("function", REFUSED)
def test_library_functions_that_do_more_are_not(function: Any) -> None:
    assert not may_be_called(function)


def test_a_program_cannot_hand_type_to_a_function_that_calls_what_it_gets() -> None:
    assert chooses_a_class([[{"T": "int"}, {"t": [[{"T": "type"}]]}], {}])
    assert chooses_a_class([[], {"x": {"d": [[1, {"T": "type"}]]}}])
    assert not chooses_a_class([[{"T": "int"}, "type", {"d": [["T", "type"]]}], {}])


HANDED = {
    "eval": "assert f(eval, '1 + 1') == 2",
    "lambda": "assert f(lambda s: eval(s), '1 + 1') == 2",
    "sleep": "import time\nassert f(time.sleep, 0) is None",
    "open": "assert f(open, '/dev/null').read() == ''",
    "exec": "def run(s):\n    exec(s, {})\n    return 2\nassert f(run, 'x = 1') == 2",
}


@pytest.mark.parametrize("name", HANDED)
def test_a_function_that_does_more_than_compute_runs_beside_the_program(
    python: Grade, name: str
) -> None:
    result = python(CALLS, HANDED[name])
    assert (result.code, result.trust) == ("passed", "shared"), result.reason


CHOOSING = {
    "writes a file": (HANDED["eval"], "return g(\"open('/tmp/written', 'w').write('x')\")"),
    "writes by exec": (HANDED["exec"].replace("== 2", "== 3"), "return g(\"open('/tmp/written', 'w').write('x')\")"),
    "changes the judge": (HANDED["lambda"], "return g(\"__import__('sys').modules['sentinel_pipeline']\")"),
    "ends the judge": (HANDED["eval"], "return g(\"__import__('os')._exit(0)\")"),
    "sleeps": (HANDED["sleep"], "return g(3600)"),
    "makes a class": (
        "assert f(lambda make, *a: make(*a), int, 3) == 2",
        "return g(type, 'X', (int,), {'__eq__': max})",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOOSING)
def test_no_argument_that_a_program_chooses_does_anything_in_the_judge(
    python: Grade, name: str
) -> None:
    tests, body = CHOOSING[name]
    limits = Limits(cpu_seconds=0.5, wall_seconds=2, memory_mib=256)
    started = time.monotonic()
    result = python(f"def f(g, *args):\n    {body}\n", tests, limits=limits)
    assert result.outcome in (Outcome.FAIL, Outcome.TIMEOUT), result.reason
    assert not Path("/tmp/written").exists()
    assert time.monotonic() - started < 60
    assert python(CALLS, "assert f(len, 'ab') == 2").reason == "passed"


CONFINED = {
    "write": "open('/tmp/written', 'w')",
    "append": "open('/tmp/written', 'a')",
    "make a folder": "__import__('os').mkdir('/tmp/written')",
    "remove": "__import__('os').unlink('/tmp/nothing')",
    "change a mode": "__import__('os').chmod('/tmp', 0o777)",
    "read a file": "open('/etc/passwd')",
    "read the checkout": f"open({str(Path(__file__))!r})",
    "list the root": "__import__('os').listdir('/')",
    "network": "__import__('socket').socket()",
    "fork": "__import__('os').fork()",
    "execute": "__import__('os').execv('/bin/true', ['true'])",
    "start": "__import__('subprocess').run(['true'])",
    "signal another": "__import__('os').kill(__import__('os').getppid(), 0)",
}


@pytest.mark.parametrize("name", CONFINED)
def test_the_judge_has_no_files_no_network_and_no_processes(python: Grade, name: str) -> None:
    needs = {"read a file", "read the checkout", "list the root"}
    if not isolation().layers["landlock" if name in needs else "seccomp"]:
        pytest.skip("this machine lacks the layer that bounds it")
    tests = (
        f"try:\n    {CONFINED[name]}\n    happened = 1\nexcept PermissionError:\n    happened = 0\n"
        "assert f(happened) == 0\n"
    )
    result = python("def f(x):\n    return x\n", tests)
    assert (result.reason, result.trust) == ("passed", "separate")
    assert not Path("/tmp/written").exists()


def test_tests_that_use_files_run_beside_the_program(python: Grade) -> None:
    tests = (
        "import tempfile, pathlib\nwith tempfile.TemporaryDirectory() as folder:\n"
        "    path = pathlib.Path(folder) / 'a'\n    path.write_text('7')\n"
        "    assert f(str(path)) == 7\n"
    )
    right = "def f(path):\n    return int(open(path).read())\n"
    assert python(right, tests).to_row()["trust"] == "shared"
    assert python(right, tests).reason == "passed"
    assert python("def f(path):\n    return 8\n", tests).code == "assertion"


def test_a_program_does_not_choose_by_its_answer_where_the_tests_run(python: Grade) -> None:
    """The tests speak of no file; an error of the system is one over the program's answer."""
    tests = "import linecache, mmap\nassert mmap.mmap(-1, f(1)) is not None\n"
    result = python("def f(x):\n    return 1 << 62\n", tests)
    assert (result.outcome, result.trust) == (Outcome.FAIL, "separate"), result.reason
