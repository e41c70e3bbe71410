"""Two models that answered each task several times: answers to one task are not independent, so
tasks are what is compared.

With one answer a task everything here is what ``statistics`` says of counts: Newcombe's interval
and exact McNemar. What this module does not do: decide. Functions are pure and raise on impossible
counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import comb, fsum, lcm, sqrt
from typing import NamedTuple

from ..records import Interval
from .statistics import check_counts, wilson_by_task


class TaskPair(NamedTuple):
    """One task: how many of its ``samples`` answers the first and the second model passed."""

    first: int
    second: int
    samples: int


def mean_difference(tasks: Sequence[TaskPair]) -> float:
    """Of the tasks' rates, second minus first: every task weighs the same.

    Raises:
        ValueError: no task, or impossible counts.
    """
    _check(tasks)
    return fsum((task.second - task.first) / task.samples for task in tasks) / len(tasks)


def paired_by_task(tasks: Sequence[TaskPair], confidence: float = 0.95) -> Interval:
    """Interval of ``mean_difference``: each model's ``wilson_by_task``, put together with the
    correlation of the tasks' rates (Zou and Donner 2008, doi:10.1002/sim.3095; Newcombe's method 10
    is the case of one answer a task).

    Raises:
        ValueError: no task, or impossible counts.
    """
    difference = mean_difference(tasks)
    samples = sum(task.samples for task in tasks)
    first = [task.first / task.samples for task in tasks]
    second = [task.second / task.samples for task in tasks]
    (low1, high1, _), (low2, high2, _) = (
        wilson_by_task(rates, samples, confidence) for rates in (first, second)
    )
    p1 = fsum(first) / len(tasks)
    p2 = fsum(second) / len(tasks)
    shared = 2 * _correlation(first, second)
    below = sqrt(
        max(0.0, (p2 - low2) ** 2 - shared * (p2 - low2) * (high1 - p1) + (high1 - p1) ** 2)
    )
    above = sqrt(
        max(0.0, (high2 - p2) ** 2 - shared * (high2 - p2) * (p1 - low1) + (p1 - low1) ** 2)
    )
    return Interval(max(-1.0, difference - below), min(1.0, difference + above), confidence)


def randomisation_p(tasks: Sequence[TaskPair]) -> float:
    """Exact two-sided p of the summed differences of the tasks' rates, if each sign were tossed
    (Fisher 1935, section 21; Pitman 1937): under the hypothesis that a task is as hard for one
    model as for the other, either's answers could be the other's.

    With one answer a task this is exact McNemar. The distribution is computed, not sampled.

    Raises:
        ValueError: no task, or impossible counts.
    """
    import numpy

    _check(tasks)
    unit = lcm(*(task.samples for task in tasks))
    steps = [(task.second - task.first) * (unit // task.samples) for task in tasks]
    sizes = Counter(abs(step) for step in steps if step)
    # So many units of a size gained, out of so many tasks that differ by it: binomial; sizes are
    # independent.
    chances = numpy.ones(1)
    for size, count in sizes.items():
        mine = numpy.zeros(size * count + 1)
        mine[::size] = [comb(count, k) / 2**count for k in range(count + 1)]
        chances = numpy.convolve(chances, mine)
    gained = sum(step for step in steps if step > 0)
    lost = sum(-step for step in steps if step < 0)
    return min(1.0, 2 * float(chances[max(gained, lost) :].sum()))


def _correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Pearson's, with Newcombe's correction for continuity where it is positive: two tasks that
    agree prove no agreement. 0 where one side does not vary."""
    n = len(first)
    p1 = fsum(first) / n
    p2 = fsum(second) / n
    spread = sqrt(fsum((a - p1) ** 2 for a in first) * fsum((b - p2) ** 2 for b in second)) / n
    together = fsum((a - p1) * (b - p2) for a, b in zip(first, second, strict=True)) / n
    if together > 0:
        together = max(0.0, together - 1 / (2 * n))
    return together / spread if spread > 0 else 0.0


def _check(tasks: Sequence[TaskPair]) -> None:
    if not tasks:
        raise ValueError("no task: no evidence has no difference")
    for task in tasks:
        check_counts(task.first, task.samples)
        check_counts(task.second, task.samples)
