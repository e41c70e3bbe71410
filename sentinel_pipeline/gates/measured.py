"""What a gate, a decision point or a rule looks at: one measurement, made from a report, a pair of
models, a window or a curve.

A measurement says by itself whether it is evidence: every item answered, fresh, few infrastructure
outcomes and, where two models are compared, not explained by an artifact; else it is void, whatever
the numbers say. What this module does not do: decide (``policies``, ``decisions``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, hypot
from typing import Literal, NamedTuple

from ..rates import percent
from ..records import BenchmarkReport, Interval, PairedComparison
from ..records.gate_spec import GatePolicy
from ..records.window import Window
from .clustered import TaskPair, mean_difference, paired_by_task, randomisation_p
from .statistics import binomial_tail, mcnemar_exact, newcombe_paired, rate_interval

Kind = Literal["rate", "paired difference", "mean reward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measurement: a value with its interval, on how many items, and why it is not evidence,
    where it is not."""

    metric: str
    """``pass_at_1``, ``syntax_rate``, ``gain``, or a curve's name: ``eval/mean_reward``."""
    value: float | None
    """None where nothing was scored: no evidence is not zero."""
    interval: Interval | None
    n: int
    """Independent answers: of several answers an item so many as they are worth."""
    kind: Kind = "rate"
    text: str = ""
    """The numbers in words."""
    by_luck: float = 0.0
    """The chance of evidence at least this good if the truth lay exactly on the policy's threshold;
    0 where none is computed."""
    void: str | None = None
    """Why it decides nothing; None where it is evidence."""


def difference(later: Measured, earlier: Measured) -> Measured | None:
    """The later value less the earlier one, both taken as independent, which is too wide where they
    share items and never too narrow; None where one of them was not measured."""
    if later.value is None or later.interval is None:
        return None
    if earlier.value is None or earlier.interval is None:
        return None
    value = later.value - earlier.value
    half = (
        hypot(
            later.interval.high - later.interval.low, earlier.interval.high - earlier.interval.low
        )
        / 2
    )
    return replace(
        later, value=value, interval=Interval(value - half, value + half), n=min(later.n, earlier.n)
    )


class Paired(NamedTuple):
    """Both models' outcomes on the same items, as counts; items that infrastructure left open on
    either side are apart.

    Of several answers an item the counts are answers, and ``tasks`` says which belong together.
    """

    both: int
    gained: int
    """Items that only the judged model passes."""
    lost: int
    """Items that only the other model passes."""
    neither: int
    infra: int = 0
    void: str | None = None
    """Why the difference is not evidence: an artifact explains it."""
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


def measure_report(
    policy: GatePolicy,
    report: BenchmarkReport,
    *,
    paired: Paired | None = None,
    items: int | None = None,
    scorer_now: str | None = None,
) -> Measured:
    """What ``policy`` looks at in ``report``: a rate, or with ``policy.against`` the paired
    difference.

    Args:
        paired: the outcomes beside those of ``policy.against``; a paired gate without them has no
            evidence.
        items: how many answers the suite asks for, items times samples; None where nobody knows.
        scorer_now: the current scorer version; None where staleness is the reader's business.
    """
    answered = report.n + report.infra
    infra = report.infra
    total = answered
    measured: Measured | None = None
    artifact = None
    missing = None
    if policy.against:
        if paired is None:
            missing = f"no report of {policy.against} to compare with"
        else:
            infra = paired.infra
            total = paired.n + paired.infra
            artifact = paired.void
            measured = measure_pair(policy, paired) if paired.n else None
            if measured is None and paired.void:
                missing = f"void: {paired.void}"
    elif policy.metric == "pass_at_1":
        if report.n:
            measured = measure_rate(policy, report.passed, report.n, report.effective)
    elif report.syntax_n:
        measured = measure_rate(
            policy, report.syntax_passed, report.syntax_n, report.syntax_effective
        )
    void: str | None = None
    if scorer_now is not None and report.scorer_version != scorer_now:
        void = (
            f"stale: scored by {report.scorer_version}, the scorer is now {scorer_now}: "
            "score the stored answers again"
        )
    elif items is not None and answered != items:
        void = f"void: {answered} of {items} items were answered; a gate decides on all of them or none"
    elif measured is None:
        void = _nothing(infra, missing)
    else:
        void = _too_much_infra(policy, infra, total) or _too_little_trust(policy, report)
        if void is None and artifact:
            void = f"void: {artifact}"
    if measured is None:
        return Measured(metric=policy.metric, value=None, interval=None, n=0, void=void)
    return replace(measured, void=void)


def report_rates(report: BenchmarkReport) -> dict[str, Measured]:
    """A report's two rates with the intervals that stand in it, as a decision point asks for
    them."""
    return {
        "pass_at_1": Measured(
            metric="pass_at_1", value=report.pass_at_1, interval=report.interval, n=report.n
        ),
        "syntax_rate": Measured(
            metric="syntax_rate",
            value=report.syntax_rate,
            interval=report.syntax_interval,
            n=report.syntax_n,
        ),
    }


def measure_gain(comparison: PairedComparison) -> Measured:
    """The paired difference in Pass@1 to the stage before, as a decision point asks for it."""
    return Measured(
        metric="gain",
        kind="paired difference",
        value=comparison.difference,
        interval=comparison.interval,
        n=comparison.n,
    )


def measure_window(policy: GatePolicy, window: Window) -> Measured:
    """The rate that ``policy`` looks at in a window; a window is one look of its own, however many
    others there are."""
    if policy.metric == "pass_at_1":
        passed = window.passed
        n = window.n
    else:
        passed = round((window.syntax_rate or 0.0) * window.syntax_n)
        n = window.syntax_n
    if not n:
        nothing = _nothing(window.infra)
        return Measured(metric=policy.metric, value=None, interval=None, n=0, void=nothing)
    void = _too_much_infra(policy, window.infra, window.n + window.infra)
    return replace(measure_rate(policy, passed, n), void=void)


def measure_rate(
    policy: GatePolicy, count: int, n: int, effective: float | None = None
) -> Measured:
    """``count`` of ``n`` as an absolute gate sees it; several answers to an item are worth
    ``effective`` independent ones."""
    rate = count / n
    worth = n if effective is None else effective
    interval = rate_interval(rate, worth, policy.confidence)
    several = "" if effective is None else f" answers, worth {worth:.0f} independent ones"
    # The exact test wants whole counts: of so many independent answers, as many passes as are
    # surely not more than were seen (not fewer, where the rate must stay below the threshold).
    upper = policy.direction == "at_least"
    whole = floor(worth)
    like = count
    if effective is not None:
        like = floor(rate * whole) if upper else ceil(rate * whole)
    return Measured(
        metric=policy.metric,
        value=rate,
        interval=interval,
        n=whole,
        text=f"{percent(rate)} ({count} of {n}{several}), {_interval(interval, policy)}",
        by_luck=binomial_tail(like, whole, policy.threshold, upper=upper),
    )


def measure_pair(policy: GatePolicy, paired: Paired) -> Measured:
    """A pair of models as a paired gate sees it: the difference, second minus first, with
    Newcombe's interval."""
    difference = paired.difference
    interval = paired.interval(policy.confidence)
    p = paired.p
    several = f" answers to {len(paired.tasks)} items" if paired.tasks else ""
    test = "exact randomisation test" if paired.tasks else "exact McNemar"
    return Measured(
        metric=policy.metric,
        kind="paired difference",
        value=difference,
        interval=interval,
        n=len(paired.tasks) or paired.n,
        text=(
            f"{percent(difference, signed=True)} against {policy.against} "
            f"({paired.gained} gained, {paired.lost} lost of {paired.n}{several}, "
            f"{test} p = {p:.2g}), {_interval(interval, policy, signed=True)}"
        ),
        by_luck=_pair_by_luck(policy, paired),
    )


def _pair_by_luck(policy: GatePolicy, paired: Paired) -> float:
    """The chance of a difference at least this good if the truth lay on the threshold: exact for no
    difference; for another one the case in which the models differ on as few items as that allows,
    where the interval promises too much."""
    if policy.threshold == 0:
        return paired.p
    n = len(paired.tasks) or paired.n
    sign = 1 if policy.direction == "at_least" else -1
    net = round(sign * paired.difference * n, 9)
    threshold = sign * policy.threshold
    if threshold < 0:
        lost = ceil(-net)
        return binomial_tail(lost, n, -threshold, upper=False) if lost >= 0 else 0.0
    gained = floor(net)
    return binomial_tail(gained, n, threshold, upper=True) if gained >= 0 else 1.0


def measure_reward(
    rewards: Sequence[float], threshold: float, confidence: float, step: int | None, how: str
) -> Measured:
    """The mean reward of the weights of ``step`` on fresh prompts, one answer each, drawn as
    ``how`` says.

    The interval is that of a rate with the mean in the rate's place: exact for rewards of 0 and 1,
    wide for others, whose spread is smaller.
    """
    n = len(rewards)
    if not n:
        void = "no fresh prompt was scored with the kept weights: no evidence is not a pass"
        return Measured(
            metric="mean_reward", kind="mean reward", value=None, interval=None, n=0, void=void
        )
    mean = sum(rewards) / n
    interval = rate_interval(mean, n, confidence)
    return Measured(
        metric="mean_reward",
        kind="mean reward",
        value=mean,
        interval=interval,
        n=n,
        text=(
            f"mean reward {mean:.3f} [{interval.low:.3f}, {interval.high:.3f}] on {n} fresh prompts, "
            f"{how}, by the weights of step {step}"
        ),
        # The exact test wants a whole count: not more than was earned.
        by_luck=binomial_tail(floor(sum(rewards) + 1e-6), n, threshold, upper=True),
    )


def _nothing(infra: int, missing: str | None = None) -> str:
    what = missing or f"nothing was scored ({infra} infrastructure outcomes)"
    return f"{what}: no evidence is not a pass"


def _too_much_infra(policy: GatePolicy, infra: int, total: int) -> str | None:
    if not total or infra / total <= policy.max_infra_share:
        return None
    share = infra / total
    return f"void: {percent(share)} infrastructure outcomes, at most {percent(policy.max_infra_share)} allowed"


def _too_little_trust(policy: GatePolicy, report: BenchmarkReport) -> str | None:
    apart = 1 - report.shared / report.n if report.n else 1.0
    if apart >= policy.require_trust:
        return None
    return (
        f"void: {percent(apart)} of the verdicts come of tests apart from the program, "
        f"at least {percent(policy.require_trust)} are required"
    )


def _interval(interval: Interval, policy: GatePolicy, *, signed: bool = False) -> str:
    low = percent(interval.low, signed=signed)
    high = percent(interval.high, signed=signed)
    return f"{percent(policy.confidence, 0)} interval {low} to {high}"
