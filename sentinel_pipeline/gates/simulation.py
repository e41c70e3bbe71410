"""A gate's own error rates: its decision asked again and again about reports drawn from a known
truth.

The decisions are ``policies``' own, not a formula about them: what is printed is what the gate
does. Draws are vectorised and equal counts are decided once. What this module does not do: decide
about a report.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from ..rates import percent
from ..records.gate_spec import GatePolicy
from .measured import Measured, Paired, measure_pair, measure_rate, measure_reward
from .policies import verdict_of
from .reward import RewardPolicy
from .statistics import effective_samples

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


class Promise(NamedTuple):
    """What a gate keeps of what it promises in one cell: a number of items and a true rate."""

    promoted: float
    """Chance of a pass where the truth is the threshold."""
    covered: float
    """Chance that the interval holds the truth."""


def promise(policy: GatePolicy, n: int) -> Promise:
    """Both for an absolute gate whose truth is its threshold, one answer an item, exactly: summed
    over all counts that can come out."""
    from scipy.stats import binom

    promoted = 0.0
    covered = 0.0
    chances = binom.pmf(range(n + 1), n, policy.threshold).tolist()
    for count, chance in enumerate(chances):
        if chance < 1e-9:
            continue
        measured = measure_rate(policy, count, n)
        promoted += chance * (verdict_of(policy, measured) == "pass")
        low, high = (measured.interval or (0.0, 1.0))[:2]
        covered += chance * (low <= policy.threshold <= high)
    return Promise(promoted, covered)


def promise_of_tasks(
    policy: GatePolicy, tasks: int, samples: int, alike: float, *, reports: int, seed: int = 17
) -> Promise:
    """Both where each of ``tasks`` items is answered ``samples`` times and answers to one item
    correlate by ``alike``: items are as hard as a beta distribution says."""
    import numpy

    random = numpy.random.default_rng(seed)
    scale = (1 - alike) / alike
    truth = policy.threshold
    rates = random.beta(truth * scale, (1 - truth) * scale, (reports, tasks))
    drawn = random.binomial(samples, rates)
    n = tasks * samples
    promoted = 0
    covered = 0
    for row in drawn.tolist():
        effective = effective_samples([count / samples for count in row], n)
        measured = measure_rate(policy, sum(row), n, effective)
        promoted += verdict_of(policy, measured) == "pass"
        low, high = (measured.interval or (0.0, 1.0))[:2]
        covered += low <= truth <= high
    return Promise(promoted / reports, covered / reports)


class KeptPromise(NamedTuple):
    """How often a GRPO run whose weights truly earn the bar, and no more, passes ``eval_reward``;
    and how often it would by the window that its weights were chosen by."""

    fresh: float
    by_window: float


def promise_of_kept(
    bar: float, items: int, windows: int, *, graded: bool, reports: int, seed: int = 17
) -> KeptPromise:
    """Simulate ``reports`` runs, all of whose windows have the true mean ``bar``: the best of
    ``windows`` is kept, and fresh prompts decide. Rewards are 0 and 1, or, ``graded``, anything in
    between (a beta distribution of the same mean with a third of their variance)."""
    import numpy

    random = numpy.random.default_rng(seed)
    policy = RewardPolicy(threshold=bar, items=items, decoding="{}", report_temperature=1.0)

    def drawn(times: int) -> Any:
        """Rewards of ``items`` prompts, for each of so many windows."""
        if graded:
            return random.beta(2 * bar, 2 * (1 - bar), (times, items))
        return random.binomial(1, bar, (times, items)).astype(float)

    def passes(rewards: Any) -> bool:
        measured = measure_reward(rewards.tolist(), bar, policy.confidence, 0, "")
        return verdict_of(policy, measured) == "pass"

    fresh = 0
    by_window = 0
    for _ in range(reports):
        looks = drawn(windows)
        by_window += passes(looks[looks.mean(axis=1).argmax()])
        fresh += passes(drawn(1)[0])
    return KeptPromise(fresh / reports, by_window / reports)


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
