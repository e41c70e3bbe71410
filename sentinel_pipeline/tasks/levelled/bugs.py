"""Wrong functions beside right ones, for the families that correct code: a wrong constant or a
wrong operation, of which a test can tell.

What this module does not do: make tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from .material import ENDS, OPERATIONS, Step, Values, lists

KINDS = ("constant", "operation")


class Bug(NamedTuple):
    """A step as it should be and as it stands, and a list on which they differ."""

    right: Step
    wrong: Step
    values: Values

    def failure(self) -> str:
        """As a test's report says it."""
        return f"{self.right.name}({self.values}): expected {self.right.apply(self.values)}, got {self.wrong.apply(self.values)}"


def planted(step: Step, kind: str, inputs: list[Values], rng: Random) -> Bug:
    """A wrong function in the place of ``step``; where a constant changes nothing, the operation is
    another."""
    same_kind = ENDS if step.operation in ENDS.values() else OPERATIONS
    others = [operation for operation in same_kind.values() if operation != step.operation]
    rng.shuffle(others)
    candidates = [step._replace(operation=operation) for operation in others]
    if kind == "constant":
        constants = [step.k + 1, step.k - 1, step.k + 2]
        candidates = [step._replace(k=k) for k in constants] + candidates
    for wrong in candidates:
        for values in inputs:
            if wrong.apply(values) != step.apply(values):
                return Bug(step, wrong, values)
    raise AssertionError("some other operation differs")


def asserts(steps: list[Step], bugs: Iterable[Bug], rng: Random) -> str:
    """Tests of every step over lists that tell operations apart, and those that the bugs fail."""
    calls = [(bug.right, bug.values) for bug in bugs]
    calls += [(step, values) for values in lists(rng) for step in steps]
    return "\n".join(
        f"assert {step.name}({values}) == {step.apply(values)}" for step, values in calls
    )
