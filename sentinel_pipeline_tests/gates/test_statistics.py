"""Intervals and exact tests against published values and statsmodels."""

from __future__ import annotations

from itertools import combinations
from math import fsum, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.gates.statistics import (
    items_to_decide,
    mcnemar_exact,
    newcombe_paired,
    pass_at_k,
    wilson,
    wilson_by_task,
)
from sentinel_pipeline.records import Interval


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (4, 8, 0.2152, 0.7848),  # the seed's 8-task gate
    ],
)
def test_wilson_gives_the_published_intervals(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n)[:2] == pytest.approx((low, high), abs=5e-5)


@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.8, 0.95, 0.99]),
)
def test_wilson_agrees_with_statsmodels(counts: tuple[int, int], confidence: float) -> None:
    from statsmodels.stats.proportion import proportion_confint

    k, n = counts
    theirs = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
    assert wilson(k, n, confidence)[:2] == pytest.approx(theirs, abs=1e-9)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate(counts: tuple[int, int]) -> None:
    k, n = counts
    low, high, _ = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_raise(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="no evidence has no rate"):
        wilson(k, n)


@given(st.integers(0, 120), st.integers(0, 120))
def test_mcnemar_agrees_with_statsmodels(gained: int, lost: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    theirs = 1.0 if gained + lost == 0 else mcnemar([[5, gained], [lost, 5]], exact=True).pvalue
    assert mcnemar_exact(gained, lost) == pytest.approx(float(theirs), rel=1e-9, abs=1e-300)


def test_mcnemar_of_the_stage_1_findings_counts() -> None:
    assert mcnemar_exact(57, 2) == pytest.approx(6.144e-15, rel=1e-3)


def test_newcombe_gives_the_published_interval() -> None:
    # Newcombe 1998 (paired), method 10, for the table 36, 12, 2, 0.
    interval = newcombe_paired(both=36, gained=12, lost=2, neither=0)
    assert interval[:2] == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(*(st.integers(0, 60) for _ in range(4)))
def test_the_paired_interval_holds_the_difference_and_mirrors(
    both: int, gained: int, lost: int, neither: int
) -> None:
    n = both + gained + lost + neither
    if n == 0:
        with pytest.raises(ValueError, match="at least one item"):
            newcombe_paired(both, gained, lost, neither)
        return
    low, high, _ = newcombe_paired(both, gained, lost, neither)
    assert low - 1e-12 <= (gained - lost) / n <= high + 1e-12
    mirrored = newcombe_paired(both, lost, gained, neither)
    assert mirrored[:2] == pytest.approx((-high, -low))


def test_items_to_decide_is_the_smallest_that_decides() -> None:
    needed = items_to_decide(0.5, 0.40)
    assert needed == 93
    assert wilson(47, 94).low >= 0.40
    assert wilson(46, 92).low < 0.40


def test_a_rate_on_the_threshold_is_never_decided() -> None:
    assert items_to_decide(0.40, 0.40) is None


@given(
    st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))
)
def test_pass_at_k_is_the_share_of_draws_that_hold_a_pass(counts: tuple[int, int, int]) -> None:
    n, passed, k = counts
    draws = list(combinations([True] * passed + [False] * (n - passed), k))
    assert pass_at_k(n, passed, k) == sum(map(any, draws)) / len(draws)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_pass_at_k_grows_with_k_from_the_rate_to_certainty(counts: tuple[int, int]) -> None:
    n, passed = counts
    values = [pass_at_k(n, passed, k) for k in range(1, n + 1)]
    assert values == sorted(values) and values[0] == passed / n
    assert values[-1] == (passed > 0)
    assert all(value == 1 for k, value in enumerate(values, start=1) if k > n - passed)


@given(
    st.integers(2, 60).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(1, n), st.integers(1, n))
    )
)
def test_pass_at_k_grows_with_the_passes(counts: tuple[int, int, int]) -> None:
    n, passed, k = counts
    assert pass_at_k(n, passed - 1, k) <= pass_at_k(n, passed, k)
    if n - passed + 1 >= k:
        assert pass_at_k(n, passed - 1, k) < pass_at_k(n, passed, k)


def test_pass_at_k_of_large_counts_neither_overflows_nor_loses_small_rates() -> None:
    assert pass_at_k(100_000, 1, 1) == 1e-5
    assert pass_at_k(10_000, 1, 100) == 0.01
    assert pass_at_k(10_000, 5_000, 100) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("n", "passed", "k"), [(0, 0, 1), (5, 6, 1), (5, -1, 1), (5, 2, 0), (5, 2, 6)]
)
def test_impossible_counts_have_no_pass_at_k(n: int, passed: int, k: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        pass_at_k(n, passed, k)


Counts = list[tuple[int, int]]
"""(samples, passed) of each task."""
TASKS = st.lists(
    st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    min_size=1,
    max_size=40,
)


def by_task(counts: Counts) -> Interval:
    return wilson_by_task([passed / n for n, passed in counts], sum(n for n, _ in counts))


@given(st.lists(st.booleans(), min_size=1, max_size=400), st.sampled_from([0.8, 0.95, 0.99]))
def test_with_one_sample_a_task_it_is_wilson(passed: list[bool], confidence: float) -> None:
    n = len(passed)
    assert wilson_by_task([float(one) for one in passed], n, confidence) == wilson(
        sum(passed), n, confidence
    )


@given(TASKS)
def test_the_interval_by_task_holds_the_mean(counts: Counts) -> None:
    low, high, _ = by_task(counts)
    assert 0 <= low <= fsum(passed / n for n, passed in counts) / len(counts) <= high <= 1


@given(TASKS)
def test_samples_count_for_one_a_task_at_least_and_for_all_at_most(counts: Counts) -> None:
    rates, total = [passed / n for n, passed in counts], sum(n for n, _ in counts)
    p = fsum(rates) / len(rates)
    widest, narrowest = (width_around(p, n) for n in (len(counts), total))
    low, high, _ = by_task(counts)
    assert narrowest - 1e-12 <= high - low <= widest + 1e-12


def width_around(p: float, n: int) -> float:
    """The width of Wilson's interval around exactly ``p``, by its formula."""
    z2 = 1.959963984540054**2
    return min(1.0, 2 * sqrt(z2) / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n)))


@given(st.integers(1, 30), st.integers(2, 10))
def test_the_interval_is_wider_where_the_samples_of_a_task_agree(pairs: int, half: int) -> None:
    """The same samples and the same mean, one half, in two orders: all or none of a task pass, or
    about half of each."""
    agreeing = [(2 * half, 2 * half), (2 * half, 0)] * pairs
    mixed = [(2 * half, half + 1), (2 * half, half - 1)] * pairs
    once = wilson(pairs, 2 * pairs)
    assert by_task(agreeing)[:2] == pytest.approx(once[:2])
    assert by_task(mixed).high - by_task(mixed).low < once.high - once.low


def test_more_samples_than_were_drawn_are_never_counted() -> None:
    """Four tasks of two samples, of which all but one gave one pass: 5 of 8 is at best what eight
    independent samples tell."""
    assert by_task([(2, 1), (2, 1), (2, 1), (2, 2)])[:2] == pytest.approx(wilson(5, 8)[:2])


@pytest.mark.parametrize(
    ("rates", "samples"),
    [([], 0), ([], 3), ([0.5, 1.0], 1), ([1.1], 1), ([-0.1], 1), ([float("nan")], 1)],
)
def test_impossible_rates_raise(rates: list[float], samples: int) -> None:
    with pytest.raises(ValueError, match="no evidence has no rate"):
        wilson_by_task(rates, samples)
