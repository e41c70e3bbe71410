"""How rates are written wherever a person reads: ``73.3 %``, with the interval beside it.

One function for tables, texts, pages and alerts. What this module does not do: compute a rate, or
write JSON, where rates are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

NO_EVIDENCE = "–"


def percent(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """``71.3 %`` (``+71.3 %`` if signed), or ``–`` where nothing was measured."""
    if value is None:
        return NO_EVIDENCE
    number = f"{100 * value:.{digits}f}"
    return f"{'+' if signed and not number.startswith('-') else ''}{number} %"


def with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    """``71.3 % [65.9 %, 76.1 %]``; an interval may carry more than its two bounds."""
    if value is None or interval is None:
        return NO_EVIDENCE
    return f"{percent(value)} [{percent(interval[0])}, {percent(interval[1])}]"


def verdict_words(verdict: str, severity: str) -> str:
    """``pass``, ``fail``, ``inconclusive``; with ``(warns)`` where what did not pass stops
    nothing."""
    return f"{verdict} (warns)" if verdict != "pass" and severity == "warn" else verdict


def difference(value: float, interval: Sequence[float]) -> str:
    """``+2.3 % [+0.4 %, +4.1 %]``."""
    low, high = (percent(bound, signed=True) for bound in interval[:2])
    return f"{percent(value, signed=True)} [{low}, {high}]"
