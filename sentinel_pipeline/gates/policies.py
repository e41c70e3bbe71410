"""The one decider: a policy against a measurement is pass, fail or inconclusive, with the numbers
and the rule in the reason.

What is not evidence (``Measured.void``) is inconclusive, whatever the numbers say. What this module
does not do: measure (``measured``), store verdicts (``store.ledger``) or act on them (training,
release and chat refuse).
"""

from __future__ import annotations

from typing import Literal, Protocol

from ..rates import percent
from ..records import Decided
from ..records.verdict import Verdict
from .measured import Measured
from .statistics import items_to_decide


class Policy(Protocol):
    """What a decision needs of a policy: a gate's of the recipe, or the bar of a mean reward."""

    @property
    def metric(self) -> str: ...
    @property
    def threshold(self) -> float: ...
    @property
    def suite(self) -> str: ...
    @property
    def direction(self) -> Literal["at_least", "at_most"]: ...
    @property
    def decide_on(self) -> Literal["interval", "point"]: ...
    @property
    def confidence(self) -> float: ...
    @property
    def against(self) -> str | None: ...


def decide(policy: Policy, measured: Measured) -> Decided:
    """Judge a measurement by ``policy``: pass, fail, or inconclusive with what would decide it."""
    if measured.void is not None:
        verdict: Verdict = "inconclusive"
        reason = measured.void
    else:
        verdict = verdict_of(policy, measured)
        reason = f"{measured.text}; {rule(policy)}"
        if verdict == "inconclusive" and _clears(policy, measured):
            reason += f"; chance alone gives such a result in {percent(measured.by_luck, 0)} of cases: too few items"
        elif verdict == "inconclusive":
            reason += f"; {_more(policy, measured)}"
    return Decided(
        verdict=verdict,
        measured=measured.value,
        threshold=policy.threshold,
        n=measured.n,
        interval=measured.interval,
        reason=reason,
    )


def verdict_of(policy: Policy, measured: Measured) -> Verdict:
    """The decision alone, about evidence: what ``simulation`` asks ten thousand times."""
    low, high = _bounds(policy, measured)
    fails = high < policy.threshold if policy.direction == "at_least" else low > policy.threshold
    if fails:
        return "fail"
    lucky = policy.decide_on == "interval" and measured.by_luck > 1 - policy.confidence
    return "pass" if _clears(policy, measured) and not lucky else "inconclusive"


def _bounds(policy: Policy, measured: Measured) -> tuple[float, float]:
    assert measured.value is not None and measured.interval is not None
    if policy.decide_on == "point":
        return measured.value, measured.value
    return measured.interval.low, measured.interval.high


def _clears(policy: Policy, measured: Measured) -> bool:
    low, high = _bounds(policy, measured)
    if policy.against and policy.threshold == 0 and policy.decide_on == "interval":
        # An interval that ends at nothing shows nothing: a gain is more than zero.
        return low > 0 if policy.direction == "at_least" else high < 0
    return low >= policy.threshold if policy.direction == "at_least" else high <= policy.threshold


def rule(policy: Policy) -> str:
    """The policy in words."""
    names = {"pass_at_1": "Pass@1", "syntax_rate": "syntax rate", "mean_reward": "mean reward"}
    subject = f"{names[policy.metric]} on {policy.suite}"
    bound = "at least" if policy.direction == "at_least" else "at most"
    how = "whole interval" if policy.decide_on == "interval" else "point estimate"
    amount = percent(policy.threshold, 0)
    if policy.metric == "mean_reward":
        amount = f"{policy.threshold:g}"
    elif policy.against:
        subject += f" minus that of {policy.against}"
        amount = percent(policy.threshold, 0, signed=True)
    return f"rule: {subject} {bound} {amount}, decided on the {how}"


def _more(policy: Policy, measured: Measured) -> str:
    """How many more items would decide it, if the value stayed what it is."""
    assert measured.value is not None and measured.interval is not None
    needed: int | None = None
    if measured.kind == "rate":
        needed = items_to_decide(measured.value, policy.threshold, policy.confidence)
    else:
        # No formula inverts these intervals; they narrow with the root of n, until the nearer end
        # is at the threshold.
        distance = abs(measured.value - policy.threshold)
        if distance > 1e-9:
            reach = measured.value - measured.interval.low
            if measured.value < policy.threshold:
                reach = measured.interval.high - measured.value
            needed = int(measured.n * (reach / distance) ** 2) + 1
    if needed is None or needed <= measured.n:
        return "the rate sits on the threshold: more items would not decide"
    return f"needs about {needed - measured.n} more items"
