"""Looking more than once: an error rate spent over the looks, and the bound that each look must
clear.

Four looks at 5 % each are wrong 13 % of the time. A spending function fixes how much of alpha may
be used up by the time that a share ``t`` of the evidence is in (Lan and DeMets 1983); the bounds
follow by numerical integration over the paths that have not stopped yet (Armitage, McPherson and
Rowe 1969). What this module does not do: look, or stop anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from math import e, log, sqrt
from statistics import NormalDist
from typing import Any, Literal

Spending = Literal["obrien_fleming", "pocock"]
_NORMAL = NormalDist()
_POINTS = 201
_NEVER = 8.0
"""A bound in standard deviations that chance clears once in 10^15: where next to nothing may be
spent."""


def spent(t: float, alpha: float, spending: Spending = "obrien_fleming") -> float:
    """How much of ``alpha`` (two-sided) may be spent when the share ``t`` of the evidence is in
    (Lan and DeMets 1983).

    ``obrien_fleming`` spends late: an early look needs overwhelming evidence, the last one hardly
    more than a single test. ``pocock`` spends about evenly.

    Raises:
        ValueError: ``t`` is outside (0, 1], or alpha outside (0, 1).
    """
    if not 0 < t <= 1 or not 0 < alpha < 1:
        raise ValueError(f"t {t}, alpha {alpha}: expected 0 < t <= 1 and 0 < alpha < 1")
    if spending == "pocock":
        return alpha * log(1 + (e - 1) * t)
    # Half of alpha a side, each side spent by 2 - 2 Phi(z / sqrt t): the convention of the
    # published tables.
    return 4 * _NORMAL.cdf(_NORMAL.inv_cdf(alpha / 4) / sqrt(t))


@lru_cache(maxsize=64)
def bounds(
    times: tuple[float, ...], alpha: float = 0.05, spending: Spending = "obrien_fleming"
) -> tuple[float, ...]:
    """The |z| that each look must reach, two-sided, when the looks come at shares ``times`` of the
    evidence.

    Raises:
        ValueError: ``times`` is empty, not rising, or leaves (0, 1].
    """
    import numpy
    from scipy.optimize import brentq
    from scipy.special import ndtr

    if not times or any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError(f"times {times}: expected rising shares of the evidence")
    limits: list[float] = []
    nodes, weights = numpy.polynomial.legendre.leggauss(_POINTS)
    places = numpy.zeros(1)
    density = numpy.ones(1)
    before = 0.0
    used = 0.0
    for t in times:
        more = spent(t, alpha, spending) - used
        width = sqrt(t - before)

        def leaves(
            bound: float, at: Any = places, mass: Any = density, t: float = t, width: float = width
        ) -> float:
            edge = bound * sqrt(t)
            return float(mass @ (ndtr((at - edge) / width) + ndtr((-edge - at) / width)))

        def excess(
            bound: float, leaves: Callable[[float], float] = leaves, more: float = more
        ) -> float:
            return leaves(bound) - more

        limits.append(
            _NEVER if excess(_NEVER) >= 0 else float(brentq(excess, 0.0, _NEVER, xtol=1e-9))
        )
        edge = limits[-1] * sqrt(t)
        step = (nodes[:, None] * edge - places[None, :]) / width
        density = (
            (numpy.exp(-step * step / 2) / (width * sqrt(2 * numpy.pi)) @ density) * weights * edge
        )
        places = nodes * edge
        before = t
        used = used + more
    return tuple(limits)


def look_alphas(
    looks: Sequence[float], alpha: float = 0.05, spending: Spending = "obrien_fleming"
) -> tuple[float, ...]:
    """The two-sided p-value below which each of the planned ``looks`` (steps, items: any rising
    measure) may stop.

    Raises:
        ValueError: no look, or looks that do not rise from above 0.
    """
    if not len(looks) or looks[0] <= 0:
        raise ValueError(f"looks {list(looks)}: expected rising measures above 0")
    times = tuple(look / looks[-1] for look in looks)
    return tuple(2 * _NORMAL.cdf(-bound) for bound in bounds(times, alpha, spending))
