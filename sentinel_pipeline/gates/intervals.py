"""Intervals beside Wilson's: exact, for differences, and by resampling; checked in tests against
SciPy, statsmodels and tables.

What this module does not do: decide. NumPy and SciPy are imported late. No evidence is an error,
never an interval.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt

from ..records import Interval
from .statistics import check_counts, wilson


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """The exact interval for ``k`` successes of ``n``: coverage is never below ``confidence``
    (Clopper and Pearson 1934).

    Raises:
        ValueError: ``n`` is 0, or ``k`` is outside 0..n.
    """
    from scipy.special import betaincinv

    check_counts(k, n)
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return Interval(low, high, confidence)


def newcombe(k2: int, n2: int, k1: int, n1: int, confidence: float = 0.95) -> Interval:
    """Interval of the difference of two *independent* proportions, second minus first (Newcombe
    1998, method 10: hybrid score).

    Raises:
        ValueError: impossible counts.
    """
    second = wilson(k2, n2, confidence)
    first = wilson(k1, n1, confidence)
    p2 = k2 / n2
    p1 = k1 / n1
    below = sqrt((p2 - second.low) ** 2 + (first.high - p1) ** 2)
    above = sqrt((second.high - p2) ** 2 + (p1 - first.low) ** 2)
    return Interval(max(-1.0, p2 - p1 - below), min(1.0, p2 - p1 + above), confidence)


def bootstrap_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    confidence: float = 0.95,
    draws: int = 2_000,
    seed: int = 17,
) -> Interval:
    """Percentile interval of the mean paired difference, second minus first, by resampling pairs
    (Efron 1979).

    With ``clusters`` (one label a pair: the conversation of a turn, the composition of a task)
    whole clusters are drawn: items of one cluster are not independent, and an interval that takes
    them so is too narrow (Miller 2024, arXiv:2411.00640, section 2.2).

    Raises:
        ValueError: no pair, or sequences of different lengths.
    """
    import numpy

    if (
        not first
        or len(first) != len(second)
        or (clusters is not None and len(clusters) != len(first))
    ):
        raise ValueError(
            "expected as many scores and clusters on both sides, at least one: no evidence has no interval"
        )
    labels = range(len(first)) if clusters is None else clusters
    places = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    index = numpy.fromiter((places[label] for label in labels), dtype=numpy.int64, count=len(first))
    differences = numpy.asarray(second, dtype=float) - numpy.asarray(first, dtype=float)
    sums = numpy.bincount(index, weights=differences)
    sizes = numpy.bincount(index)
    random = numpy.random.default_rng(seed)
    means = numpy.empty(draws)
    for start in range(0, draws, 256):
        counts = random.multinomial(
            len(sums), numpy.full(len(sums), 1 / len(sums)), size=min(256, draws - start)
        )
        means[start : start + len(counts)] = counts @ sums / (counts @ sizes)
    low, high = numpy.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high), confidence)
