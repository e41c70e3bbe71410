"""Planning: what a number of items can show, exactly, before anything is answered.

The tests are the gates' own: exact McNemar for two models on the same items. SciPy is imported
late. What this module does not do: simulate (``simulation`` does, through the gates' own
decisions).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

MOST_ITEMS = 1_000_000


class Shares(NamedTuple):
    """Of all items: those that only the second model passes, and those that only the first
    passes."""

    gained: float
    lost: float


def shares(first: float, gain: float, lost: float | None = None) -> Shares:
    """Discordant shares for a rate ``first`` that rises by ``gain``.

    Without ``lost`` the two models' answers are taken as independent: models that share an ancestor
    disagree less, so this plans for the worst of the plausible.

    Raises:
        ValueError: the rates leave [0, 1], or ``lost`` is impossible with them.
    """
    second = first + gain
    if not (0 <= first <= 1 and 0 <= second <= 1):
        raise ValueError(
            f"rate {first:g} with a gain of {gain:g}: expected both rates within [0, 1]"
        )
    lost = first * (1 - second) if lost is None else lost
    if not max(0.0, -gain) - 1e-12 <= lost <= min(first, 1 - second) + 1e-12:
        raise ValueError(
            f"lost {lost:g}: expected {max(0.0, -gain):g} to {min(first, 1 - second):g} with these rates"
        )
    return Shares(gain + lost, lost)


def mcnemar_power(n: int, of: Shares, alpha: float = 0.05) -> float:
    """The chance that exact two-sided McNemar at ``alpha`` finds the second model better on ``n``
    items: summed over all outcomes.

    Raises:
        ValueError: no item, or shares that are negative or sum to more than 1.
    """
    import numpy
    from scipy.stats import binom

    discordant = of.gained + of.lost
    if n < 1 or min(of) < 0 or discordant > 1 + 1e-12:
        raise ValueError(
            f"{n} items with shares {of.gained:g} and {of.lost:g}: expected n >= 1 and shares within [0, 1]"
        )
    if discordant == 0:
        return 0.0
    m = numpy.arange(n + 1)
    enough = binom.isf(
        alpha / 2, m, 0.5
    )  # more gains than this among m discordant pairs is significant
    return float(
        binom.pmf(m, n, min(1.0, discordant)) @ binom.sf(enough, m, of.gained / discordant)
    )


def items_needed(of: Shares, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """The number of items from which ``mcnemar_power`` stays at ``power``, to within its saw-teeth;
    None beyond a million."""
    return _first(lambda n: mcnemar_power(n, of, alpha) >= power, MOST_ITEMS)


def detectable_gain(
    n: int, first: float, power: float = 0.8, alpha: float = 0.05, lost: float | None = None
) -> float | None:
    """The smallest gain over ``first``, to a tenth of a point, that ``n`` items show with
    ``power``; None where none is."""
    tenths = _first(
        lambda tenth: _shows(n, first, tenth / 1000, power, alpha, lost), round((1 - first) * 1000)
    )
    return None if tenths is None else tenths / 1000


def _shows(
    n: int, first: float, gain: float, power: float, alpha: float, lost: float | None
) -> bool:
    try:
        of = shares(first, gain, lost)
    except ValueError:  # so many losses leave no room for so large a gain
        return False
    return mcnemar_power(n, of, alpha) >= power


def _first(holds: Callable[[int], bool], most: int) -> int | None:
    """The smallest of 1..most for which ``holds``, taken as monotone."""
    high = 1
    while high < most and not holds(high):
        high = min(2 * high, most)
    if most < 1 or not holds(high):
        return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
