"""A gate's own error rates: its decision asked again and again about reports drawn from a known
truth.

The decisions are ``policies``' own, not a formula about them: what is printed is what the gate
does. Draws are vectorised and equal counts are decided once. What this module does not do: decide
about a report.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ..rates import percent
from ..records.gate_spec import GatePolicy
from .measured import Measured, Paired, measure_pair, measure_rate
from .policies import verdict_of

REPORTS = 10_000
TYPICAL_DISCORDANCE = 0.3
"""Share of items on which two checkpoints of one model disagree, where nothing has been measured
yet."""


class ErrorRates(NamedTuple):
    """How often the gate passes."""

    n: int
    reports: int
    false_promotions: float
    """Share of passes when the truth lies exactly on the threshold: the worst that must not pass
    (or the least that may)."""
    alpha: float
    """What the policy states for it; a gate that decides on the point estimate states nothing:
    1."""
    power: float
    """Share of passes when the truth lies ``effect`` beyond the threshold."""
    truth: float
    """That truth: a rate, or a difference."""
    discordance: float | None
    """Share of items on which the two models differ, for a paired gate."""

    def text(self) -> str:
        """One line for people."""
        stated = (
            f"at most {percent(self.alpha, 0)} stated"
            if self.alpha < 1
            else "nothing is promised on the point estimate"
        )
        differ = (
            "" if self.discordance is None else f" of which {percent(self.discordance, 0)} differ"
        )
        return (
            f"with {self.n} items{differ}, {self.reports:,} simulated reports: passes by chance {percent(self.false_promotions)} "
            f"({stated}); passes a true {percent(self.truth, 0)} {percent(self.power)} of the time"
        )


@lru_cache(maxsize=256)
def error_rates(
    policy: GatePolicy,
    n: int,
    discordance: float | None = None,
    *,
    reports: int = REPORTS,
    seed: int = 17,
) -> ErrorRates:
    """Simulate ``reports`` decisions of ``policy`` on ``n`` items, at the threshold and at
    ``effect`` beyond it.

    Args:
        discordance: for a paired gate, the share of items on which the two models differ, as
            measured.

    Raises:
        ValueError: no items.
    """
    if n < 1:
        raise ValueError("no items: a gate without evidence has no error rates")
    sign = 1 if policy.direction == "at_least" else -1
    lowest = -1.0 if policy.against else 0.0
    truth = min(1.0, max(lowest, policy.threshold + sign * policy.effect))
    share = TYPICAL_DISCORDANCE if discordance is None else discordance
    null = _passes(policy, n, policy.threshold, share, reports, seed)
    power = _passes(policy, n, truth, share, reports, seed)
    alpha = 1 - policy.confidence if policy.decide_on == "interval" else 1.0
    return ErrorRates(n, reports, null, alpha, power, truth, share if policy.against else None)


def fewest_items(policy: GatePolicy, most: int = 100_000) -> int | None:
    """The smallest number of items on which the best possible answers pass; None where even
    ``most`` do not suffice."""

    def can_pass(n: int) -> bool:
        best = n if policy.direction == "at_least" else 0
        row = [best]
        if policy.against:
            row = [0, best, n - best, 0]
        return verdict_of(policy, _measured(policy, row, n)) == "pass"

    if not can_pass(most):
        return None
    low = 1
    high = most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if can_pass(middle) else (middle + 1, high)
    return low


def _passes(
    policy: GatePolicy, n: int, truth: float, discordance: float, reports: int, seed: int
) -> float:
    import numpy

    random = numpy.random.default_rng(seed)
    if policy.against:
        discordance = min(1.0, max(discordance, abs(truth)))
        gained = (discordance + truth) / 2
        lost = (discordance - truth) / 2
        shares = numpy.array([(1 - discordance) / 2, gained, lost, (1 - discordance) / 2])
        drawn = random.multinomial(n, shares / shares.sum(), size=reports)
    else:
        drawn = random.binomial(n, truth, size=(reports, 1))
    rows, counts = numpy.unique(drawn, axis=0, return_counts=True)
    passed = [
        verdict_of(policy, _measured(policy, [int(count) for count in row], n)) == "pass"
        for row in rows
    ]
    return float(counts[passed].sum() / reports)


def _measured(policy: GatePolicy, row: list[int], n: int) -> Measured:
    return (
        measure_pair(policy, Paired(row[0], row[1], row[2], row[3]))
        if policy.against
        else measure_rate(policy, row[0], n)
    )
