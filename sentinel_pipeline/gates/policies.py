"""A policy against a report: pass, fail or inconclusive, with the numbers and the rule in the reason.

A gate is decided on evidence that is whole (every item answered), fresh (scored by the scorer of now), ours (few infrastructure
outcomes) and, where two models are compared, not explained by an artifact; else it is inconclusive, whatever the numbers say.
What this module does not do: store verdicts (``store.ledger``) or act on them (training, release and chat refuse).
"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

from ..records import BenchmarkReport, GateVerdict, Interval
from ..records.gate_spec import GatePolicy
from ..records.recipe import section_hash
from ..records.verdict import Verdict
from .clustered import TaskPair, mean_difference, paired_by_task, randomisation_p
from .statistics import binomial_tail, items_to_decide, mcnemar_exact, newcombe_paired, wilson_rate


class Paired(NamedTuple):
    """Both models' outcomes on the same items, as counts; items that infrastructure left open on either side are apart.

    Of several answers an item the counts are answers, and ``tasks`` says which belong together.
    """

    both: int
    gained: int
    """Items that only the judged model passes."""
    lost: int
    """Items that only the other model passes."""
    neither: int
    infra: int = 0
    against_hash: str = ""
    """Content hash of the report compared with."""
    void: str | None = None
    """Why the difference is no evidence: an artifact explains it."""
    tasks: tuple[TaskPair, ...] = ()
    """Each item, where some were answered several times."""

    @property
    def n(self) -> int:
        return self.both + self.gained + self.lost + self.neither

    @property
    def difference(self) -> float:
        """Second minus first, each item weighing the same."""
        return mean_difference(self.tasks) if self.tasks else (self.gained - self.lost) / self.n

    @property
    def p(self) -> float:
        """Exact McNemar, or its generalisation to several answers an item."""
        return randomisation_p(self.tasks) if self.tasks else mcnemar_exact(self.gained, self.lost)

    def interval(self, confidence: float = 0.95) -> Interval:
        """Of ``difference``: Newcombe's, or the one over items."""
        if self.tasks:
            return paired_by_task(self.tasks, confidence)
        return newcombe_paired(self.both, self.gained, self.lost, self.neither, confidence)


class Measured(NamedTuple):
    """What a gate looks at: a rate or a difference, its interval, on how many items, and how it reads."""

    value: float
    interval: Interval
    n: int
    """Independent answers: of several answers an item so many as they are worth."""
    text: str
    by_luck: float
    """The chance of evidence at least this good if the truth lay exactly on the threshold."""


def policy_hash(policy: GatePolicy) -> str:
    """Identity of the policy: a verdict decided under another one is stale."""
    return section_hash(policy)[:16]


def decide(
    name: str,
    policy: GatePolicy,
    report: BenchmarkReport,
    *,
    subject: str,
    subject_hash: str,
    paired: Paired | None = None,
    items: int | None = None,
    scorer_now: str | None = None,
) -> GateVerdict:
    """Judge ``report`` by ``policy``.

    Args:
        paired: the outcomes beside those of ``policy.against``; a paired gate without them is inconclusive.
        items: how many answers the suite asks for, items times samples; None where nobody knows.
        scorer_now: the scorer's version of now; None where staleness is the reader's business.
    """
    measured = _measured(policy, report, paired)
    problem = _problem(policy, report, paired, items, scorer_now)
    verdict: Verdict = "inconclusive"
    verdict, reason = (verdict, problem) if problem else _judge(policy, measured)
    return GateVerdict(
        name=name,
        subject=subject,
        subject_hash=subject_hash,
        verdict=verdict,
        measured=measured.value if measured else None,
        threshold=policy.threshold,
        n=measured.n if measured else 0,
        interval=measured.interval if measured else None,
        reason=reason,
        scorer_version=report.scorer_version,
        policy_hash=policy_hash(policy),
        against_hash=paired.against_hash if paired and policy.against else None,
    )


def measure_rate(
    policy: GatePolicy, count: int, n: int, effective: float | None = None
) -> Measured:
    """``count`` of ``n`` as an absolute gate sees it; several answers to an item are worth ``effective`` independent ones."""
    rate, worth = count / n, n if effective is None else effective
    interval = wilson_rate(rate, worth, policy.confidence)
    several = "" if effective is None else f" answers, worth {worth:.0f} independent ones"
    text = f"{rate:.1%} ({count} of {n}{several}), {_interval(interval, policy, '.1%')}"
    upper, whole = policy.direction == "at_least", floor(worth)
    like = count if effective is None else floor(rate * whole) if upper else ceil(rate * whole)
    by_luck = binomial_tail(like, whole, policy.threshold, upper=upper)
    return Measured(rate, interval, whole, text, by_luck)


def measure_pair(policy: GatePolicy, paired: Paired) -> Measured:
    """A pair of models as a paired gate sees it: the difference, second minus first, with Newcombe's interval."""
    difference, interval, p = paired.difference, paired.interval(policy.confidence), paired.p
    several = f" answers to {len(paired.tasks)} items" if paired.tasks else ""
    test = "exact randomisation test" if paired.tasks else "exact McNemar"
    text = (
        f"{difference:+.1%} against {policy.against} ({paired.gained} gained, {paired.lost} lost of {paired.n}{several}, "
        f"{test} p = {p:.2g}), {_interval(interval, policy, '+.1%')}"
    )
    n = len(paired.tasks) or paired.n
    return Measured(difference, interval, n, text, p if policy.threshold == 0 else 0.0)


def _interval(interval: Interval, policy: GatePolicy, form: str) -> str:
    return f"{policy.confidence:.0%} interval {interval.low:{form}} to {interval.high:{form}}"


def _measured(
    policy: GatePolicy, report: BenchmarkReport, paired: Paired | None
) -> Measured | None:
    if policy.against:
        return measure_pair(policy, paired) if paired and paired.n else None
    pass_at_1 = policy.metric == "pass_at_1"
    if pass_at_1:
        return measure_rate(policy, report.passed, report.n, report.effective) if report.n else None
    count, n = report.syntax_passed, report.syntax_n
    return measure_rate(policy, count, n, report.syntax_effective) if n else None


def _problem(
    policy: GatePolicy,
    report: BenchmarkReport,
    paired: Paired | None,
    items: int | None,
    scorer_now: str | None,
) -> str | None:
    """Why the evidence decides nothing, or None."""
    answered = report.n + report.infra
    if scorer_now is not None and report.scorer_version != scorer_now:
        return f"stale: scored by {report.scorer_version}, the scorer is now {scorer_now}: score the stored answers again"
    if items is not None and answered != items:
        return f"void: {answered} of {items} items were answered; a gate judges all of them or none"
    if _measured(policy, report, paired) is None:
        infra = report.infra if not policy.against or paired is None else paired.infra
        missing = (
            f"no report of {policy.against} to compare with"
            if policy.against and paired is None
            else None
        )
        return f"{missing or f'nothing was scored ({infra} infrastructure outcomes)'}: no evidence is not a pass"
    infra, total = (
        (paired.infra, paired.n + paired.infra)
        if policy.against and paired
        else (report.infra, answered)
    )
    if total and infra / total > policy.max_infra_share:
        return f"void: {infra / total:.1%} infrastructure outcomes, at most {policy.max_infra_share:.1%} allowed"
    return f"void: {paired.void}" if policy.against and paired and paired.void else None


def _judge(policy: GatePolicy, measured: Measured | None) -> tuple[Verdict, str]:
    assert measured is not None
    verdict, said = verdict_of(policy, measured), f"{measured.text}; {rule(policy)}"
    if verdict != "inconclusive":
        return verdict, said
    if _clears(policy, measured):
        return (
            verdict,
            f"{said}; luck alone does as well in {measured.by_luck:.0%} of cases: too few items",
        )
    return verdict, f"{said}; {_more(policy, measured)}"


def verdict_of(policy: GatePolicy, measured: Measured) -> Verdict:
    """The decision alone: what ``simulation`` asks ten thousand times."""
    low, high = _bounds(policy, measured)
    fails = high < policy.threshold if policy.direction == "at_least" else low > policy.threshold
    if fails:
        return "fail"
    lucky = policy.decide_on == "interval" and measured.by_luck > 1 - policy.confidence
    return "pass" if _clears(policy, measured) and not lucky else "inconclusive"


def _bounds(policy: GatePolicy, measured: Measured) -> tuple[float, float]:
    if policy.decide_on == "point":
        return measured.value, measured.value
    return measured.interval.low, measured.interval.high


def _clears(policy: GatePolicy, measured: Measured) -> bool:
    low, high = _bounds(policy, measured)
    if policy.against and policy.threshold == 0 and policy.decide_on == "interval":
        # An interval that ends at nothing shows nothing: a gain is more than zero.
        return low > 0 if policy.direction == "at_least" else high < 0
    return low >= policy.threshold if policy.direction == "at_least" else high <= policy.threshold


def rule(policy: GatePolicy) -> str:
    """The policy in words."""
    what = "Pass@1" if policy.metric == "pass_at_1" else "syntax rate"
    bound = "at least" if policy.direction == "at_least" else "at most"
    how = "whole interval" if policy.decide_on == "interval" else "point estimate"
    if policy.against:
        subject, amount = (
            f"{what} on {policy.suite} minus that of {policy.against}",
            f"{policy.threshold:+.0%}",
        )
    else:
        subject, amount = f"{what} on {policy.suite}", f"{policy.threshold:.0%}"
    return f"rule: {subject} {bound} {amount}, decided on the {how}"


def _more(policy: GatePolicy, measured: Measured) -> str:
    if policy.against:
        needed = _paired_items(policy, measured)
    else:
        needed = items_to_decide(measured.value, policy.threshold, policy.confidence)
    if needed is None or needed <= measured.n:
        return "the rate sits on the threshold: more items would not decide"
    return f"needs about {needed - measured.n} more items"


def _paired_items(policy: GatePolicy, measured: Measured) -> int | None:
    """The interval narrows with the root of n: how many items until the nearer end is at the threshold."""
    distance = abs(measured.value - policy.threshold)
    high = measured.value < policy.threshold
    reach = (
        measured.interval.high - measured.value if high else measured.value - measured.interval.low
    )
    return int(measured.n * (reach / distance) ** 2) + 1 if distance > 1e-9 else None
