"""How fast this machine computes now, against a reference machine, so that a limit of CPU time
means the same work on every day.

A core that shares its caches, its clock or its hardware with neighbours takes up to twice the CPU
time for the same program. A fixed piece of work is timed where a sample runs: at the start of each
process that holds samples, and again where a program reaches its limit. What this module does not
do: make a limit shorter on a faster machine, or correct for how long input and output take.
"""

from __future__ import annotations

import time
from functools import cache

REFERENCE_SECONDS = 1.0e-3
"""CPU time of ``_work`` on the reference machine: a core of a server of 2023 on its own."""
SLOWEST = 3.0
"""A machine that is slower than this needs higher limits in its recipe: no program may use the
machine for much longer than its limits say."""
MARGIN = 1.1
"""How far beyond its limit a program may come before it is ended. One that finishes in between is
near its limit, and runs once more without neighbours."""
_TIMES = 5


def slowness() -> float:
    """How many times longer than on the reference machine this process computes now: 1 to
    ``SLOWEST``. Takes some 10 ms of CPU time; the quickest of a few trials counts."""
    best = min(_timed() for _ in range(_TIMES))
    return min(SLOWEST, max(1.0, best / REFERENCE_SECONDS))


@cache
def at_start() -> float:
    """``slowness`` when this process first asked."""
    return slowness()


def _timed() -> float:
    started = time.process_time()
    _work()
    return time.process_time() - started


def _work() -> int:
    """Integers, texts and dictionaries, as programs use them."""
    total = 0
    texts: dict[int, str] = {}
    for number in range(12_000):
        total = (total * 31 + number) & 0xFFFFFF
        texts[total & 255] = str(number)
    return len(texts)
