"""Kappa of pairs, and where it is undefined."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.gates.effects import cohens_kappa
from sentinel_pipeline.review.agreement import agreement

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=60)


@given(PAIRS)
def test_it_is_the_kappa_of_the_gates(pairs: list[tuple[str, str]]) -> None:
    ours, theirs = agreement(pairs), cohens_kappa([a for a, _ in pairs], [b for _, b in pairs])
    assert ours.n == len(pairs)
    assert ours.kappa == (theirs.value if theirs else None)
    assert ours.agreed == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    if ours.low is not None and ours.high is not None and ours.kappa is not None:
        assert -1 <= ours.low <= ours.kappa <= ours.high <= 1


def test_one_category_or_nothing_is_undefined_and_never_perfect() -> None:
    assert agreement([]) == (0, None, None, None, None)
    assert agreement([("a", "a")] * 10) == (10, 1.0, None, None, None)


def test_perfect_agreement_on_few_items_has_a_wide_interval() -> None:
    few, many = agreement([("a", "a"), ("b", "b")] * 3), agreement([("a", "a"), ("b", "b")] * 100)
    assert few.kappa == many.kappa == 1.0
    assert few.low is not None and many.low is not None
    assert few.low < 0.3 and many.low > 0.95
