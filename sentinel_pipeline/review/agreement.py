"""Two raters on the same items: Cohen's kappa of ``gates`` in a form that a table or a page can
show.

What this module does not do: decide what is enough. No item, or one label alone, has no kappa:
None, never 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..gates.effects import cohens_kappa


class Agreement(NamedTuple):
    """Two raters on the same ``n`` items."""

    n: int
    agreed: float | None
    """Share of items on which they agree."""
    kappa: float | None
    low: float | None
    """Bounds of kappa's 95 % interval."""
    high: float | None


def agreement(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Agreement of the first of each pair with the second."""
    n = len(pairs)
    if n == 0:
        return Agreement(0, None, None, None, None)
    agreed = sum(a == b for a, b in pairs) / n
    kappa = cohens_kappa([a for a, _ in pairs], [b for _, b in pairs])
    if kappa is None:
        return Agreement(n, agreed, None, None, None)
    return Agreement(
        n, agreed, kappa.value, max(-1.0, kappa.interval.low), min(1.0, kappa.interval.high)
    )
