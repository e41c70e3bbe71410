"""A policy against a report: pass, fail or inconclusive, with the numbers and the rule in the reason.

What this module does not do: store verdicts (``store.ledger``) or act on them (training, release and chat refuse).
"""

from __future__ import annotations

from ..records import BenchmarkReport, GateVerdict, Interval
from ..records.gate_spec import GatePolicy
from ..records.recipe import section_hash
from ..records.verdict import Verdict
from .statistics import items_to_decide, wilson


def policy_hash(policy: GatePolicy) -> str:
    """Identity of the policy: a verdict decided under another one is stale."""
    return section_hash(policy)[:16]


def decide(name: str, policy: GatePolicy, report: BenchmarkReport, *, subject: str, subject_hash: str) -> GateVerdict:
    """Judge ``report`` by ``policy``.

    Nothing scored, or too large a share of infrastructure outcomes, is inconclusive: the report is void, not bad.
    """
    count, n = _counts(policy, report)
    interval = wilson(count, n, policy.confidence) if n else None
    verdict, reason = _judge(policy, report, count, n, interval)
    return GateVerdict(
        name=name,
        subject=subject,
        subject_hash=subject_hash,
        verdict=verdict,
        measured=count / n if n else None,
        threshold=policy.threshold,
        n=n,
        interval=interval,
        reason=reason,
        scorer_version=report.scorer_version,
        policy_hash=policy_hash(policy),
    )


def _counts(policy: GatePolicy, report: BenchmarkReport) -> tuple[int, int]:
    if policy.metric == "pass_at_1":
        return report.passed, report.n
    return report.syntax_passed, report.syntax_n


def _judge(
    policy: GatePolicy, report: BenchmarkReport, count: int, n: int, interval: Interval | None
) -> tuple[Verdict, str]:
    answered = report.n + report.infra
    if interval is None:
        return "inconclusive", f"nothing was scored ({report.infra} infrastructure outcomes): no evidence is not a pass"
    if answered and report.infra / answered > policy.max_infra_share:
        share = report.infra / answered
        return (
            "inconclusive",
            f"void: {share:.1%} infrastructure outcomes, at most {policy.max_infra_share:.1%} allowed",
        )
    rate, rule = count / n, _rule(policy)
    measured = (
        f"{rate:.1%} ({count} of {n}), {policy.confidence:.0%} interval {interval.low:.1%} to {interval.high:.1%}"
    )
    low, high = (interval.low, interval.high) if policy.decide_on == "interval" else (rate, rate)
    passes = low >= policy.threshold if policy.direction == "at_least" else high <= policy.threshold
    fails = high < policy.threshold if policy.direction == "at_least" else low > policy.threshold
    if passes or fails:
        return ("pass" if passes else "fail"), f"{measured}; {rule}"
    return "inconclusive", f"{measured}; {rule}; {_more(policy, rate, n)}"


def _rule(policy: GatePolicy) -> str:
    what = "Pass@1" if policy.metric == "pass_at_1" else "syntax rate"
    bound = "at least" if policy.direction == "at_least" else "at most"
    how = "whole interval" if policy.decide_on == "interval" else "point estimate"
    return f"rule: {what} on {policy.suite} {bound} {policy.threshold:.0%}, decided on the {how}"


def _more(policy: GatePolicy, rate: float, n: int) -> str:
    needed = items_to_decide(rate, policy.threshold, policy.confidence)
    if needed is None or needed <= n:
        return "the rate sits on the threshold: more items would not decide"
    return f"needs about {needed - n} more items"
