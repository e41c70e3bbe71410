"""Sizes of effects, several tests at once, and agreement of two raters.

What this module does not do: decide what is large enough; a recipe's policy says that.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import asin, sqrt
from typing import NamedTuple, TypeVar

from ..records import Interval
from .statistics import wilson_by_task

K = TypeVar("K", bound=Hashable)


def cohens_h(second: float, first: float) -> float:
    """The difference of two proportions on the arcsine scale, signed: 0.2 is small, 0.5 medium, 0.8
    large (Cohen 1988, ch. 6).

    Raises:
        ValueError: a proportion is outside [0, 1].
    """
    if not (0 <= first <= 1 and 0 <= second <= 1):
        raise ValueError(f"proportions {first} and {second}: expected both within [0, 1]")
    return 2 * asin(sqrt(second)) - 2 * asin(sqrt(first))


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """Adjusted p-values that hold the chance of *any* false discovery at alpha (Holm 1979), under
    the same keys and order.

    Raises:
        ValueError: a value is outside [0, 1] (NaN is).
    """
    if not all(0 <= p <= 1 for p in p_values.values()):
        raise ValueError(f"p-values {list(p_values.values())}: expected each within [0, 1]")
    ordered = sorted(p_values, key=lambda key: p_values[key])
    adjusted: dict[K, float] = {}
    worst = 0.0
    for place, key in enumerate(ordered):
        worst = max(worst, min(1.0, p_values[key] * (len(ordered) - place)))
        adjusted[key] = worst
    return {key: adjusted[key] for key in p_values}


class Kappa(NamedTuple):
    """Agreement beyond chance; ``interval`` is what a licence is decided on."""

    value: float
    interval: Interval
    n: int
    agreement: float
    """Observed share of equal labels."""
    chance: float
    """Share expected if the raters were independent."""


def cohens_kappa(
    first: Sequence[Hashable], second: Sequence[Hashable], confidence: float = 0.95
) -> Kappa | None:
    """Cohen's kappa of two raters over the same items (Cohen 1960); None where one label alone was
    given: it is undefined.

    The interval maps Wilson's for the observed agreement through kappa, as Cohen's own standard
    error does with Wald's; unlike that one it does not collapse to a point when a few items agree
    by luck.

    Raises:
        ValueError: no item, or sequences of different lengths.
    """
    n = len(first)
    if n == 0 or n != len(second):
        raise ValueError(
            f"{n} and {len(second)} labels: expected as many on both sides, at least one"
        )
    labels = set(first) | set(second)
    agreement = sum(a == b for a, b in zip(first, second, strict=True)) / n
    chance = sum((first.count(name) / n) * (second.count(name) / n) for name in labels)
    if chance == 1:
        return None
    low, high, _ = wilson_by_task(
        [float(a == b) for a, b in zip(first, second, strict=True)], n, confidence
    )
    bounds = ((low - chance) / (1 - chance), (high - chance) / (1 - chance))
    return Kappa(
        (agreement - chance) / (1 - chance), Interval(*bounds, confidence), n, agreement, chance
    )
