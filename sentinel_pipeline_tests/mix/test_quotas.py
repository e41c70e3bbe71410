"""Quotas: shares held, no row twice, same seed same rows, shortfalls said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.mix.quotas import rebalance
from sentinel_pipeline.records import Message, Row
from sentinel_pipeline.records.data_spec import SHARES

ASK = (Message("user", "q"),)


def _rows(counts: dict[str, int], repairs: int = 0) -> list[Row]:
    """``counts`` candidates of each category, and ``repairs`` repair traces beside."""
    made = [(name, "candidate", n) for name, count in counts.items() for n in range(count)]
    made += [(name, "repair", n) for name in counts for n in range(repairs)]
    return [
        Row(id=f"{origin}-{name}-{n}", category=name, messages=ASK, completion="a", origin=origin)
        for name, origin, n in made
    ]


COUNTS = st.fixed_dictionaries({name: st.integers(0, 60) for name in SHARES})


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(0, 200) | st.none(), st.integers(0, 5), st.integers(0, 3))
def test_no_row_twice_and_never_more_than_wanted(
    counts: dict[str, int], size: int | None, repairs: int, seed: int
) -> None:
    mix = rebalance(_rows(counts, repairs), SHARES, size=size, seed=seed, repair_share=0.1)
    ids = [row.id for row in mix.rows]
    taken = Counter(row.category for row in mix.rows)
    assert len(ids) == len(set(ids))
    for quota in mix.report.quotas:
        assert quota.taken == quota.rows == taken[quota.category] <= quota.wanted
        assert quota.taken == min(quota.wanted, quota.available)
        assert quota.repairs <= 0.1 * quota.taken + 1e-9


@settings(max_examples=40, deadline=None)
@given(COUNTS, st.randoms(use_true_random=False))
def test_the_same_seed_takes_the_same_rows_in_any_order(counts: dict[str, int], order: object) -> None:
    rows = _rows(counts)
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = (rebalance(each, SHARES, size=50, seed=7) for each in (rows, shuffled))
    assert {row.id for row in first.rows} == {row.id for row in second.rows}
    assert first.report == second.report


def test_shares_are_held_exactly_where_rows_allow() -> None:
    report = rebalance(_rows(dict.fromkeys(SHARES, 1000)), SHARES, size=1000, seed=1).report
    assert [(quota.category, quota.taken, quota.short) for quota in report.quotas] == [
        ("executable_code", 450, 0),
        ("code_editing", 200, 0),
        ("tool_use", 150, 0),
        ("devops", 100, 0),
        ("general_chat", 100, 0),
    ]


def test_without_a_size_the_scarcest_category_decides() -> None:
    counts = dict.fromkeys(SHARES, 1000) | {"devops": 30}
    report = rebalance(_rows(counts), SHARES, size=None, seed=1).report
    assert (report.total, report.rows, report.shortfall) == (300, 300, 0)


def test_an_empty_category_is_reported_short_not_filled() -> None:
    counts = dict.fromkeys(SHARES, 100) | {"devops": 0}
    report = rebalance(_rows(counts), SHARES, size=None, seed=1).report
    by_name = {quota.category: quota for quota in report.quotas}
    assert (by_name["devops"].wanted, by_name["devops"].taken, by_name["devops"].short) == (22, 0, 22)
    assert by_name["executable_code"].taken == 100


def test_repeated_ids_are_taken_once_and_counted() -> None:
    rows = _rows(dict.fromkeys(SHARES, 20))
    mix = rebalance(rows + rows, SHARES, size=100, seed=1)
    assert mix.report.repeated_ids == 100
    assert len({row.id for row in mix.rows}) == len(list(mix.rows))


def test_rows_without_a_share_are_counted_not_taken() -> None:
    mix = rebalance(_rows({"executable_code": 5, "audio": 3}), {"executable_code": 1.0}, size=None, seed=1)
    assert mix.report.outside == {"audio": 3}
    assert {row.category for row in mix.rows} == {"executable_code"}


def test_other_seeds_take_other_rows() -> None:
    rows = _rows(dict.fromkeys(SHARES, 200))
    first, second = ({row.id for row in rebalance(rows, SHARES, size=200, seed=seed).rows} for seed in (1, 2))
    assert len(first & second) < 150


def test_weights_fill_quotas_in_tokens_and_never_exceed_them() -> None:
    rows = _rows(dict.fromkeys(SHARES, 200))
    mix = rebalance(rows, SHARES, size=2000, seed=1, weigh=lambda row: 3 + int(row.id[-1]) % 5)
    assert mix.report.unit == "tokens"
    assert all(quota.wanted - 8 < quota.taken <= quota.wanted for quota in mix.report.quotas)


def test_a_one_shot_iterator_can_be_iterated_twice_afterwards() -> None:
    def once() -> Iterator[Row]:
        yield from _rows(dict.fromkeys(SHARES, 20))

    mix = rebalance(once(), SHARES, size=20, seed=1)
    assert [row.id for row in mix.rows] == [row.id for row in mix.rows] != []


@pytest.mark.parametrize(
    ("shares", "size", "field"),
    [
        ({"a": 0.5}, None, "shares"),
        ({"a": 1.5, "b": -0.5}, None, "shares"),
        ({}, None, "shares"),
        ({"a": float("nan")}, 1, "shares"),
        ({"a": 1.0}, -1, "size"),
    ],
)
def test_wrong_shares_are_refused_by_field(shares: dict[str, float], size: int | None, field: str) -> None:
    with pytest.raises(BadInput) as error:
        rebalance([], shares, size=size, seed=1)
    assert error.value.field == field


def test_no_rows_give_an_empty_mix_and_a_report() -> None:
    mix = rebalance([], SHARES, size=10, seed=1)
    assert list(mix.rows) == [] and mix.report.shortfall == 10
    assert "| devops | 10.0% | 1 | 0 | 0 | 1 |" in mix.report.to_markdown()
