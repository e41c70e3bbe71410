"""Intervals and exact tests on counts, from their published formulas; checked in tests against
statsmodels and tables.

What this module does not do: decide. Every function is pure, takes counts, and raises on impossible
ones: no evidence (``n = 0``) is an error, never a rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import comb, fsum, sqrt
from statistics import NormalDist

from ..records import Interval


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}: expected within (0, 1)")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def check_counts(k: int, n: int) -> None:
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"{k} of {n}: expected 0 <= k <= n and n >= 1: no evidence has no rate")


def wilson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for ``k`` successes of ``n`` (Wilson 1927).

    Raises:
        ValueError: ``n`` is 0, ``k`` is outside 0..n, or the confidence is outside (0, 1).
    """
    check_counts(k, n)
    return wilson_rate(k / n, n, confidence)


def pass_at_k(n: int, passed: int, k: int) -> float:
    """The probability that at least one of ``k`` samples drawn from ``n`` passes: the unbiased
    estimator, 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv:2107.03374, equation 1).

    Raises:
        ValueError: ``k`` is outside 1..n, or ``passed`` outside 0..n.
    """
    check_counts(passed, n)
    if not 1 <= k <= n:
        raise ValueError(f"k {k}: expected 1 <= k <= {n}, the number of samples")
    ways = comb(n, k)
    return (ways - comb(n - passed, k)) / ways


def wilson_by_task(rates: Sequence[float], samples: int, confidence: float = 0.95) -> Interval:
    """Wilson's interval for the mean of per-task ``rates`` over ``samples`` in all, with their
    effective number (Kish 1965).

    Samples of one task are not independent: they count for one where they agree, and for all of
    them at most. With one sample a task it is ``wilson``.

    Raises:
        ValueError: no rate, one outside [0, 1], or fewer samples than tasks.
    """
    effective = effective_samples(rates, samples)
    return wilson_rate(fsum(rates) / len(rates), effective, confidence)


_ENOUGH = 16
"""Tasks that failed, and as many that passed, from which on they say how alike answers to one task
are."""


def effective_samples(rates: Sequence[float], samples: int) -> float:
    """How many independent samples the ``samples`` behind per-task ``rates`` are worth (Kish 1965):
    one a task where they agree, all of them at most.

    Raises:
        ValueError: no rate, one outside [0, 1], or fewer samples than tasks.
    """
    n = len(rates)
    if not 1 <= n <= samples or not all(0 <= rate <= 1 for rate in rates):
        raise ValueError(
            "expected rates within [0, 1], at least one, each of a sample or more: no evidence has no rate"
        )
    if samples == n:
        return n
    # Near the edges a single task that disagrees with itself says next to nothing about the others:
    # a task that fails and one that passes are added (as Agresti and Caffo add them), with less
    # weight the more tasks failed and passed in fact.
    fewer = min(sum(rate < 1 for rate in rates), sum(rate > 0 for rate in rates))
    weight = max(0.0, 1 - fewer / _ENOUGH)
    m = n + 2 * weight
    p = (fsum(rates) + weight) / m
    spread = fsum((rate - p) ** 2 for rate in rates) + weight * (p**2 + (1 - p) ** 2)
    return min(samples, max(n, p * (1 - p) / (spread / m**2) * n / m)) if spread > 0 else n


def wilson_rate(p: float, effective: float, confidence: float = 0.95) -> Interval:
    """Wilson's interval of a rate that is worth ``effective`` independent samples
    (``effective_samples``).

    Raises:
        ValueError: the rate is outside [0, 1], or less than one sample.
    """
    if not 0 <= p <= 1 or effective < 1:
        raise ValueError(
            f"rate {p} of {effective} samples: expected a rate within [0, 1] and a sample at least"
        )
    low, high = _score_bounds(p, effective, _z(confidence))
    return Interval(0.0 if p == 0 else max(0.0, low), 1.0 if p == 1 else min(1.0, high), confidence)


_MANY = 40.0
"""Independent answers from which on coverage is promised; with fewer, luck is what decides
(``binomial_tail``)."""
_FEW = 3.0
"""Successes, or failures, up to which a bound is the Poisson one."""


def rate_interval(p: float, effective: float, confidence: float = 0.95) -> Interval:
    """``wilson_rate``, wider where at most three successes, or failures, of 40 and more were
    seen: there Wilson's interval covers the truth in as few as 85 % of cases. The bound next to the
    edge is that of Brown, Cai and DasGupta (2001), the other one that of Clopper and Pearson
    (1934).

    Raises:
        ValueError: as ``wilson_rate``.
    """
    from scipy.special import betaincinv, gammaincinv

    low, high, _ = wilson_rate(p, effective, confidence)
    if effective < _MANY:
        return Interval(low, high, confidence)
    passed = p * effective
    failed = effective - passed
    tail = (1 - confidence) / 2
    if 0 < passed <= _FEW + 1e-9:
        low = min(low, float(gammaincinv(passed, 2 * tail)) / effective)
        high = max(high, float(betaincinv(passed + 1, max(failed, 1e-9), 1 - tail)))
    if 0 < failed <= _FEW + 1e-9:
        high = max(high, 1 - float(gammaincinv(failed, 2 * tail)) / effective)
        low = min(low, float(betaincinv(max(passed, 1e-9), failed + 1, tail)))
    return Interval(max(low, 0.0), min(high, 1.0), confidence)


def _score_bounds(p: float, n: float, z: float) -> tuple[float, float]:
    shrink = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z / shrink * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def binomial_tail(k: int, n: int, p: float, *, upper: bool) -> float:
    """P(X >= k), or P(X <= k) without ``upper``, for X ~ Binomial(n, p), by the incomplete beta
    function."""
    from scipy.special import bdtr, bdtrc

    check_counts(k, n)
    if upper:
        return 1.0 if k == 0 else float(bdtrc(k - 1, n, p))
    return float(bdtr(k, n, p))


def binomial_test_less(k: int, n: int) -> Fraction:
    """P(X <= k) for X ~ Binomial(n, 1/2), exact."""
    check_counts(k, n)
    return Fraction(sum(comb(n, i) for i in range(k + 1)), 2**n)


def mcnemar_exact(gained: int, lost: int) -> float:
    """Exact two-sided McNemar on the discordant pairs: a binomial test of ``gained`` against 1/2
    (McNemar 1947).

    Without a discordant pair there is no evidence of a difference: p = 1.

    Raises:
        ValueError: a count is negative.
    """
    if gained < 0 or lost < 0:
        raise ValueError(f"discordant counts {gained} and {lost}: expected none negative")
    if gained + lost == 0:
        return 1.0
    return min(1.0, 2 * binomial_tail(min(gained, lost), gained + lost, 0.5, upper=False))


def newcombe_paired(
    both: int, gained: int, lost: int, neither: int, confidence: float = 0.95
) -> Interval:
    """Interval of the difference of two *paired* proportions, second minus first (Newcombe 1998,
    method 10).

    ``both``/``neither``: items that both models pass/fail; ``gained``: only the second passes;
    ``lost``: only the first.

    Raises:
        ValueError: a count is negative or all are 0.
    """
    n = both + gained + lost + neither
    if n == 0 or min(both, gained, lost, neither) < 0:
        raise ValueError(
            f"table {both}/{gained}/{lost}/{neither}: expected counts >= 0 and at least one item"
        )
    second = wilson(both + gained, n, confidence)
    first = wilson(both + lost, n, confidence)
    p2 = (both + gained) / n
    p1 = (both + lost) / n
    phi = _phi(both, gained, lost, neither)
    below = sqrt(
        max(
            0.0,
            (p2 - second.low) ** 2
            - 2 * phi * (p2 - second.low) * (first.high - p1)
            + (first.high - p1) ** 2,
        )
    )
    above = sqrt(
        max(
            0.0,
            (second.high - p2) ** 2
            - 2 * phi * (second.high - p2) * (p1 - first.low)
            + (p1 - first.low) ** 2,
        )
    )
    return Interval(max(-1.0, p2 - p1 - below), min(1.0, p2 - p1 + above), confidence)


def _phi(both: int, gained: int, lost: int, neither: int) -> float:
    """Newcombe's correlation of the pair, continuity-corrected where positive; 0 where a margin is
    empty."""
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    numerator = float(both * neither - gained * lost)
    if numerator > 0:
        numerator = max(0.0, numerator - (both + gained + lost + neither) / 2)
    return numerator / sqrt(margins)


def items_to_decide(
    rate: float, threshold: float, confidence: float = 0.95, most: int = 1_000_000
) -> int | None:
    """How many items a Wilson interval around exactly ``rate`` needs to lie on one side of
    ``threshold``.

    None when the rate sits on the threshold, or more than ``most`` would be needed.
    """

    z = _z(confidence)

    def decided(n: int) -> bool:
        low, high = _score_bounds(rate, n, z)
        return low >= threshold or high < threshold

    if not decided(most):
        return None
    low = 1
    high = most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle + 1, high)
    return low
