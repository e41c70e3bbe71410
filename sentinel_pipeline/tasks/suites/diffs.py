"""Sixty edits of small Python modules, answered by a unified diff that must parse, apply exactly
and pass tests.

Generated here, always the same: a dozen kinds of edit over drawn names and constants. The patched
file need not equal the reference's: its tests decide. What this module does not do: show a test in
a prompt.
"""

from __future__ import annotations

import difflib
from random import Random
from typing import NamedTuple

from ...records import Message, PatchApplies, Task
from ..families.words import NAMES

ITEMS = 60
ASK = "This is `{path}`:\n\n```python\n{before}```\n\n{request} Answer with a unified diff of `{path}` and nothing else."


class Edit(NamedTuple):
    """Both sides of a change, the request, and asserts that the old side fails; ``@f``, ``@g`` and
    ``@k`` are drawn."""

    name: str
    before: str
    after: str
    request: str
    tests: str


EDITS = (
    Edit(
        "off_by_one",
        "def @f(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total\n",
        "def @f(n):\n    total = 0\n    for i in range(n + 1):\n        total += i\n    return total\n",
        "`@f` should sum the numbers from 0 to n, n included.",
        "assert @f(0) == 0\nassert @f(@k) == @k * (@k + 1) // 2",
    ),
    Edit(
        "default",
        "def @f(text, width):\n    return text.rjust(width)\n",
        "def @f(text, width=@k):\n    return text.rjust(width)\n",
        "Give `width` of `@f` the default @k.",
        "assert len(@f('a')) == @k\nassert @f('a', 3) == '  a'",
    ),
    Edit(
        "guard",
        "def @f(values):\n    return sum(values) / len(values)\n",
        "def @f(values):\n    if not values:\n        return @k\n    return sum(values) / len(values)\n",
        "`@f` should return @k for an empty list.",
        "assert @f([]) == @k\nassert @f([2, 4]) == 3",
    ),
    Edit(
        "add_function",
        "def @f(x):\n    return x + @k\n",
        "def @f(x):\n    return x + @k\n\n\ndef @g(x):\n    return @f(@f(x))\n",
        "Add a function `@g` that applies `@f` twice to its argument.",
        "assert @g(1) == 1 + 2 * @k",
    ),
    Edit(
        "rename",
        "def @f(x):\n    return x * @k\n\n\ndef twice(x):\n    return 2 * @f(x)\n",
        "def @g(x):\n    return x * @k\n\n\ndef twice(x):\n    return 2 * @g(x)\n",
        "Rename the function `@f` to `@g` everywhere.",
        "assert twice(3) == 6 * @k\nassert @g(1) == @k\nassert '@f' not in globals()",
    ),
    Edit(
        "comparison",
        "def @f(age):\n    return age > @k\n",
        "def @f(age):\n    return age >= @k\n",
        "`@f` should accept an age of exactly @k too.",
        "assert @f(@k)\nassert not @f(@k - 1)",
    ),
    Edit(
        "exception",
        "def @f(text):\n    return int(text)\n",
        "def @f(text):\n    try:\n        return int(text)\n    except ValueError:\n        return @k\n",
        "`@f` should return @k where the text is no number.",
        "assert @f('x') == @k\nassert @f('7') == 7",
    ),
    Edit(
        "constant",
        "LIMIT = 10\n\n\ndef @f(values):\n    return values[:LIMIT]\n",
        "LIMIT = @k\n\n\ndef @f(values):\n    return values[:LIMIT]\n",
        "Set the limit to @k.",
        "assert @f(list(range(99))) == list(range(@k))",
    ),
    Edit(
        "remove",
        "def @f(values):\n    values = sorted(values)\n    values = values[1:]\n    return values\n",
        "def @f(values):\n    values = sorted(values)\n    return values\n",
        "`@f` should no longer drop the smallest value.",
        "assert @f([3, 1, @k]) == sorted([3, 1, @k])",
    ),
    Edit(
        "parameter",
        "def @f(words):\n    return ', '.join(words)\n",
        "def @f(words, sign=', '):\n    return sign.join(words)\n",
        "Give `@f` a second parameter, `sign`, that joins the words; without it a comma and a space do as before.",
        "assert @f(['a', 'b']) == 'a, b'\nassert @f(['a', 'b'], '-') == 'a-b'\nassert @f(['a', 'b'], sign='') == 'ab'",
    ),
    Edit(
        "two_hunks",
        "def @f(x):\n    return x - 1\n\n\ndef middle(x):\n    y = x\n    y = y + 0\n    y = y * 1\n    return y\n\n\n"
        "def @g(x):\n    return x - 1\n",
        "def @f(x):\n    return x - @k\n\n\ndef middle(x):\n    y = x\n    y = y + 0\n    y = y * 1\n    return y\n\n\n"
        "def @g(x):\n    return x + @k\n",
        "`@f` should take away @k, and `@g` should add @k.",
        "assert @f(@k) == 0\nassert @g(@k) == 2 * @k\nassert middle(4) == 4",
    ),
    Edit(
        "method",
        "class Box:\n    def __init__(self):\n        self.items = []\n\n"
        "    def put(self, item):\n        self.items.append(item)\n",
        "class Box:\n    def __init__(self):\n        self.items = []\n\n"
        "    def put(self, item):\n        self.items.append(item)\n\n"
        "    def @f(self):\n        return len(self.items) + @k\n",
        "Give `Box` a method `@f` that returns the number of its items plus @k.",
        "box = Box()\nbox.put(1)\nassert box.@f() == 1 + @k",
    ),
)


def tasks() -> list[Task]:
    """The sixty tasks, a kind of edit after the other."""
    return [_task(number) for number in range(ITEMS)]


def _task(number: int) -> Task:
    edit = EDITS[number % len(EDITS)]
    rng = Random(f"diffs|{number}")
    (f, g, stem), k = rng.sample(NAMES, 3), str(rng.randint(11, 40))

    def fill(text: str) -> str:
        return text.replace("@f", f).replace("@g", g).replace("@k", k)

    path = f"{stem}.py"
    before = fill(edit.before)
    after = fill(edit.after)
    diff = difflib.unified_diff(
        before.splitlines(True), after.splitlines(True), f"a/{path}", f"b/{path}"
    )
    return Task(
        id=f"diffs/{number:02}-{edit.name}",
        suite="diffs",
        category="code_editing",
        family=edit.name,
        messages=(
            Message("user", ASK.format(path=path, before=before, request=fill(edit.request))),
        ),
        verifier=PatchApplies(files={path: before}, expected={}, tests=fill(edit.tests)),
        reference="".join(diff),
    )
