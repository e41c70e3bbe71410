"""Intervals, effects, looks and power: against published tables, other implementations, and
simulation."""

from __future__ import annotations

from math import sqrt
from typing import get_args

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.gates.effects import cohens_h, cohens_kappa, holm
from sentinel_pipeline.gates.intervals import bootstrap_difference, clopper_pearson, newcombe
from sentinel_pipeline.gates.power import detectable_gain, items_needed, mcnemar_power, shares
from sentinel_pipeline.gates.sequential import Spending, bounds, look_alphas, spent
from sentinel_pipeline.gates.statistics import binomial_tail, mcnemar_exact

COUNTS = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, st.sampled_from([0.9, 0.95, 0.99]))
def test_clopper_pearson_agrees_with_scipy(counts: tuple[int, int], confidence: float) -> None:
    from scipy.stats import binomtest

    theirs = binomtest(*counts).proportion_ci(confidence, method="exact")
    assert clopper_pearson(*counts, confidence)[:2] == pytest.approx(
        (theirs.low, theirs.high), abs=1e-9
    )


def test_newcombe_of_independent_rates_gives_the_published_interval() -> None:
    # Newcombe 1998 (independent), method 10, for 56/70 and 48/80.
    assert newcombe(56, 70, 48, 80)[:2] == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(COUNTS, COUNTS)
def test_newcombe_of_independent_rates_agrees_with_statsmodels(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep

    theirs = confint_proportions_2indep(*a, *b, method="newcomb")
    assert newcombe(*a, *b)[:2] == pytest.approx(theirs, abs=1e-9)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.01, 0.99))
def test_binomial_tails_agree_with_scipy(k: int, more: int, p: float) -> None:
    from scipy.stats import binom

    n = k + more
    if n:
        assert binomial_tail(k, n, p, upper=True) == pytest.approx(
            float(binom.sf(k - 1, n, p)), abs=1e-9
        )
        assert binomial_tail(k, n, p, upper=False) == pytest.approx(
            float(binom.cdf(k, n, p)), abs=1e-9
        )


def test_the_bootstrap_interval_is_that_of_the_normal_theory_where_items_are_independent() -> None:
    random = numpy.random.default_rng(3)
    first, second = random.integers(0, 2, 2000).tolist(), random.integers(0, 2, 2000).tolist()
    low, high, _ = bootstrap_difference(first, second)
    difference = numpy.subtract(second, first)
    half = 1.96 * difference.std() / sqrt(2000)
    assert (low, high) == pytest.approx(
        (difference.mean() - half, difference.mean() + half), abs=0.003
    )


def test_clustered_items_count_once_a_cluster() -> None:
    """Each item ten times over is no more evidence than each item once."""
    first, second = [0, 0, 1, 0, 1, 0] * 10, [1, 0, 1, 1, 0, 1] * 10
    once = bootstrap_difference(first, second)
    ten = bootstrap_difference(first * 10, second * 10, clusters=list(range(60)) * 10)
    assert ten[:2] == pytest.approx(once[:2], abs=1e-12)
    blind = bootstrap_difference(first * 10, second * 10)
    assert blind.high - blind.low < 0.5 * (ten.high - ten.low)


def test_no_pair_has_no_bootstrap() -> None:
    with pytest.raises(ValueError, match="no evidence has no interval"):
        bootstrap_difference([], [])


@given(st.floats(0, 1), st.floats(0, 1))
def test_cohens_h_agrees_with_statsmodels(a: float, b: float) -> None:
    from statsmodels.stats.proportion import proportion_effectsize

    assert cohens_h(a, b) == pytest.approx(proportion_effectsize(a, b), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(values: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    ours = holm(dict(enumerate(values)))
    assert list(ours.values()) == pytest.approx(
        list(multipletests(values, method="holm")[1]), abs=1e-12
    )


def test_holm_refuses_what_is_no_probability() -> None:
    with pytest.raises(ValueError, match="within"):
        holm({"a": float("nan")})


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=80))
def test_kappa_agrees_with_statsmodels(pairs: list[tuple[int, int]]) -> None:
    from statsmodels.stats.inter_rater import cohens_kappa as theirs

    first, second = (list(side) for side in zip(*pairs, strict=True))
    found = cohens_kappa(first, second)
    table = numpy.zeros((3, 3))
    for a, b in pairs:
        table[a, b] += 1
    if found is None:
        assert len({label for pair in pairs for label in pair}) == 1
    else:
        assert found.value == pytest.approx(float(theirs(table).kappa), abs=1e-9)
        assert found.interval.low - 1e-12 <= found.value <= found.interval.high + 1e-12


def test_three_lucky_agreements_are_no_licence() -> None:
    """Cohen's own standard error is 0 here, and its interval a point at 1."""
    found = cohens_kappa([1, 0, 1], [1, 0, 1])
    assert found is not None and found.value == 1
    assert found.interval.low < 0.2


def test_kappas_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = numpy.random.default_rng(5)
    covered = 0
    for _ in range(600):
        truth = random.integers(0, 2, 100)
        judged = numpy.where(random.random(100) < 0.85, truth, 1 - truth)  # kappa 0.7
        found = cohens_kappa(truth.tolist(), judged.tolist())
        assert found is not None
        covered += found.interval.low <= 0.7 <= found.interval.high
    assert covered / 600 >= 0.93


@pytest.mark.parametrize(
    ("looks", "spending", "table"),
    [
        (4, "obrien_fleming", (4.333, 2.963, 2.359, 2.014)),
        (5, "obrien_fleming", (4.877, 3.357, 2.680, 2.290, 2.031)),
        (4, "pocock", (2.368, 2.368, 2.358, 2.350)),
        (1, "obrien_fleming", (1.960,)),
    ],
)
def test_bounds_are_those_of_the_published_tables(
    looks: int, spending: Spending, table: tuple[float, ...]
) -> None:
    # Reboussin, DeMets, Kim and Lan 2000, two-sided 5 %, equally spaced looks.
    found = bounds(tuple((k + 1) / looks for k in range(looks)), 0.05, spending)
    assert found == pytest.approx(table, abs=1e-3)


@settings(max_examples=20)
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.sampled_from(["obrien_fleming", "pocock"]),
)
def test_looking_often_is_wrong_no_more_often_than_alpha(
    steps: list[int], spending: Spending
) -> None:
    times = numpy.cumsum(steps) / sum(steps)
    found = bounds((*(float(t) for t in times[:-1]), 1.0), 0.05, spending)
    random = numpy.random.default_rng(7)
    paths = numpy.cumsum(
        random.normal(size=(40_000, len(steps))) * numpy.sqrt(numpy.diff(times, prepend=0)), axis=1
    )
    crossed = (numpy.abs(paths / numpy.sqrt(times)) >= numpy.array(found)).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.006)


def test_all_of_alpha_is_spent_at_the_end_and_next_to_none_at_first() -> None:
    for spending in get_args(Spending):
        assert spent(1.0, 0.05, spending) == pytest.approx(0.05)
    alphas = look_alphas((250, 500, 750, 1000))
    assert alphas[0] < 2e-5 and 0.04 < alphas[-1] < 0.05


@pytest.mark.parametrize("times", [(), (0.5, 0.5), (0.0, 1.0), (0.5, 1.2)])
def test_impossible_looks_raise(times: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        bounds(times)


@pytest.mark.parametrize("lost", [0.05, None])
def test_the_power_is_the_share_of_simulated_tests_that_find_the_gain(lost: float | None) -> None:
    """Ten points on 300 items: what the plan promises is what the test does."""
    of = shares(0.40, 0.10, lost)
    rest = 1 - of.gained - of.lost
    drawn = numpy.random.default_rng(11).multinomial(300, [of.gained, of.lost, rest], size=10_000)
    found = numpy.mean([g > b and mcnemar_exact(int(g), int(b)) <= 0.05 for g, b, _ in drawn])
    assert found == pytest.approx(mcnemar_power(300, of), abs=0.012)


def test_the_items_needed_are_the_first_with_that_power() -> None:
    of = shares(0.40, 0.10, 0.05)
    needed = items_needed(of, 0.8)
    assert needed is not None
    assert mcnemar_power(needed, of) >= 0.8 > mcnemar_power(needed - 1, of)


def test_what_is_detectable_is_detected() -> None:
    gain = detectable_gain(300, 0.40)
    assert gain is not None
    assert (
        mcnemar_power(300, shares(0.40, gain))
        >= 0.8
        > mcnemar_power(300, shares(0.40, gain - 0.002))
    )
    assert detectable_gain(3, 0.40) is None


@pytest.mark.parametrize(
    ("first", "gain", "lost"), [(0.9, 0.2, None), (0.4, 0.1, 0.5), (-0.1, 0.2, None)]
)
def test_impossible_plans_raise(first: float, gain: float, lost: float | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        shares(first, gain, lost)
