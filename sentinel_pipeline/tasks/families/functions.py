"""Small list functions, composed of an aggregation, a map and a predicate: 9 x 9 x 18 compositions.

The expected values of the asserts come from the callables below, never from running the reference's
text. The prompts say what to compute in words and hold no code. Nothing is executed here.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from ...records import PythonTests
from .family import Draft, Family, ask
from .words import ARGUMENTS, NAMES


class Step(NamedTuple):
    """How a map or predicate reads (``words``), is written (``code``) and works (``apply(x, k)``);
    ``{k}`` is a constant."""

    words: str
    code: str
    apply: Callable[[int, int], Any]


class Aggregation(NamedTuple):
    """``words`` holds the noun phrase at ``{of}``; ``code`` holds the generator expression at
    ``{g}``."""

    words: str
    code: str
    apply: Callable[[list[int]], Any]


AGGREGATIONS: dict[str, Aggregation] = {
    "sum": Aggregation("the sum of {of}", "sum({g})", sum),
    "max": Aggregation(
        "the largest of {of}, else 0", "max(({g}), default=0)", lambda v: max(v, default=0)
    ),
    "min": Aggregation(
        "the smallest of {of}, else 0", "min(({g}), default=0)", lambda v: min(v, default=0)
    ),
    "list": Aggregation("a list of {of}", "[{g}]", list),
    "sorted": Aggregation("a sorted list of {of}", "sorted({g})", sorted),
    "reverse": Aggregation(
        "a descending list of {of}",
        "sorted(({g}), reverse=True)",
        lambda v: sorted(v, reverse=True),
    ),
    "distinct": Aggregation("the number of distinct {of}", "len({{{g}}})", lambda v: len(set(v))),
    "first": Aggregation("the first of {of}, else 0", "next(({g}), 0)", lambda v: v[0] if v else 0),
    "tuple": Aggregation("a tuple of {of}", "tuple({g})", tuple),
}
MAPS: dict[str, Step] = {
    "same": Step("{of}", "x", lambda x, k: x),
    "square": Step("squares of {of}", "x * x", lambda x, k: x * x),
    "cube": Step("cubes of {of}", "x ** 3", lambda x, k: x**3),
    "abs": Step("absolute values of {of}", "abs(x)", lambda x, k: abs(x)),
    "negate": Step("negatives of {of}", "-x", lambda x, k: -x),
    "plus": Step("{of} plus {k}", "x + {k}", lambda x, k: x + k),
    "minus": Step("{of} minus {k}", "x - {k}", lambda x, k: x - k),
    "times": Step("{of} times {k}", "x * {k}", lambda x, k: x * k),
    "modulo": Step("{of} modulo {k}", "x % {k}", lambda x, k: x % k),
}
PREDICATES: dict[str, Step] = {
    "even": Step("even {arg}", "x % 2 == 0", lambda x, k: x % 2 == 0),
    "odd": Step("odd {arg}", "x % 2 == 1", lambda x, k: x % 2 == 1),
    "positive": Step("positive {arg}", "x > 0", lambda x, k: x > 0),
    "negative": Step("negative {arg}", "x < 0", lambda x, k: x < 0),
    "nonzero": Step("nonzero {arg}", "x != 0", lambda x, k: x != 0),
    "above": Step("{arg} above {k}", "x > {k}", lambda x, k: x > k),
    "below": Step("{arg} below {k}", "x < {k}", lambda x, k: x < k),
    "least": Step("{arg} from {k} up", "x >= {k}", lambda x, k: x >= k),
    "most": Step("{arg} up to {k}", "x <= {k}", lambda x, k: x <= k),
    "not": Step("{arg} other than {k}", "x != {k}", lambda x, k: x != k),
    "divisible": Step("{arg} divisible by {k}", "x % {k} == 0", lambda x, k: x % k == 0),
    "indivisible": Step("{arg} not divisible by {k}", "x % {k} != 0", lambda x, k: x % k != 0),
    "remainder": Step("{arg} with remainder 1 by {k}", "x % {k} == 1", lambda x, k: x % k == 1),
    "within": Step("{arg} from -{k} to {k}", "-{k} <= x <= {k}", lambda x, k: -k <= x <= k),
    "beyond": Step("{arg} of size above {k}", "abs(x) > {k}", lambda x, k: abs(x) > k),
    "even_above": Step(
        "even {arg} above {k}", "x % 2 == 0 and x > {k}", lambda x, k: x % 2 == 0 and x > k
    ),
    "odd_below": Step(
        "odd {arg} below {k}", "x % 2 == 1 and x < {k}", lambda x, k: x % 2 == 1 and x < k
    ),
    "small": Step("{arg} with square below {k}0", "x * x < {k}0", lambda x, k: x * x < 10 * k),
}
SENTENCES = (
    "Write the Python function {name}({arg}): {what}.",
    "In Python, {name}({arg}) returns {what}.",
)


class Spec(NamedTuple):
    """One composition with its names and constants drawn: ``k`` of the map, ``m`` of the predicate,
    both 3 to 9."""

    aggregation: Aggregation
    step: Step
    predicate: Step
    name: str
    arg: str
    k: int
    m: int

    def words(self) -> str:
        numbers = self.predicate.words.format(k=self.m, arg=self.arg)
        mapped = self.step.words.format(
            of=f"({numbers})" if self.step.words.startswith("{of} ") else numbers, k=self.k
        )
        return self.aggregation.words.format(of=mapped)

    def code(self) -> str:
        generator = f"{self.step.code.format(k=self.k)} for x in {self.arg} if {self.predicate.code.format(k=self.m)}"
        return (
            f"def {self.name}({self.arg}):\n    return {self.aggregation.code.format(g=generator)}"
        )

    def value(self, numbers: list[int]) -> Any:
        selected = (x for x in numbers if self.predicate.apply(x, self.m))
        return self.aggregation.apply([self.step.apply(x, self.k) for x in selected])


def draw(composition: str, rng: Random) -> Spec:
    aggregation, step, predicate = composition.split("|")
    name = rng.choice(NAMES)
    arg = rng.choice(ARGUMENTS)
    return Spec(
        AGGREGATIONS[aggregation],
        MAPS[step],
        PREDICATES[predicate],
        name,
        arg,
        rng.randint(3, 9),
        rng.randint(3, 9),
    )


def inputs(spec: Spec, rng: Random) -> list[list[int]]:
    """Four lists: the predicate's boundaries with some numbers twice, two random ones, and one that
    the predicate empties."""
    edges = [0, 1, -1, spec.m, -spec.m, spec.m + 1, spec.m - 1, 2 * spec.m, -spec.m - 1, 12, -12, 7]
    first = [*rng.sample(edges, len(edges)), *rng.sample(edges, 3)]
    wide = [rng.randint(-15, 25) for _ in range(12)]
    narrow = [rng.randint(-4, 12) for _ in range(6)]
    none = [x for x in wide + edges if not spec.predicate.apply(x, spec.m)][:4]
    return [first, wide, narrow, none]


def generate(composition: str, rng: Random) -> Draft:
    spec = draw(composition, rng)
    prompt = rng.choice(SENTENCES).format(name=spec.name, arg=spec.arg, what=spec.words())
    asserts = [
        f"assert {spec.name}({numbers!r}) == {spec.value(numbers)!r}"
        for numbers in inputs(spec, rng)
    ]
    return Draft(
        ask(prompt), spec.code(), PythonTests(tests="\n".join(asserts), entry_point=spec.name)
    )


def raw(composition: str, rng: Random) -> str:
    """A module: the function, and a line or two that call it."""
    spec = draw(composition, rng)
    numbers = [rng.randint(-9, 30) for _ in range(rng.randint(2, 5))]
    use = rng.choice(
        (
            f"{spec.arg} = {numbers}\nprint({spec.name}({spec.arg}))",
            f"print({spec.name}({numbers}))",
            f"{rng.choice(NAMES)} = {spec.name}({numbers})",
        )
    )
    return f"{spec.code()}\n\n{use}\n"


FAMILY = Family(
    "functions",
    "executable_code",
    tuple(f"{a}|{m}|{p}" for a in AGGREGATIONS for m in MAPS for p in PREDICATES),
    generate,
    raw,
)
