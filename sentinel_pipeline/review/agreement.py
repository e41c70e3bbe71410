"""Cohen's kappa with its interval: do two raters agree beyond what chance would give them?

What this module does not do: decide what is enough. With one category on both sides kappa is undefined: None, never 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple


class Agreement(NamedTuple):
    """Two raters on the same ``n`` items."""

    n: int
    agreed: float | None
    """Share of items on which they agree."""
    kappa: float | None
    low: float | None
    high: float | None


def agreement(pairs: Sequence[tuple[str, str]], confidence: float = 0.95) -> Agreement:
    """Cohen's kappa (Cohen 1960) with its large-sample interval (Fleiss, Cohen and Everitt 1969), clipped to [-1, 1].

    At perfect agreement the large-sample variance is 0, which says nothing about few items: then the lower bound is that of
    an agreement whose rate is Wilson's lower bound for ``n`` of ``n``.
    """
    n = len(pairs)
    if n == 0:
        return Agreement(0, None, None, None, None)
    both = Counter(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    names = sorted(first.keys() | second.keys())
    observed = sum(both[name, name] for name in names) / n
    chance = sum(first[name] * second[name] for name in names) / n**2
    if chance == 1:
        return Agreement(n, observed, None, None, None)
    kappa = (observed - chance) / (1 - chance)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    if observed == 1:
        return Agreement(n, 1.0, 1.0, (n / (n + z * z) - chance) / (1 - chance), 1.0)
    half = z * sqrt(max(0.0, _variance(both, first, second, names, n, observed, chance)))
    return Agreement(n, observed, kappa, max(-1.0, kappa - half), min(1.0, kappa + half))


def _variance(
    both: Counter[tuple[str, str]],
    first: Counter[str],
    second: Counter[str],
    names: list[str],
    n: int,
    observed: float,
    chance: float,
) -> float:
    kappa = (observed - chance) / (1 - chance)
    a = sum(both[k, k] / n * (1 - (first[k] + second[k]) / n * (1 - kappa)) ** 2 for k in names)
    b = (1 - kappa) ** 2 * sum(
        both[i, j] / n * ((first[j] + second[i]) / n) ** 2 for i in names for j in names if i != j
    )
    c = (kappa - chance * (1 - kappa)) ** 2
    return (a + b - c) / (n * (1 - chance) ** 2)
