"""Answers as a sample could write them that is wholly a candidate's: near to what the codec reads,
wrong in one place or many. Made from a seed, so a failure can be made again."""

# ruff: noqa: E501

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sentinel_pipeline.sandbox.guest import codec
from sentinel_pipeline.sandbox.guest.objects import PROTOCOLS

_TAGS = [*codec.UNPACKERS, "G", "h"]
_SCALARS = (0, 1, -1, 5, True, False, None, "", "a", "f", "int", "é", "\ud800", 2.5, 1e308, 10**30,
            "0x1f", "nan", "stop", "more", "type")  # fmt: skip
_NAMES = ("A", "B", "", "a.b", "\0", "builtins.ValueError", "__class__", "\ud800", "x" * 90,
          "unittest.case.SkipTest", "subprocess.CalledProcessError")  # fmt: skip
_BASES = ("", "error", "int", "str", "tuple", "list", "dict", "set", "generator", "coroutine",
          "function", "Enum", "frozenset", "nonsense")  # fmt: skip
_PARENTS: tuple[Any, ...] = ("x", "builtins.ValueError", "json.JSONDecodeError", "builtins.int",
            "collections.OrderedDict", 3, None, [])  # fmt: skip
_FIELDS: tuple[list[Any], ...] = ([], ["a", "b"], ["a", "a"], ["__class__"], ["class"], ["_x"], [3])
_KINDS: tuple[list[Any], ...] = (
    ["ValueError", "Exception"], ["StopIteration"], ["A"], ["KeyError"], ["MemoryError"],
    ["SkipTest"], [], [1], ["TypeError"],
)  # fmt: skip


class Maker:
    """One stream of answers."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def answer(self) -> dict[str, Any]:
        """One answer to a request."""
        chance = self.chance
        weight = chance.random()
        made: dict[str, Any]
        if weight < 0.7:
            made = {"v": self.node()}
        elif weight < 0.8:
            made = {"n": self.node()}
        elif weight < 0.95:
            made = {"e": chance.choice(_KINDS), "m": chance.choice(["m", "", 3, [1]])}
            if chance.random() < 0.5:
                made["a"] = self.node()
            if chance.random() < 0.5:
                made["h"] = {"o": 1, "k": self.described()}
        else:
            why = chance.choice(["exit", "missing", "syntax_error", 1, "q"])
            made = {"x": why, "m": chance.choice(["", 1, "z"]), "d": self.node()}
        if chance.random() < 0.15:
            made["w"] = chance.choice([None, [[], {}], [[1], {}], self.node()])
        return made

    def described(self, depth: int = 0) -> Any:
        """A class of the candidate's."""
        chance = self.chance
        masks = (0, (1 << len(PROTOCOLS)) - 1, chance.getrandbits(len(PROTOCOLS)), -1)
        parents = [
            self.described(depth + 1) if depth < 2 and chance.random() < 0.3 else parent
            for parent in chance.sample(_PARENTS, chance.randint(0, 2))
        ]
        made: list[Any] = [
            chance.choice([0, 1, 2, 3, 7, 99]),
            chance.choice(_NAMES),
            chance.choice(masks),
            chance.choice(_BASES),
            parents,
            chance.choice(_FIELDS),
        ]
        if chance.random() < 0.05:
            made[chance.randrange(6)] = chance.choice(_SCALARS)
        return made

    def node(self, depth: int = 0) -> Any:
        """A packed value, or nearly one."""
        chance = self.chance
        weight = chance.random()
        if depth > 3 or weight < 0.35:
            return chance.choice(_SCALARS)
        if weight < 0.5:
            return self._some(depth)
        if weight < 0.75:
            return {"h": self._handle(depth)}
        contents: list[Callable[[], Any]] = [
            lambda: chance.choice(_SCALARS),
            lambda: self._some(depth),
            lambda: [[self.node(depth + 1), self.node(depth + 1)]],
            lambda: [self._some(depth), chance.choice(["stop", "more", "raised", 1])],
        ]
        return {chance.choice(_TAGS): chance.choice(contents)()}

    def _some(self, depth: int) -> list[Any]:
        return [self.node(depth + 1) for _ in range(self.chance.randint(0, 3))]

    def _handle(self, depth: int) -> dict[str, Any]:
        chance = self.chance
        if chance.random() < 0.2:
            error = {"o": chance.choice([0, 5, "x"]), "k": self.described()}
            return {"e": error, "a": self.node(depth + 1), "m": chance.choice(["m", "", 3])}
        made: dict[str, Any] = {"o": chance.choice([0, 1, 2, 3, -1]), "k": self.described()}
        if chance.random() < 0.4:
            made["v"] = self.node(depth + 1)
        if chance.random() < 0.2:
            made.pop("o")
        return made


ASKING = {
    "pytest.fail": "import pytest\npytest.fail(f(1))",
    "pytest.fail of a text": "import pytest\nr = f(1)\npytest.fail(f'{r}')",
    "raise": "raise ValueError(f(1))",
    "raise an assertion": "raise AssertionError(f(1), f(2))",
    "raises with a pattern": "import pytest\nwith pytest.raises(ValueError, match='x'):\n    f(1)",
    "raises what the program names": "import pytest\nwith pytest.raises(f):\n    f(1)",
    "approx": "import pytest\nassert f(1) == pytest.approx(2)\nassert pytest.approx(f(1)) == 2",
    "approx of a list": "import pytest\nassert f(1) == pytest.approx([1, 2])",
    "approx of a dict": "import pytest\nassert f(2) == pytest.approx({'a': 1})",
    "pytest.skip": "import pytest\npytest.skip(f(1))",
    "unittest's fail": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.fail(f(1))",
    "unittest's comparisons": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertAlmostEqual(f(1), 2)\n        self.assertIn(1, f(1))\n        self.assertCountEqual(f(1), [1])\n        self.assertDictEqual(f(2), {})",
    "unittest's messages": "import unittest\nclass T(unittest.TestCase):\n    def setUp(self): self.a = f(1)\n    def test_a(self):\n        with self.subTest(x=f(2)):\n            self.assertEqual(self.a, 2, f(3))\n        self.assertMultiLineEqual(f(1), 'a')",
    "unittest's patterns": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        with self.assertRaisesRegex(ValueError, 'a'):\n            f(1)",
    "parameters": "import pytest\n@pytest.mark.parametrize('x', [1, 2])\ndef test_a(x):\n    assert f(x) == x",
    "fixtures": "import pytest\n@pytest.fixture\ndef a():\n    yield f(1)\ndef test_x(a):\n    assert a.b == 1",
    "dataclass": "import dataclasses\nassert dataclasses.asdict(f(1))",
    "sorting": "assert sorted([f(1), f(2)]) == [1]",
    "hash": "assert {f(1): 2}",
    "percent": "assert '%s %d' % (f(1), f(2))",
    "deepcopy": "import copy\nassert copy.deepcopy(f(1)) == 1",
    "signature": "import inspect\nassert inspect.signature(f) and inspect.isfunction(f(1))",
    "json": "import json\nassert json.dumps(f(1))",
    "chain": "assert f(1)(2).x[3] == 4",
    "with": "with f(1) as x:\n    raise ValueError\nassert x",
    "exception's parts": "try:\n    f(1)\nexcept Exception as e:\n    assert str(e) == 'a' and e.args == (1,) and e.x",
    "exception of the program's class": "try:\n    f(1)\nexcept A:\n    pass\nassert issubclass(A, Exception)",
    "exception from an exception": "try:\n    f(1)\nexcept Exception as e:\n    raise RuntimeError(e) from e",
    "note": "try:\n    f(1)\nexcept Exception as e:\n    e.add_note('x')\n    raise",
    "group": "raise ExceptionGroup('a', [ValueError(f(1))])",
    "generator": "assert list(f(1)) == [1]\nassert next(f(2)) == 1\nassert dict(f(3)) == {}",
    "sent": "g = f(1)\nassert next(g) == 1\nassert g.send(2) == 3\ng.close()",
    "handed back": "assert f(f(1), x=f(2)) == 1\nassert f([f(1)], {'a': f(2)}) == 1",
    "enum": "assert A.B.value == 1 and list(A) and len(A) and A['B'] and A.B in A",
    "math": "import math\nassert math.isclose(f(1), 2) and abs(f(1) - 2) < 1",
    "pattern": "import re\nassert re.match('a', f(1))",
    "isinstance": "assert isinstance(f(1), A) and type(f(1)).__name__ == 'A'",
    "class": "assert A(1).x == A(2) and A(1) < A(2)",
    "coroutine": "import asyncio\nassert asyncio.run(f(1)) == 2",
    "shown": "assert repr(f(1)) and str(f(1)) and format(f(1), 'x')",
    "decimal": "from decimal import Decimal\nassert Decimal(f(1)) == 1",
    "sum": "assert sum(f(1)) + max(f(1)) == 1",
    "message": "r = f(1)\nassert r == 2, f'got {r!r} {r.x}'",
    "keys": "assert f(1).keys() == {'a'} and f(1).items()",
    "zip": "for a, b in zip(f(1), f(2)): assert a == b",
    "star": "a, *b = f(1)\nassert b == [1]",
}  # fmt: skip
"""Tests that do much with an answer."""
