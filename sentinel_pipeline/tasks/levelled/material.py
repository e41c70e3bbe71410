"""What the families with levels share: compositions that name their level and parts, operations on
lists in Python and TypeScript, code in fences, and diffs.

What this module does not do: make tasks (each family's file does), or run anything.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

Values = list[int]
_MISSES = 60
"""Draws of known parts, one after another, after which there are no others."""

WORDS = (
    "amber",
    "badge",
    "basin",
    "beacon",
    "bridge",
    "canyon",
    "cedar",
    "cinder",
    "copper",
    "coral",
    "delta",
    "ember",
    "falcon",
    "garnet",
    "harbor",
    "hazel",
    "indigo",
    "ivory",
    "jasper",
    "kestrel",
    "lagoon",
    "lantern",
    "maple",
    "marble",
    "meadow",
    "nectar",
    "olive",
    "opal",
    "orchid",
    "pebble",
    "pine",
    "quartz",
    "raven",
    "ridge",
    "saffron",
    "sierra",
    "spruce",
    "tundra",
    "violet",
    "willow",
)
"""Names; none means anything to a verifier."""


def compositions(
    name: str,
    levels: tuple[int, int],
    kinds: Iterable[str],
    draw: Callable[[int, Random], Iterable[str]],
    count: int = 40,
) -> tuple[str, ...]:
    """``LEVEL|KIND|PART+PART…``, at most ``count`` different ones for each level and kind; ``draw``
    draws a level's parts."""
    every: dict[str, None] = {}
    for level in range(levels[0], levels[1] + 1):
        for kind in kinds:
            rng = Random(f"{name}|{level}|{kind}")
            texts: dict[str, None] = {}
            misses = 0
            while len(texts) < count and misses < _MISSES:
                text = f"{level}|{kind}|{'+'.join(draw(level, rng))}"
                misses = misses + 1 if text in texts else 0
                texts[text] = None
            every |= texts
    return tuple(every)


class Parts(NamedTuple):
    """A composition, read."""

    level: int
    kind: str
    parts: list[str]


def parted(composition: str) -> Parts:
    level, kind, parts = composition.split("|")
    return Parts(int(level), kind, parts.split("+"))


class Operation(NamedTuple):
    """One step over a list of whole numbers ``xs``; ``{k}`` is a constant from 2 to 6."""

    words: str
    python: str
    script: str
    apply: Callable[[Values, int], Any]


def _no_repeats(values: Values) -> Values:
    return list(dict.fromkeys(values))


OPERATIONS: dict[str, Operation] = {
    "even": Operation(
        "the even numbers of xs",
        "[x for x in xs if x % 2 == 0]",
        "xs.filter((x) => x % 2 === 0)",
        lambda v, k: [x for x in v if x % 2 == 0],
    ),
    "above": Operation(
        "the numbers of xs above {k}",
        "[x for x in xs if x > {k}]",
        "xs.filter((x) => x > {k})",
        lambda v, k: [x for x in v if x > k],
    ),
    "most": Operation(
        "the numbers of xs that are at most {k}",
        "[x for x in xs if x <= {k}]",
        "xs.filter((x) => x <= {k})",
        lambda v, k: [x for x in v if x <= k],
    ),
    "plus": Operation(
        "each number of xs plus {k}",
        "[x + {k} for x in xs]",
        "xs.map((x) => x + {k})",
        lambda v, k: [x + k for x in v],
    ),
    "times": Operation(
        "each number of xs times {k}",
        "[x * {k} for x in xs]",
        "xs.map((x) => x * {k})",
        lambda v, k: [x * k for x in v],
    ),
    "square": Operation(
        "the square of each number of xs",
        "[x * x for x in xs]",
        "xs.map((x) => x * x)",
        lambda v, k: [x * x for x in v],
    ),
    "size": Operation(
        "the absolute value of each number of xs",
        "[abs(x) for x in xs]",
        "xs.map((x) => Math.abs(x))",
        lambda v, k: [abs(x) for x in v],
    ),
    "clip": Operation(
        "each number of xs, but {k} where it is larger",
        "[min(x, {k}) for x in xs]",
        "xs.map((x) => Math.min(x, {k}))",
        lambda v, k: [min(x, k) for x in v],
    ),
    "reversed": Operation(
        "xs in reverse order", "xs[::-1]", "[...xs].reverse()", lambda v, k: v[::-1]
    ),
    "sorted": Operation(
        "xs sorted upwards", "sorted(xs)", "[...xs].sort((a, b) => a - b)", lambda v, k: sorted(v)
    ),
    "unique": Operation(
        "xs without repeats, each number where it first stands",
        "list(dict.fromkeys(xs))",
        "[...new Set(xs)]",
        lambda v, k: _no_repeats(v),
    ),
    "first": Operation(
        "the first {k} numbers of xs", "xs[:{k}]", "xs.slice(0, {k})", lambda v, k: v[:k]
    ),
    "without": Operation(
        "xs without its first {k} numbers", "xs[{k}:]", "xs.slice({k})", lambda v, k: v[k:]
    ),
    "second": Operation(
        "every second number of xs, beginning with the first",
        "xs[::2]",
        "xs.filter((_, i) => i % 2 === 0)",
        lambda v, k: v[::2],
    ),
    "steps": Operation(
        "the differences between each number of xs and the one before it",
        "[b - a for a, b in zip(xs, xs[1:])]",
        "xs.slice(1).map((x, i) => x - xs[i])",
        lambda v, k: [b - a for a, b in pairwise(v)],
    ),
}
ENDS: dict[str, Operation] = {
    "sum": Operation(
        "the sum of xs", "sum(xs)", "xs.reduce((a, x) => a + x, 0)", lambda v, k: sum(v)
    ),
    "largest": Operation(
        "the largest number of xs, 0 where xs is empty",
        "max(xs, default=0)",
        "xs.length ? Math.max(...xs) : 0",
        lambda v, k: max(v, default=0),
    ),
    "smallest": Operation(
        "the smallest number of xs, 0 where xs is empty",
        "min(xs, default=0)",
        "xs.length ? Math.min(...xs) : 0",
        lambda v, k: min(v, default=0),
    ),
    "last": Operation(
        "the last number of xs, {k} where xs is empty",
        "xs[-1] if xs else {k}",
        "xs.length ? xs[xs.length - 1] : {k}",
        lambda v, k: v[-1] if v else k,
    ),
    "distinct": Operation(
        "how many different numbers xs holds",
        "len(set(xs))",
        "new Set(xs).size",
        lambda v, k: len(set(v)),
    ),
    "count": Operation(
        "how many numbers of xs are above {k}",
        "sum(x > {k} for x in xs)",
        "xs.filter((x) => x > {k}).length",
        lambda v, k: sum(x > k for x in v),
    ),
    "spread": Operation(
        "the largest number of xs minus the smallest, 0 where xs is empty",
        "max(xs) - min(xs) if xs else 0",
        "xs.length ? Math.max(...xs) - Math.min(...xs) : 0",
        lambda v, k: max(v) - min(v) if v else 0,
    ),
}


class Step(NamedTuple):
    """An operation under a name, with its constant."""

    name: str
    operation: Operation
    k: int

    @property
    def words(self) -> str:
        return self.operation.words.format(k=self.k)

    def python(self) -> str:
        return f"def {self.name}(xs):\n    return {self.operation.python.format(k=self.k)}\n"

    def script(self, returns: str = "number[]") -> str:
        code = self.operation.script.format(k=self.k)
        return f"function {self.name}(xs: number[]): {returns} {{\n  return {code};\n}}\n"

    def apply(self, values: Values) -> Any:
        return self.operation.apply(values, self.k)


def draw_steps(level: int, rng: Random) -> list[str]:
    """``level`` operations, none twice, and one that ends in a number."""
    return [*rng.sample(sorted(OPERATIONS), level), rng.choice(sorted(ENDS))]


def steps_of(parts: list[str], rng: Random) -> list[Step]:
    names = rng.sample(WORDS, len(parts))
    return [
        Step(name, (OPERATIONS | ENDS)[part], rng.randint(2, 6)) for name, part in zip(names, parts)
    ]


def lists(rng: Random) -> list[Values]:
    """Inputs on which operations differ: mixed, with repeats, small, of one and none."""
    wide = [rng.randint(-12, 25) for _ in range(12)]
    repeats = [rng.randint(-3, 8) for _ in range(12)]
    return [wide, repeats, [rng.randint(0, 9) for _ in range(4)], [rng.randint(2, 7)], []]


def through(steps: list[Step], values: Values) -> Any:
    """What the steps give one after another."""
    result: Any = values
    for step in steps:
        result = step.apply(result)
    return result


def fenced(code: str, language: str = "") -> str:
    return f"```{language}\n{code.rstrip()}\n```"


def diff_of(before: dict[str, str], after: dict[str, str]) -> str:
    """A unified diff of the files that differ, in the order of their paths."""
    texts = []
    for path in sorted(before):
        if before[path] != after[path]:
            lines = difflib.unified_diff(
                before[path].splitlines(keepends=True),
                after[path].splitlines(keepends=True),
                f"a/{path}",
                f"b/{path}",
            )
            texts.append("".join(lines))
    return "".join(texts).rstrip("\n")
