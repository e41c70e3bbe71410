"""Tests that use the program's own objects: every protocol, right programs pass, and wrong ones
fail for their own reason."""

# ruff: noqa: E501

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.records import PythonTests, StdioTests
from sentinel_pipeline.sandbox import Grader, Limits, Outcome, Program
from sentinel_pipeline.sandbox.guest import codec
from sentinel_pipeline.sandbox.judge import remote
from sentinel_pipeline_tests.sandbox.conftest import Grade

SHELF = """
class Shelf:
    SIZE = 9
    def __init__(self, books): self.books = list(books)
    def __len__(self): return len(self.books)
    def __bool__(self): return bool(self.books)
    def __str__(self): return f'a shelf of {len(self)}'
    def __repr__(self): return f'Shelf({self.books})'
    def __format__(self, spec): return f'<{spec}>'
    def __iter__(self): return iter(self.books)
    def __reversed__(self): return reversed(self.books)
    def __contains__(self, book): return book in self.books
    def __getitem__(self, place): return self.books[place]
    def __setitem__(self, place, book): self.books[place] = book
    def __delitem__(self, place): del self.books[place]
    def __eq__(self, other): return isinstance(other, Shelf) and self.books == other.books
    def __lt__(self, other): return len(self) < len(other)
    def __hash__(self): return len(self.books)
    def __add__(self, other): return Shelf(self.books + other.books)
    def __iadd__(self, other): self.books += other.books; return self
    def __mul__(self, times): return Shelf(self.books * times)
    __rmul__ = __mul__
    def __neg__(self): return Shelf(self.books[::-1])
    def __abs__(self): return sum(map(len, self.books))
    def __int__(self): return len(self.books)
    __index__ = __int__
    def __float__(self): return 0.5
    def __complex__(self): return 2j
    def __round__(self, digits=None): return digits
    def __invert__(self): return 'turned'
    def __divmod__(self, other): return (len(self), len(other))
    def __matmul__(self, other): return len(self) * len(other)
    def __call__(self, book): return self.books.index(book)
    def __enter__(self): self.open = True; return self
    def __exit__(self, *error): self.open = False; return False
    @property
    def first(self): return self.books[0]
    @first.setter
    def first(self, book): self.books[0] = book
    @classmethod
    def of(cls, *books): return cls(books)
    @staticmethod
    def material(): return 'oak'
"""
PROTOCOLS = {
    "length and truth": "assert len(Shelf('ab')) == 2 and Shelf('a') and not Shelf('')",
    "texts": "s = Shelf('a')\nassert str(s) == 'a shelf of 1' and repr(s) == \"Shelf(['a'])\" and f'{s:x} {s!s}' == '<x> a shelf of 1' and '%s' % s == str(s) and repr([s]) == \"[Shelf(['a'])]\"",
    "iteration": "assert [*Shelf('ab')] == ['a', 'b'] and list(reversed(Shelf('ab'))) == ['b', 'a'] and sorted(Shelf('ba')) == ['a', 'b']\nit = iter(Shelf('a'))\nassert next(it) == 'a' and next(it, None) is None\na, b = Shelf('xy')\nassert dict(zip(Shelf('a'), Shelf('b'))) == {'a': 'b'} and b == 'y'",
    "membership": "assert 'a' in Shelf('ab') and 'c' not in Shelf('ab') and Shelf('a') in [Shelf('a')]",
    "items": "s = Shelf('abc')\nassert s[0] == 'a' and s[-1] == 'c' and s[0:2] == ['a', 'b']\ns[0] = 'z'\ndel s[1]\nassert s.books == ['z', 'c']",
    "equality": "a, b = Shelf('a'), Shelf('a')\nassert a == b and not a != b and a != Shelf('b') and [a] == [b] and {'k': a} == {'k': b} and a is not b and a != None",
    "order": "assert Shelf('a') < Shelf('ab') and Shelf('ab') > Shelf('a')\nassert min(Shelf('ab'), Shelf('a')).books == ['a']\nassert [len(s) for s in sorted([Shelf('abc'), Shelf('a')])] == [1, 3]",
    "hashing": "assert hash(Shelf('ab')) == 2 and len({Shelf('a'), Shelf('a'), Shelf('b')}) == 2 and {Shelf('a'): 5}[Shelf('a')] == 5",
    "addition": "assert Shelf('a') + Shelf('b') == Shelf('ab')\na = b = Shelf('a')\na += Shelf('c')\nassert a is b and b.books == ['a', 'c']",
    "multiplication by a number": "assert (Shelf('a') * 2).books == ['a', 'a'] and 2 * Shelf('a') == Shelf('aa')",
    "one operand": "assert (-Shelf('ab')).books == ['b', 'a'] and abs(Shelf(['xx', 'y'])) == 3 and ~Shelf('') == 'turned'",
    "numbers": "s = Shelf('ab')\nassert int(s) == 2 and float(s) == 0.5 and complex(s) == 2j and [5, 6, 7][s] == 7 and round(s, 3) == 3 and round(s) is None",
    "two objects, plain result": "assert divmod(Shelf('a'), Shelf('bc')) == (1, 2) and Shelf('ab') @ Shelf('abc') == 6",
    "call": "assert Shelf('ab')('b') == 1 and callable(Shelf('')) and callable(Shelf)",
    "context": "with Shelf('a') as s:\n    assert s.open\nassert not s.open\ntry:\n    with s:\n        raise KeyError('k')\nexcept KeyError:\n    assert s.open is False",
    "attributes": "s = Shelf('a')\nassert s.first == 'a'\ns.first = 'b'\ns.note = 'n'\nassert s.books == ['b'] and s.note == 'n' and vars(s) == {'books': ['b'], 'note': 'n'}\ndel s.note\nassert not hasattr(s, 'note') and getattr(s, 'note', 3) == 3",
    "class attributes": "assert Shelf.SIZE == 9 and Shelf.of('a', 'b') == Shelf('ab') and Shelf.material() == 'oak' and Shelf.__name__ == 'Shelf'",
    "classes": "s = Shelf('a')\nassert isinstance(s, Shelf) and type(s) is Shelf and type(s).__name__ == 'Shelf' and s.__class__ is Shelf and not isinstance(3, Shelf)",
    "abstract classes": "from collections.abc import Callable, Hashable, Iterable, Iterator, Sized\ns = Shelf('a')\nassert all(isinstance(s, kind) for kind in (Callable, Hashable, Iterable, Sized)) and not isinstance(s, Iterator)",
    "copies": "import copy\na = Shelf('a')\nb = copy.deepcopy(a)\nassert copy.copy(a) == a == b and b is not a\nb.books.append('c')\na.first = 'q'\nassert b.books == ['a']",
    "functions of the library": "import functools\nassert functools.partial(Shelf, 'ab')().books == ['a', 'b'] and functools.reduce(lambda a, b: a + b, [Shelf('a'), Shelf('b')]) == Shelf('ab')\nassert [len(s) for s in map(Shelf, ['a', 'bc'])] == [1, 2] and max([Shelf('a'), Shelf('bc')], key=len).books == ['b', 'c']",
    "unittest": "import unittest\nclass T(unittest.TestCase):\n    def setUp(self): self.s = Shelf('a')\n    def test_a(self):\n        self.assertEqual(self.s, Shelf('a'))\n        self.assertNotEqual(self.s, Shelf('b'))\n        self.assertIn('a', self.s)\n        self.assertIsInstance(self.s, Shelf)\n        self.assertTrue(self.s)\n        self.assertLess(self.s, Shelf('ab'))\n        self.assertEqual(len(self.s), 1)\n        self.assertListEqual(list(self.s), ['a'])\n        with self.assertRaises(IndexError): self.s[7]\n",
}  # fmt: skip


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_carried_out_apart_from_the_program(python: Grade, name: str) -> None:
    result = python(SHELF, PROTOCOLS[name], entry_point="Shelf")
    assert (result.reason, result.trust) == ("passed", "separate")


WRONG = {
    "length": ("assert len(Shelf('ab')) == 3", "assertion: len(): expected 3, got 2"),
    "equality": ("assert Shelf('a') == Shelf('b')", "assertion: Shelf('a') == Shelf('b')"),
    "order": ("assert Shelf('ab') < Shelf('a')", "assertion: Shelf('ab') < Shelf('a')"),
    "exception": ("Shelf('a')[3]", "exception: IndexError: list index out of range"),
    "attribute": ("Shelf('a').nothing", "exception: AttributeError: 'Shelf' object has no"),
    "inside with": ("with Shelf('a') as s:\n    assert s.books == []", "assertion: s.books == []"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_of_an_object_fails_for_its_own_reason(python: Grade, name: str) -> None:
    tests, reason = WRONG[name]
    result = python(SHELF, tests, entry_point="Shelf")
    assert result.outcome is Outcome.FAIL and result.reason.startswith(reason), result.reason


PROGRAMS = {
    "generator, send": ("def f():\n    got = yield 'a'\n    yield got * 2\n", "g = f()\nassert next(g) == 'a' and g.send(4) == 8"),
    "generator, throw and close": ("def f():\n    try:\n        yield 1\n    except KeyError:\n        yield 'caught'\n", "g = f()\nnext(g)\nassert g.throw(KeyError('x')) == 'caught'\ng.close()\nassert list(g) == []"),
    "generator, its value": ("def f():\n    yield 1\n    return 'end'\n", "g = f()\nnext(g)\ntry:\n    next(g)\n    assert False\nexcept StopIteration as stop:\n    assert stop.value == 'end'"),
    "generator, late exception": ("def f():\n    yield 1\n    raise ValueError('late')\n", "g = f()\nassert next(g) == 1\ntry:\n    next(g)\n    assert False\nexcept ValueError as e:\n    assert str(e) == 'late'"),
    "generator, its type": ("def f():\n    yield 1\n", "import inspect, types\nassert inspect.isgenerator(f()) and isinstance(f(), types.GeneratorType)\ndef g():\n    yield from f()\nassert list(g()) == [1]"),
    "iterator class": ("class Down:\n    def __init__(s, n): s.n = n\n    def __iter__(s): return s\n    def __next__(s):\n        if not s.n: raise StopIteration\n        s.n -= 1\n        return s.n\n", "d = Down(3)\nassert iter(d) is d and list(d) == [2, 1, 0] and next(d, 'end') == 'end'"),
    "coroutine": ("import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    return n + 1\n", "import asyncio\nassert asyncio.run(f(1)) == 2"),
    "awaited in a test": ("import asyncio\nasync def f(n):\n    if n < 0: raise ValueError('low')\n    return n + 1\n", "import asyncio\nasync def main():\n    assert await f(1) == 2\n    try:\n        await f(-1)\n        assert False\n    except ValueError as e:\n        assert str(e) == 'low'\nasyncio.run(main())"),
    "asynchronous iteration and context": ("class A:\n    async def __aenter__(s): s.inside = True; return s\n    async def __aexit__(s, *e): s.inside = False\n    async def items(s):\n        for n in (1, 2): yield n\n", "import asyncio\nasync def main():\n    async with A() as a:\n        assert a.inside and [n async for n in a.items()] == [1, 2]\n    assert not a.inside\nasyncio.run(main())"),
    "asynchronous unittest": ("async def f(n): return n + 1\n", "import unittest\nclass T(unittest.IsolatedAsyncioTestCase):\n    async def test_a(self):\n        self.assertEqual(await f(1), 2)\n"),
    "own exception": ("class Low(Exception):\n    def __init__(s, text, by): super().__init__(text); s.by = by\nclass Lower(Low): pass\ndef f(n): raise (Lower if n else Low)('too low', 3)\n", "import pytest\ntry:\n    f(0)\n    assert False\nexcept Low as e:\n    assert str(e) == 'too low' and e.by == 3 and e.args == ('too low',) and type(e).__name__ == 'Low' and not isinstance(e, Lower)\nwith pytest.raises(Low, match='low') as info:\n    f(1)\nassert info.type is Lower and info.value.by == 3 and issubclass(Lower, Low)"),
    "own exception made by the tests": ("class Low(ValueError): pass\ndef f(g):\n    try:\n        return g()\n    except Low as e:\n        return str(e)\n", "e = Low('x')\nassert str(e) == 'x' and isinstance(e, ValueError)\ntry:\n    raise e\nexcept Low as again:\n    assert again is e"),
    "exceptions of the library": ("import json\nfrom dataclasses import dataclass\n@dataclass(frozen=True)\nclass P: x: int\ndef f(text): return json.loads(text)\ndef g(k): return {}[k]\ndef h(): open('/nowhere')\n", "import dataclasses, json, pytest\nwith pytest.raises(json.JSONDecodeError): f('{')\nwith pytest.raises(dataclasses.FrozenInstanceError): P(1).x = 2\ntry:\n    g('k')\nexcept KeyError as e:\n    assert e.args == ('k',) and str(e) == \"'k'\"\ntry:\n    h()\nexcept FileNotFoundError as e:\n    assert e.errno == 2"),
    "dataclass": ("from dataclasses import dataclass, field\n@dataclass(order=True)\nclass P:\n    x: int\n    tags: list = field(default_factory=list)\n", "import dataclasses as d\np = P(1, ['a'])\nassert d.asdict(p) == {'x': 1, 'tags': ['a']} and d.astuple(p) == (1, ['a']) and [f.name for f in d.fields(P)] == ['x', 'tags'] and d.is_dataclass(p)\nassert d.replace(p, x=4).x == 4 and p == P(1, ['a']) and P(1) < P(2) and repr(P(1)) == 'P(x=1, tags=[])'"),
    "enumeration": ("from enum import Enum\nclass Mood(Enum):\n    GOOD = 1\n    BAD = 2\n    def short(s): return s.name[0]\ndef f(n): return Mood(n)\n", "assert f(1) is Mood.GOOD and f(1) == Mood.GOOD != Mood.BAD and Mood.BAD.value == 2 and Mood.BAD.name == 'BAD' and Mood['BAD'] is Mood.BAD and Mood(2) is Mood.BAD\nassert [m.name for m in Mood] == ['GOOD', 'BAD'] and len(Mood) == 2 and str(f(1)) == 'Mood.GOOD' and f(1) in Mood and f(2).short() == 'B' and {Mood.BAD: 7}[f(2)] == 7 and isinstance(f(1), Mood)"),
    "enumeration of numbers and texts": ("from enum import Enum, IntEnum\nclass Level(IntEnum):\n    LOW = 1\n    HIGH = 2\nclass Word(str, Enum):\n    A = 'a'\ndef f(): return Level.HIGH\ndef g(): return Word.A\n", "assert f() == 2 and f() is Level.HIGH and f().name == 'HIGH' and Level.LOW < f() and f() + 1 == 3\nassert g() == 'a' and g() is Word.A and g().upper() == 'A' and g().value == 'a'"),
    "named tuple": ("from typing import NamedTuple\nfrom collections import namedtuple\nP = namedtuple('P', 'x y')\nclass Q(NamedTuple):\n    a: int\n    b: int = 2\n    def total(s): return s.a + s.b\ndef f(): return P(3, 4)\n", "p = f()\nx, y = p\nassert p.x == 3 and p == P(3, 4) == (3, 4) and p._fields == ('x', 'y') and p._asdict() == {'x': 3, 'y': 4} and p._replace(x=9).x == 9 and repr(p) == 'P(x=3, y=4)' and isinstance(p, (P, tuple)) and y == 4\nassert Q(1).total() == 3 and Q(a=1) == (1, 2)"),
    "subclass of list": ("class Pile(list):\n    def put(s, x): s.append(x); return s\n    def top(s): return s[-1]\n", "p = Pile()\np.put(1).put(2)\nassert p.top() == 2 and len(p) == 2 and p == [1, 2] and [1, 2] == p and p.pop() == 2 and p + [5] == [1, 5] and 1 in p and isinstance(p, list) and sum(p) == 1"),
    "subclass of dict": ("class Tally(dict):\n    def __missing__(s, k): return 0\n    def add(s, k): s[k] += 1\n", "t = Tally()\nt.add('a')\nassert t == {'a': 1} and t['z'] == 0 and 'a' in t and dict(t) == {'a': 1} and sorted(t.items()) == [('a', 1)] and t.get('z') is None"),
    "subclass of float": ("class Degrees(float):\n    def half(s): return s / 2\ndef f(): return Degrees(3)\n", "assert f() == 3.0 and f().half() == 1.5 and f() + 1 == 4 and round(f() / 7, 2) == 0.43"),
    "cached function": ("import functools\n@functools.lru_cache(maxsize=None)\ndef f(n): return n if n < 2 else f(n - 1) + f(n - 2)\n", "assert f(9) == 34 and f.cache_info().misses == 10 and f.cache_info().hits > 0\nf.cache_clear()\nassert f.cache_info().currsize == 0"),
    "signature": ("def f(a, b=2, *c, d, **e): 'Does.'\n", "import inspect\np = inspect.signature(f).parameters\nassert list(p) == ['a', 'b', 'c', 'd', 'e'] and p['b'].default == 2 and f.__name__ == 'f' and f.__doc__ == 'Does.'"),
    "constants": ("LIMIT = 5\nNAMES = ['a', 'b']\n", "from solution import LIMIT, NAMES\nassert LIMIT == 5 and LIMIT + 1 == 6 and 4 < LIMIT and bool(LIMIT) and f'{LIMIT}' == '5' and len(NAMES) == 2 and 'a' in NAMES and NAMES[1] == 'b' and [*NAMES] == ['a', 'b']"),
    "decorator": ("def twice(g):\n    def run(*a): return g(*a) * 2\n    return run\n", "@twice\ndef h(x): return x + 1\nassert h(1) == 4"),
    "context manager from a generator": ("from contextlib import contextmanager\nlog = []\n@contextmanager\ndef f(n):\n    log.append('in')\n    yield n\n    log.append('out')\n", "import solution\nwith solution.f(2) as n:\n    assert n == 2\nassert solution.log == ['in', 'out']"),
    "manager that swallows what it should": ("class Quiet:\n    def __init__(s, *kinds): s.kinds = kinds\n    def __enter__(s): return s\n    def __exit__(s, kind, e, t): return kind is not None and issubclass(kind, s.kinds)\n", "with Quiet(ValueError):\n    raise ValueError('x')\ntry:\n    with Quiet(ValueError): raise KeyError('k')\n    assert False\nexcept KeyError: pass"),
    "linked objects": ("class Node:\n    def __init__(s, v, to=None): s.v, s.to = v, to\ndef last(n):\n    while n.to: n = n.to\n    return n\n", "end = Node(3)\na = Node(1, Node(2, end))\nassert last(a) is end and a.to.v == 2\nout, n = [], a\nwhile n is not None:\n    out.append(n.v)\n    n = n.to\nassert out == [1, 2, 3]"),
    "vectors": ("class V:\n    def __init__(s, x, y): s.x, s.y = x, y\n    def __mul__(s, k): return V(s.x * k, s.y * k)\n    __rmul__ = __mul__\n    def __sub__(s, o): return V(s.x - o.x, s.y - o.y)\n    def __eq__(s, o): return (s.x, s.y) == (o.x, o.y)\n    def __abs__(s): return (s.x ** 2 + s.y ** 2) ** 0.5\n    def __repr__(s): return f'V({s.x}, {s.y})'\n", "assert V(1, 2) * 3 == V(3, 6) == 3 * V(1, 2) and abs(V(3, 4)) == 5 and (V(1, 2) * 2).y == 4 and V(1, 1) - V(0, 1) == V(1, 0) and repr(V(1, 2) * 2) == 'V(2, 4)'"),
    "containment without iteration": ("class Trie:\n    def __init__(s): s.words = set()\n    def insert(s, w): s.words.add(w)\n    def __contains__(s, w): return w in s.words\n    def startswith(s, p): return any(w.startswith(p) for w in s.words)\n    def size(s): return len(s.words)\n", "t = Trie()\nt.insert('ab')\nassert 'ab' in t and 'x' not in t and t.startswith('a') and t.size() == 1"),
    "containment alone": ("class Between:\n    def __init__(s, a, b): s.a, s.b = a, b\n    def __contains__(s, x): return s.a <= x < s.b\n    def __getitem__(s, n): return n\n", "assert 2 in Between(1, 5) and 7 not in Between(1, 5)"),
    "abstract base": ("from abc import ABC, abstractmethod\nclass Shape(ABC):\n    @abstractmethod\n    def area(s): ...\nclass Square(Shape):\n    def __init__(s, a): s.a = a\n    def area(s): return s.a ** 2\n", "import pytest\nwith pytest.raises(TypeError): Shape()\nassert Square(2).area() == 4 and isinstance(Square(1), Shape) and issubclass(Square, Shape)"),
    "deep data": ("def f(n):\n    r = []\n    for _ in range(n): r = [r]\n    return r\n", "r, depth = f(250), 0\nwhile r:\n    r = r[0]\n    depth += 1\nassert depth == 250"),
    "many small answers": ("class Q:\n    def __init__(s): s.items = []\n    def put(s, x): s.items.append(x)\n    def take(s): return s.items.pop(0)\ndef f():\n    n = 0\n    while True:\n        yield n\n        n += 1\n", "q = Q()\nfor n in range(3000): q.put(n)\nassert [q.take() for _ in range(3000)] == list(range(3000))\nfor n, m in zip(range(12000), f()): assert n == m"),
    "threads of the tests": ("class C:\n    def __init__(s): s.n = 0\n    def up(s): s.n += 1\n", "import threading\nc = C()\nworkers = [threading.Thread(target=c.up) for _ in range(5)]\nfor w in workers: w.start()\nfor w in workers: w.join()\nassert c.n == 5"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_objects_of_every_kind_are_used_apart_from_the_program(python: Grade, name: str) -> None:
    result = python(*PROGRAMS[name], entry_point=None)
    assert (result.reason, result.trust) == ("passed", "separate")


BESIDE = {
    "a subclass": ("class P:\n    def up(s): return s.x + 1\n", "class Q(P):\n    x = 4\nassert Q().up() == 5"),
    "an object of the tests": ("def f(p): return p.x\n", "class T:\n    x = 4\nassert f(T()) == 4"),
    "coroutines at a time": ("import asyncio\nasync def f(n):\n    await asyncio.sleep(0.01)\n    return n\n", "import asyncio\nasync def main(): return await asyncio.gather(f(1), f(2))\nassert asyncio.run(main()) == [1, 2]"),
    "a descriptor": ("class Low:\n    def __set_name__(s, o, n): s.n = '_' + n\n    def __get__(s, i, o): return getattr(i, s.n)\n    def __set__(s, i, v): setattr(i, s.n, min(v, 3))\n", "class T:\n    x = Low()\nt = T()\nt.x = 9\nassert t.x == 3"),
    "an object equal to a number": ("class Money:\n    def __init__(s, c): s.c = c\n    def __eq__(s, o): return s.c == o\n", "m = Money(5)\nassert m.c == 5\nassert m == 5"),
    "pickling": ("class A:\n    x = 3\n", "import pickle\nassert pickle.loads(pickle.dumps(A())).x == 3"),
    "swallowed by the tests": ("class P:\n    x = 4\n", "try:\n    class Q(P): pass\nexcept BaseException:\n    Q = None\nassert Q is not None and Q().x == 4"),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_cannot_be_done_soundly_is_run_again_beside_the_program(
    python: Grade, name: str
) -> None:
    result = python(*BESIDE[name], entry_point=None)
    assert (result.reason, result.trust) == ("passed", "shared")


def test_a_function_that_answers_with_an_object_does_not_choose_to_be_beside_its_tests(
    python: Grade,
) -> None:
    code = "class E:\n    x = 1\n    def __eq__(s, o): return True\ndef f(n): return E()\n"
    result = python(code, "assert f(1) == 5")
    assert (result.code, result.trust) == ("assertion", "separate")


def test_a_failed_assertion_that_the_program_swallows_still_counts(python: Grade) -> None:
    code = (
        "def f(g):\n    try:\n        g(1)\n    except BaseException:\n        pass\n    return 1\n"
    )
    tests = "def check(v):\n    assert v == 2\nassert f(check) == 1"
    result = python(code, tests.replace("check", "look"))
    assert (result.outcome, result.code) == (Outcome.FAIL, "assertion")


@pytest.mark.parametrize("frames", ["{\"v\":true}", "[]", "{\"e\":5}", "nothing"])  # fmt: skip
def test_a_second_verdict_beside_the_tests_is_a_failure_not_infrastructure(
    python: Grade, frames: str
) -> None:
    code = (
        "import os\nclass P: pass\ndef more():\n"
        f"    text = {frames.encode()!r}\n    for fd in range(3, 64):\n"
        "        try: os.write(fd, len(text).to_bytes(4, 'little') + text)\n"
        "        except OSError: pass\n"
    )
    result = python(code, "class Q(P): pass\nmore()\nassert Q() is None", entry_point=None)
    assert (result.outcome, result.trust) == (Outcome.FAIL, "shared"), result.reason


def test_the_cases_objects_all_pass(cases_dir: Path, grader: Grader) -> None:
    rows = [json.loads(line) for line in (cases_dir / "objects_problems.jsonl").open()]
    problems = {row["task_id"]: row for row in rows}
    samples = [json.loads(line) for line in (cases_dir / "objects_samples.jsonl").open()]
    programs = [
        Program(
            id=sample["task_id"],
            code=sample["solution"],
            verifier=_verifier(problems[sample["task_id"]]),
            limits=Limits(cpu_seconds=20, wall_seconds=120, memory_mib=4096, output_kib=65536),
        )
        for sample in samples
    ]
    failed = {
        result.id: result.reason
        for result in grader.grade(programs)
        if result.outcome is not Outcome.PASS
    }
    assert len(programs) >= 20 and failed == {}


def test_the_graded_cases_have_their_outcomes(cases_dir: Path, grader: Grader) -> None:
    rows = [json.loads(line) for line in (cases_dir / "grade.jsonl").open()]
    programs = [
        Program(id=row["id"], code=row["sample"]["solution"], verifier=_verifier(row["problem"]))
        for row in rows
    ]
    outcomes = {result.id: result.outcome.value for result in grader.grade(programs)}
    wrong = {
        row["id"]: outcomes[row["id"]]
        for row in rows
        if row["expect"] not in ("any", outcomes[row["id"]])
        and not ("3.12" in row["like"] and sys.version_info < (3, 12))
    }
    assert len(rows) >= 20 and wrong == {}


def _verifier(problem: dict[str, object]) -> PythonTests | StdioTests:
    cases = problem.get("verifier")
    if isinstance(cases, dict):
        return StdioTests(inputs=tuple(cases["inputs"]), outputs=tuple(cases["outputs"]))
    return PythonTests(tests=str(problem["tests"]), entry_point=str(problem["entry_point"]))


SMALL: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 300), st.text(max_size=4), st.just([]), st.just({})
)
CLASSES: st.SearchStrategy[object] = st.recursive(
    SMALL,
    lambda inner: st.tuples(
        st.integers(0, 6) | SMALL,
        st.sampled_from(["P", "", "a\0", "\ud800", "builtins.ValueError", "unittest.case.SkipTest"])
        | SMALL,
        st.integers(0, 1 << 140) | SMALL,
        st.sampled_from(["", "int", "str", "tuple", "list", "error", "coroutine", "x"]) | SMALL,
        st.lists(inner | st.sampled_from(["builtins.Exception", "x", "."]), max_size=3) | SMALL,
        st.lists(st.text(max_size=6), max_size=3) | SMALL,
    ).map(list),
    max_leaves=4,
)
OBJECT_NODES: st.SearchStrategy[object] = st.recursive(
    SMALL,
    lambda inner: (
        st.fixed_dictionaries(
            {"h": SMALL | st.dictionaries(st.sampled_from("okveamg"), inner | CLASSES, max_size=5)}
        )
        | st.fixed_dictionaries(
            {"h": st.fixed_dictionaries({"o": st.integers(0, 5), "k": CLASSES, "v": inner})}
        )
        | st.fixed_dictionaries(
            {
                "h": st.fixed_dictionaries(
                    {
                        "e": st.fixed_dictionaries({"o": st.integers(0, 5), "k": CLASSES}),
                        "a": st.lists(inner, max_size=3),
                        "m": st.text(max_size=3),
                    }
                )
            }
        )
        | st.fixed_dictionaries({"G": inner | st.tuples(st.just([]), SMALL).map(list)})
    ),
    max_leaves=6,
)


@settings(max_examples=600, deadline=None)
@given(st.lists(OBJECT_NODES, max_size=4))
def test_forged_objects_are_objects_of_ours_or_malformed_and_nothing_else(
    nodes: list[object],
) -> None:
    session = remote.Session()
    for node in nodes:
        with contextlib.suppress(codec.Malformed):
            codec.unpack(node, session.handling)


class Echo(remote.Session):
    """A session whose sample gives a forged answer."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def exchange(self, request: bytes) -> Any:
        return self.answer


KINDS = st.lists(
    st.sampled_from(["ValueError", "StopIteration", "GeneratorExit", "KeyError", "SystemExit", ""])
    | st.text(max_size=3),
    max_size=3,
)
FAILURE = {
    "m": SMALL,
    "l": SMALL,
    "a": st.lists(OBJECT_NODES, max_size=2) | SMALL,
    "h": st.fixed_dictionaries({"o": st.integers(0, 5), "k": CLASSES}) | SMALL,
}
ANSWERS = st.one_of(
    SMALL,
    st.fixed_dictionaries({"e": KINDS}, optional=FAILURE),
    st.fixed_dictionaries({"v": OBJECT_NODES}),
    st.fixed_dictionaries({"n": OBJECT_NODES}),
    st.fixed_dictionaries({"w": OBJECT_NODES | st.just([[[1]], {"d": []}]), "v": SMALL}),
    st.fixed_dictionaries(
        {"x": st.sampled_from(["missing", "exit", "output_limit"]) | SMALL},
        optional={"d": SMALL, "m": SMALL},
    ),
    st.fixed_dictionaries({}, optional={"v": OBJECT_NODES, "n": SMALL, "e": KINDS, **FAILURE}),
)


@settings(max_examples=600, deadline=None)
@given(ANSWERS, st.sampled_from(["call", "get", "next", "send", "anext", "len"]))
def test_a_forged_answer_is_never_a_fault_of_ours_nor_an_exception_that_steers(
    answer: object, operation: str
) -> None:
    session = Echo(answer)
    raised: BaseException | None = None
    try:
        session.ask(operation, "f", "", ([[2]],))
    except BaseException as error:
        raised = error
    assert session.fault is None
    if isinstance(raised, remote.Stop):
        assert session.fatal is not None and session.fatal.code != "infra"
    elif isinstance(raised, (StopIteration, StopAsyncIteration)):
        assert operation in ("next", "send", "anext")
    elif raised is not None:
        assert isinstance(raised, Exception) and "finding" in raised.__dict__
