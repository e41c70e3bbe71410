"""A decision point against what a report shows: the first rule that holds, with the numbers it was decided on.

A pure function. What this module does not do: keep the decision (``store.ledger``) or follow it (trainers do).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..records import Interval
from ..records.decision_spec import Decision, DecisionPoint, DecisionRule
from ..records.recipe import section_hash


class Evidence(NamedTuple):
    """A measured rate or difference; ``interval`` is None where nothing was scored."""

    measured: float | None
    interval: Interval | None
    n: int


NOTHING = Evidence(None, None, 0)


def point_hash(point: DecisionPoint) -> str:
    """Identity of the point: a decision by other rules is stale."""
    return section_hash(point)[:16]


def evaluate(
    point: DecisionPoint,
    evidence: Mapping[str, Evidence],
    *,
    subject_hash: str,
    scorer_version: str,
) -> Decision:
    """The action of the first rule of ``point`` that holds.

    A rule whose metric was not measured does not hold, but for one without bounds. Where none holds, and where nothing at all was
    scored, the answer is ``investigate``: no evidence is never a reason to go on.

    Args:
        evidence: metric name -> what was measured on the point's suite.
    """
    rule = next(
        (
            rule
            for rule in point.rules
            if holds(rule, evidence.get(rule.metric, NOTHING), point.decide_on)
        ),
        None,
    )
    void = all(found.interval is None for found in evidence.values())
    if rule is None or void:
        why = (
            "nothing was scored: no evidence is not a reason to go on" if void else "no rule holds"
        )
        found, metric = NOTHING, None
    else:
        why, metric = rule.why, rule.metric
        found = evidence.get(rule.metric, NOTHING)
    return Decision(
        stage=point.stage,
        action="investigate" if rule is None or void else rule.action,
        subject_hash=subject_hash,
        reason=_reason(rule, why, found, point) if rule is not None and not void else why,
        metric=metric,
        measured=found.measured,
        interval=found.interval,
        n=found.n,
        scorer_version=scorer_version,
        point_hash=point_hash(point),
    )


def holds(rule: DecisionRule, found: Evidence, decide_on: str) -> bool:
    """Whether what was found lies beyond every bound of ``rule``."""
    if rule.above is None and rule.below is None:
        return True
    if found.measured is None or found.interval is None:
        return False
    low, high = found.interval[:2] if decide_on == "interval" else (found.measured, found.measured)
    return (rule.above is None or low > rule.above) and (rule.below is None or high < rule.below)


def _reason(rule: DecisionRule, why: str, found: Evidence, point: DecisionPoint) -> str:
    name = {"pass_at_1": "Pass@1", "syntax_rate": "syntax rate", "gain": "paired gain in Pass@1"}[
        rule.metric
    ]
    bounds = [f"above {rule.above:.0%}"] if rule.above is not None else []
    bounds += [f"below {rule.below:.0%}"] if rule.below is not None else []
    how = "the whole interval" if point.decide_on == "interval" else "the point estimate"
    rule_words = f"{how} is {' and '.join(bounds)}" if bounds else "no other rule holds"
    if found.measured is None or found.interval is None:
        return f"{why} ({rule_words})"
    measured = f"{name} on {point.suite} {found.measured:.1%}, 95 % interval {found.interval.low:.1%} to {found.interval.high:.1%}"
    return f"{why} ({measured}, n {found.n}; {rule_words})"
