"""Kappa against statsmodels, and where it is undefined."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sentinel_pipeline.review.agreement import agreement

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=60)


@given(PAIRS)
def test_kappa_and_its_interval_equal_statsmodels(pairs: list[tuple[str, str]]) -> None:
    from statsmodels.stats.inter_rater import cohens_kappa

    assume(any(a != b for a, b in pairs))
    names = sorted({name for pair in pairs for name in pair})
    counts = Counter(pairs)
    table = np.array([[counts[a, b] for b in names] for a in names])
    theirs, ours = cohens_kappa(table), agreement(pairs)
    assert ours.kappa == pytest.approx(theirs.kappa, abs=1e-9)
    assert ours.low == pytest.approx(max(-1, theirs.kappa_low), abs=1e-6)
    assert ours.high == pytest.approx(min(1, theirs.kappa_upp), abs=1e-6)


def test_one_category_or_nothing_is_undefined_and_never_perfect() -> None:
    assert agreement([]) == (0, None, None, None, None)
    assert agreement([("a", "a")] * 10) == (10, 1.0, None, None, None)


def test_perfect_agreement_on_few_items_has_a_wide_interval() -> None:
    few, many = agreement([("a", "a"), ("b", "b")] * 3), agreement([("a", "a"), ("b", "b")] * 100)
    assert few.kappa == many.kappa == 1.0
    assert few.low is not None and many.low is not None
    assert few.low < 0.3 and many.low > 0.95
