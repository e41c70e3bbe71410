"""A decision tree over the evidence of a finished run: which scenario holds, which is open, and what would close it.

A condition is true or false only when the whole interval is on one side, else it is open. Scenarios are asked in order: the
first that holds decides, unless one before it is open. What this module does not do: start anything, or write a recipe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..records.report import Interval
from ..records.scenario_spec import Condition, Scenario

_OF_ALL = ("eval/mean_reward", "eval/mean", "eval/pass_at_1", "eval/syntax_rate")
"""Metrics that are of no one task."""
MOST_ITEMS = 20_000
"""More items than this nobody evaluates: the value is at the threshold."""


class Measured(NamedTuple):
    """A metric at the run's end."""

    value: float
    interval: Interval
    n: int


class Asked(NamedTuple):
    """One condition and what the evidence says: ``holds`` is None where it is open."""

    scenario: str
    condition: Condition
    measured: Measured | None
    holds: bool | None

    def to_json(self) -> dict[str, Any]:
        one, seen = self.condition, self.measured
        rule = (
            "weakest"
            if one.weakest
            else f"< {one.below:g}"
            if one.below is not None
            else f">= {one.at_least:g}"
        )
        return {
            "scenario": self.scenario,
            "metric": one.metric,
            "rule": rule,
            "measured": seen.value if seen else None,
            "interval": list(seen.interval[:2]) if seen else None,
            "n": seen.n if seen else 0,
            "holds": self.holds,
        }


class Decision(NamedTuple):
    """``verdict``: ``decided`` (with its scenario), ``ambiguous`` (with what would decide, and no scenario), or ``none`` of
    the scenarios."""

    verdict: Literal["decided", "ambiguous", "none"]
    scenario: Scenario | None
    evidence: tuple[Asked, ...]
    would_decide: str | None


def decide(tree: Sequence[Scenario], evidence: Mapping[str, Measured]) -> Decision:
    """Ask the scenarios in order; the evidence holds every condition that was asked."""
    asked: list[Asked] = []
    for scenario in tree:
        here = [
            Asked(scenario.name, one, evidence.get(one.metric), _holds(one, evidence))
            for one in scenario.when
        ]
        asked += here
        if any(one.holds is False for one in here):
            continue
        if all(one.holds for one in here):
            return Decision("decided", scenario, tuple(asked), None)
        return Decision(
            "ambiguous",
            None,
            tuple(asked),
            _would_decide([one for one in here if one.holds is None]),
        )
    return Decision("none", None, tuple(asked), None)


def _holds(condition: Condition, evidence: Mapping[str, Measured]) -> bool | None:
    seen = evidence.get(condition.metric)
    if seen is None or not seen.n or not math.isfinite(seen.value):
        return None
    if condition.weakest:
        return condition.metric == weakest(evidence)
    low, high = seen.interval[:2]
    if condition.at_least is not None:
        return True if low >= condition.at_least else False if high < condition.at_least else None
    assert condition.below is not None
    return True if high < condition.below else False if low >= condition.below else None


def weakest(evidence: Mapping[str, Measured]) -> str | None:
    """The task metric of the lowest value."""
    tasks = {
        name: one.value
        for name, one in evidence.items()
        if name.startswith("eval/") and name not in _OF_ALL
    }
    return min(sorted(tasks), key=lambda name: tasks[name], default=None)


def _would_decide(open_ones: Sequence[Asked]) -> str:
    return "; ".join(map(_one_would, open_ones)) + "."


def _one_would(asked: Asked) -> str:
    one, seen = asked.condition, asked.measured
    if seen is None or not seen.n:
        return f"evaluate the checkpoint so that {one.metric} is measured"
    threshold = one.below if one.below is not None else one.at_least
    assert threshold is not None
    half = (seen.interval.high - seen.interval.low) / 2
    distance = abs(seen.value - threshold)
    needed = math.ceil(seen.n * (half / distance) ** 2) if distance > 0 else MOST_ITEMS + 1
    where = f"{one.metric} is {seen.value:.3f} [{seen.interval.low:.3f}, {seen.interval.high:.3f}] on {seen.n}, "
    if needed > MOST_ITEMS:
        return (
            f"{where}too close to {threshold:g} to be told apart: train longer, then evaluate again"
        )
    return f"{where}evaluating the same checkpoint on about {needed} held-out prompts would tell it from {threshold:g}"
