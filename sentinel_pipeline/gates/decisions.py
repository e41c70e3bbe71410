"""A decision point against what was measured: which rule holds, which is open, and what would close
it.

A condition is true or false only where the whole interval is on one side, else it is open; rules
are asked in order and the first that holds decides. Pure functions. What this module does not do:
keep the decision (``store.ledger``), follow it (trainers do), write the next recipe
(``next_recipe``) or start anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ..rates import percent
from ..records.decision_spec import Condition, Decision, DecisionPoint, DecisionRule
from .keys import policy_hash
from .measured import Measured, difference
from .questions import OF_ALL

NEXT_STEP = "next_step"
"""The name under which a decision about a report is asked for, as a gate's verdict is."""
MAX_ITEMS = 20_000
"""More items than this nobody evaluates: the value is at the threshold."""


class ConditionResult(NamedTuple):
    """One condition and what the evidence says: ``holds`` is None where it is open."""

    rule: DecisionRule
    condition: Condition
    measured: Measured | None
    holds: bool | None

    def to_json(self) -> dict[str, Any]:
        measured = self.measured
        interval = measured.interval if measured else None
        return {
            "scenario": self.rule.name,
            "metric": self.condition.metric,
            "rule": _bound(self.condition),
            "measured": measured.value if measured else None,
            "interval": list(interval[:2]) if interval else None,
            "n": measured.n if measured else 0,
            "holds": self.holds,
        }


class PointResult(NamedTuple):
    """``verdict``: ``decided`` (with its rule), ``ambiguous`` (with what would decide, and no
    rule), or ``none`` of the rules."""

    verdict: Literal["decided", "ambiguous", "none"]
    rule: DecisionRule | None
    results: tuple[ConditionResult, ...]
    """Every condition that was asked."""
    would_decide: str | None


def evaluate(
    point: DecisionPoint,
    evidence: Mapping[str, Measured],
    start: Mapping[str, Measured] | None = None,
) -> PointResult:
    """The first rule of ``point`` that holds.

    Over a report a rule that is open is passed over: the run has to do something, and a rule
    further down says what. Over curves it leaves the decision open: more can be measured, and a
    later rule must not decide what an earlier one might have.

    Args:
        evidence: metric name -> what was measured.
        start: the same before the first step, for conditions that count from there; without it they
            are open.
    """
    results: list[ConditionResult] = []
    for rule in point.rules:
        here = [
            ConditionResult(
                rule,
                condition,
                _measured(condition, evidence, start or {}),
                _holds(
                    condition,
                    _measured(condition, evidence, start or {}),
                    evidence,
                    point.decide_on,
                ),
            )
            for condition in rule.when
        ]
        results += here
        if all(result.holds for result in here):
            return PointResult("decided", rule, tuple(results), None)
        refuted = any(result.holds is False for result in here)
        if not refuted and point.evidence == "curves":
            sentences = [_would_decide(result) for result in here if result.holds is None]
            return PointResult("ambiguous", None, tuple(results), "; ".join(sentences) + ".")
    return PointResult("none", None, tuple(results), None)


def decide_report(
    point: DecisionPoint,
    evidence: Mapping[str, Measured],
    *,
    subject_hash: str,
    scorer_version: str,
) -> Decision:
    """What a point over a report makes of it, as the ledger keeps it.

    Where no rule holds, and where nothing at all was scored, the result is ``investigate``: no
    evidence is never a reason to go on.
    """
    rule = evaluate(point, evidence).rule
    measured: Measured | None = None
    metric: str | None = None
    if all(value.interval is None for value in evidence.values()):
        rule = None
        reason = "nothing was scored: no evidence is not a reason to go on"
    elif rule is None:
        reason = "no rule holds"
    else:
        # A rule without conditions is told with what most rules look at.
        metric = rule.when[0].metric if rule.when else Condition().metric
        measured = evidence.get(metric)
        reason = f"{rule.why} ({_evidence_words(point, rule, metric, measured)})"
    return Decision(
        stage=point.stage,
        action=rule.action if rule else "investigate",
        subject_hash=subject_hash,
        reason=reason,
        metric=metric,
        measured=measured.value if measured else None,
        interval=measured.interval if measured else None,
        n=measured.n if measured else 0,
        scorer_version=scorer_version,
        point_hash=policy_hash(point),
    )


def _measured(
    condition: Condition, evidence: Mapping[str, Measured], start: Mapping[str, Measured]
) -> Measured | None:
    """What the condition looks at: the metric, or what it gained since the start."""
    measured = evidence.get(condition.metric)
    if not condition.from_start:
        return measured
    first = start.get(condition.metric)
    return difference(measured, first) if measured and first else None


def _holds(
    condition: Condition,
    measured: Measured | None,
    evidence: Mapping[str, Measured],
    decide_on: Literal["interval", "point"],
) -> bool | None:
    if measured is None or measured.value is None or measured.interval is None:
        return None
    if not measured.n or not math.isfinite(measured.value):
        return None
    if condition.weakest:
        return condition.metric == weakest(evidence)
    low, high = measured.interval[:2]
    if decide_on == "point":
        low = high = measured.value
    if condition.below is not None:
        holds = high < condition.below
        refuted = low >= condition.below
    elif condition.above is not None:
        holds = low > condition.above
        refuted = high <= condition.above
    else:
        assert condition.at_least is not None
        holds = low >= condition.at_least
        refuted = high < condition.at_least
    if holds:
        return True
    return False if refuted else None


def weakest(evidence: Mapping[str, Measured]) -> str | None:
    """The task metric of the lowest value."""
    tasks = {
        name: measured.value
        for name, measured in evidence.items()
        if name.startswith("eval/") and name not in OF_ALL and measured.value is not None
    }
    return min(sorted(tasks), key=lambda name: tasks[name], default=None)


def _bound(condition: Condition) -> str:
    if condition.weakest:
        return "weakest"
    start = "start " if condition.from_start else ""
    sign = "+" if condition.from_start else ""
    if condition.below is not None:
        return f"< {start}{condition.below:{sign}g}"
    if condition.above is not None:
        return f"> {start}{condition.above:{sign}g}"
    return f">= {start}{condition.at_least:{sign}g}"


def _evidence_words(
    point: DecisionPoint, rule: DecisionRule, metric: str, measured: Measured | None
) -> str:
    """The numbers, and the bounds that they passed."""
    names = {
        "pass_at_1": "Pass@1",
        "syntax_rate": "syntax rate",
        "gain": "paired gain in Pass@1",
    }
    how = "the whole interval" if point.decide_on == "interval" else "the point estimate"
    bounds = []
    for condition in rule.when:
        for word, bound in (
            ("at least", condition.at_least),
            ("above", condition.above),
            ("below", condition.below),
        ):
            if bound is not None:
                other = f"{names[condition.metric]} " if condition.metric != metric else ""
                bounds.append(f"{other}{word} {percent(bound, 0)}")
    rule_words = f"{how} is {' and '.join(bounds)}" if bounds else "no other rule holds"
    if measured is None or measured.value is None or measured.interval is None:
        return rule_words
    low, high, _ = measured.interval
    numbers = f"{percent(measured.value)}, 95 % interval {percent(low)} to {percent(high)}"
    return f"{names[metric]} on {point.suite} {numbers}, n {measured.n}; {rule_words}"


def _would_decide(result: ConditionResult) -> str:
    """What to measure so that an open condition closes."""
    condition = result.condition
    measured = result.measured
    if measured is None or measured.value is None or measured.interval is None or not measured.n:
        return f"evaluate the checkpoint so that {condition.metric} is measured"
    bounds = (condition.below, condition.above, condition.at_least)
    threshold = next((bound for bound in bounds if bound is not None), None)
    assert threshold is not None
    low, high, _ = measured.interval
    # The interval narrows with the root of n: how many items until half of it is as wide as the
    # distance to the threshold.
    distance = abs(measured.value - threshold)
    needed = MAX_ITEMS + 1
    if distance > 0:
        needed = math.ceil(measured.n * ((high - low) / 2 / distance) ** 2)
    verb = "gained" if condition.from_start else "is"
    where = (
        f"{condition.metric} {verb} {measured.value:.3f} [{low:.3f}, {high:.3f}] on {measured.n}, "
    )
    if needed > MAX_ITEMS:
        return f"{where}too close to {threshold:g} to be distinguished: train longer, then evaluate again"
    return f"{where}evaluating the same checkpoint on about {needed} held-out prompts would distinguish it from {threshold:g}"
