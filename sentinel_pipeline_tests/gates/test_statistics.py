"""Intervals and exact tests against published values and statsmodels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.gates.statistics import items_to_decide, mcnemar_exact, newcombe_paired, wilson


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
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99])
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


def test_mcnemar_of_seed_003s_counts() -> None:
    assert mcnemar_exact(57, 2) == pytest.approx(6.144e-15, rel=1e-3)


def test_newcombe_gives_the_published_interval() -> None:
    # Newcombe 1998 (paired), method 10, for the table 36, 12, 2, 0.
    interval = newcombe_paired(both=36, gained=12, lost=2, neither=0)
    assert interval[:2] == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(*(st.integers(0, 60) for _ in range(4)))
def test_the_paired_interval_holds_the_difference_and_mirrors(both: int, gained: int, lost: int, neither: int) -> None:
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
