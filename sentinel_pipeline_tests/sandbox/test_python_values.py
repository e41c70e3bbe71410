"""Everything that real tests pass, get back and do, with the candidate in another process."""

# ruff: noqa: E501

from __future__ import annotations

import pytest

from sentinel_pipeline_tests.sandbox.conftest import Grade

IDENTITY = "def f(x):\n    return x\n"

VALUES = [
    "None", "True", "0", "-7", "10**400", "2**63", "1.5", "-0.0", "float('inf')", "''", "'\\ud800é'", "b'\\x00\\xff'", "bytearray(b'a')",
    "[1, [2, [3]]]", "(1, (2,), ())", "{'a': 1, 2: [3]}", "{(1, 2): {3}}", "{1, 2, 'x'}", "frozenset({1})", "1+2j", "range(3, 9, 2)",
    "D('1.10')", "F(1, 3)", "dt.date(2024, 2, 29)", "dt.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=dt.timezone.utc)", "dt.time(1, 2)",
    "dt.timedelta(days=-1, seconds=5)", "deque([1, 2])", "OrderedDict(b=1, a=2)", "Counter('aab')", "...", "int", "[str, list]", "len",
]  # fmt: skip
SETUP = (
    "import datetime as dt, math\nfrom decimal import Decimal as D\nfrom fractions import Fraction as F\n"
    "from collections import *\n"
)


@pytest.mark.parametrize("value", VALUES)
def test_value_survives_both_ways_with_its_type(python: Grade, value: str) -> None:
    result = python(
        IDENTITY,
        f"assert f({value}) == {value}\nassert type(f({value})) is type({value})",
        setup=SETUP,
    )
    assert result.code == "passed", result.reason


CASES = {
    "keywords": ("def f(a, *, b=1):\n    return a - b\n", "assert f(5, b=2) == 3"),
    "float tolerance": ("def f(x):\n    return 0.1 + 0.2\n", "assert abs(f(1) - 0.3) < 1e-9"),
    "nan": ("def f(x):\n    return float('nan')\n", "r = f(1)\nassert r != r"),
    "mutation": ("def f(x):\n    x.append(3); x[0][0] = 9\n", "a = [[1], 2]\ninner = a[0]\nf(a)\nassert a == [[9], 2, 3] and inner == [9]"),
    "dict mutation": ("def f(d):\n    d.pop('a'); d['b'] = 2\n", "d = {'a': 1}\nf(d)\nassert d == {'b': 2}"),
    "expected exception": ("def f(x):\n    raise ValueError('no')\n", "try:\n    f(1)\n    assert False\nexcept ValueError as e:\n    assert str(e) == 'no'"),
    "own exception by its base": ("class E(KeyError): pass\ndef f(x):\n    raise E('k')\n", "try:\n    f(1)\n    assert False\nexcept KeyError:\n    pass"),
    "generator": ("def f(n):\n    yield from range(n)\n", "assert list(f(3)) == [0, 1, 2]"),
    "map": ("def f(n):\n    return map(str, range(n))\n", "assert list(f(2)) == ['0', '1']"),
    "endless generator": ("def f(n):\n    while True:\n        yield n\n", "g = f(4)\nassert next(g) == 4 and next(g) == 4"),
    "returned function": ("def f(n):\n    return lambda x: x * n\n", "assert f(3)(4) == 12"),
    "returned object": ("class P:\n    def __init__(s, x): s.x = x\n    def up(s): s.x += 1\ndef f(x):\n    return P(x)\n", "p = f(1)\np.up()\nassert p.x == 2"),
    "own class as argument": ("class P:\n    def __init__(s, x): s.x = x\ndef f(p):\n    return p.x\n", "assert f(P(5)) == 5"),
    "attribute set": ("class N:\n    pass\ndef f(n):\n    return n.v\n", "n = N()\nn.v = 8\nassert f(n) == 8"),
    "callback": ("def f(g, x):\n    return g(x) + 1\n", "assert f(lambda v: v * 10, 2) == 21"),
    "raising callback": ("def f(g):\n    try:\n        g()\n    except ZeroDivisionError:\n        return 'caught'\n", "assert f(lambda: 1 // 0) == 'caught'"),
    "argument from an answer": ("def f(x):\n    return x + 1\n", "a = f(1)\nassert f(a) == 3"),
    "random arguments": ("def f(x):\n    return x * 2\n", "import random\nfor _ in range(20):\n    x = random.randint(0, 99)\n    assert f(x) == 2 * x"),
    "state between calls": ("n = 0\ndef f():\n    global n\n    n += 1\n    return n\n", "assert f() == 1\nassert f() == 2"),
    "namedtuple": ("from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f():\n    return P(1, 2)\n", "assert f() == (1, 2)"),
    "subclass of a built-in": ("class L(list):\n    def __eq__(s, o): return True\ndef f():\n    return L([1])\n", "assert f() == [1]"),
    "recursion": ("def f(n):\n    return 1 if n == 0 else n * f(n - 1)\n", "assert f(30) == 265252859812191058636308480000000"),
    "dataclass": ("from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f():\n    return P(3).x\n", "assert f() == 3"),
    "threads": ("import threading\ndef f():\n    out = []\n    t = [threading.Thread(target=out.append, args=(i,)) for i in range(4)]\n    [i.start() for i in t]; [i.join() for i in t]\n    return sorted(out)\n", "assert f() == [0, 1, 2, 3]"),
    "asyncio": ("import asyncio\nasync def g():\n    await asyncio.sleep(0)\n    return 5\ndef f():\n    return asyncio.run(g())\n", "assert f() == 5"),
    "temporary file": ("import tempfile\ndef f():\n    with tempfile.TemporaryFile('w+') as t:\n        t.write('hi'); t.seek(0)\n        return t.read()\n", "assert f() == 'hi'"),
    "lazily imported module": ("def f():\n    import sqlite3, zlib, hashlib\n    return zlib.decompress(zlib.compress(b'a')).decode() + hashlib.sha256(b'').hexdigest()[:4]\n", "assert f() == 'ae3b0'"),
    "check function": ("def f(x):\n    return x\n", "def check(candidate):\n    assert candidate(3) == 3\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_real_tests_work_across_processes(python: Grade, name: str) -> None:
    result = python(*CASES[name])
    assert (result.code, result.trust) == ("passed", "separate"), result.reason


def test_helpers_of_the_prompt_are_the_judges_own(python: Grade) -> None:
    prefix = "def double(x):\n    return 2 * x\n\ndef f(x):\n    '''Half.'''\n"
    code = "def double(x):\n    return 0\n\ndef f(x):\n    return x // 2 if x else 0\n"
    assert python(code, "assert f(double(4)) == 4", prefix=prefix).code == "passed"


def test_builtin_name_can_be_the_entry_point(python: Grade) -> None:
    assert (
        python("def sum(a, b):\n    return a * b\n", "assert sum(3, 4) == 12", None).code
        == "passed"
    )


@pytest.mark.parametrize(
    "tests",
    [
        "class Q(P):\n    pass\nassert f(Q(1)) == 1",
        "class T:\n    x = 4\nassert f(T()) == 4",
    ],
)
def test_tests_that_need_the_programs_classes_run_beside_it_and_say_so(
    python: Grade, tests: str
) -> None:
    code = "class P:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return s.x == o.x\ndef f(p): return p.x\ndef g(x): return P(x)\n"
    result = python(code, tests)
    assert (result.code, result.trust) == ("passed", "shared"), result.reason


@pytest.mark.parametrize(
    "tests", ["assert isinstance(P(1), P) and f(P(1)) == 1", "assert g(1) == P(1)"]
)
def test_the_programs_classes_are_told_apart_in_another_process(python: Grade, tests: str) -> None:
    code = "class P:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return s.x == o.x\ndef f(p): return p.x\ndef g(x): return P(x)\n"
    result = python(code, tests)
    assert (result.code, result.trust) == ("passed", "separate"), result.reason


def test_failing_tests_beside_the_program_fail(python: Grade) -> None:
    result = python(
        "class P: pass\ndef f(p): return 1\n", "class Q(P):\n    pass\nassert f(Q()) == 2"
    )
    assert (result.code, result.trust) == ("assertion", "shared")
