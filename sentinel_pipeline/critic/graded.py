"""What a graded judgement is: parts that can be logged one by one, a credit for a reward, and a
reason for a benchmark.

What this module does not do: score.
"""

from __future__ import annotations

from typing import NamedTuple


class Graded(NamedTuple):
    """``problem`` is None exactly when everything is right; then ``credit`` is 1. ``credit`` and
    all ``parts`` are in [0, 1]."""

    parts: dict[str, float]
    credit: float
    problem: str | None
