"""Comparing tables: against a comparison by brute force, and on rows made to be slow or to fool
it."""

from __future__ import annotations

import itertools
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.sandbox.guest.codec import Malformed
from sentinel_pipeline.sandbox.judge.finding import Finding
from sentinel_pipeline.sandbox.judge.rows import Unreadable, close, first_difference, read_row, same
from sentinel_pipeline.sandbox.judge.sql_answer import _read

NUMBERS = st.one_of(
    st.sampled_from(
        [
            0,
            1,
            1.0,
            Decimal("1.00"),
            1 + 1e-12,
            1 + 1e-8,
            -0.0,
            Decimal("0.5"),
            0.5,
            Decimal("-1"),
            10**20,
            1e20,
            0.1,
        ]
    ),
    st.integers(-3, 3),
)
CELLS = st.one_of(
    NUMBERS,
    st.none(),
    st.booleans(),
    st.sampled_from(["", "a", "#", "s1:a"]),
    st.lists(NUMBERS, max_size=2),
)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=4)


def bags_pair(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and any(
        all(map(same, one, order)) for order in itertools.permutations(other)
    )


@given(TABLES, TABLES, st.randoms(use_true_random=False))
def test_bags_are_equal_exactly_where_rows_pair(
    left: list[Any], right: list[Any], random: Any
) -> None:
    for candidate in (right, random.sample(left, len(left))):
        one, other = (
            [read_row(list(row)) for row in left],
            [read_row(list(row)) for row in candidate],
        )
        assert (first_difference(one, other, False) is None) == bags_pair(one, other)


@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4),
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4),
)
def test_bags_of_numbers_are_equal_exactly_where_rows_pair(
    left: list[Any], right: list[Any]
) -> None:
    one, other = [read_row(list(row)) for row in left], [read_row(list(row)) for row in right]
    assert (first_difference(one, other, False) is None) == bags_pair(one, other)


@given(CELLS, CELLS)
def test_equal_keys_mean_equal_rows(one: Any, other: Any) -> None:
    first, second = read_row([one]), read_row([other])
    if first.key == second.key:
        assert same(first, second)
    if same(first, second) and not any(
        type(number) is float for row in (first, second) for number in row.numbers
    ):
        assert first.key == second.key


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1, 1.0, True),
        (1, Decimal("1.000"), True),
        (Decimal("0.1"), 0.1, True),
        (10**18, 10**18 + 1, False),
        (10**18, float(10**18 + 1), True),
        (1.0, 1.0 + 9e-10, True),
        (1.0, 1.0 + 2e-9, False),
        (0, 1e-300, False),
        (Decimal("1e-30"), Decimal("2e-30"), False),
    ],
)
def test_numbers_are_close(one: Any, other: Any, expected: bool) -> None:
    assert close(one, other) is close(other, one) is expected


def test_a_chain_of_neighbours_does_not_carry_far() -> None:
    """Each number is close to the next; the ends are not close to the start."""
    gold = [read_row([1.0, 2.0]) for _ in range(1000)]
    drift = [read_row([1.0 + at * 5e-10, 2.0]) for at in range(1000)]
    assert first_difference(gold, drift, False) is not None
    assert (
        first_difference(
            gold, [read_row([1.0 + (at % 2) * 5e-10, 2.0]) for at in range(1000)], False
        )
        is None
    )


def test_dense_numbers_are_paired_by_order() -> None:
    """Seconds since 1970 as floats: the neighbours of each lie within the tolerance."""
    gold = [read_row([1.7e9 + at, "x"]) for at in range(1000)]
    assert (
        first_difference(
            gold, [read_row([1.7e9 + at + 1e-6, "x"]) for at in reversed(range(1000))], False
        )
        is None
    )
    assert (
        first_difference(gold, [read_row([1.7e9 + at + 10, "x"]) for at in range(1000)], False)
        is not None
    )


SLOW: dict[str, list[list[Any]]] = {
    "colliding integers": [[(2**61 - 1) * at, at] for at in range(50_000)],
    "powers of two": [[2.0**-at, at] for at in range(1000)] * 50,
    "one value": [[1.0, 1.0]] * 50_000,
    "neighbours": [[1.0 + at * 1e-14, 1.0 - at * 1e-14] for at in range(50_000)],
    "long decimals": [[Decimal(f"1e-{at % 60}"), at] for at in range(50_000)],
}


@pytest.mark.parametrize("name", SLOW)
def test_hostile_rows_take_no_more_time(name: str) -> None:
    gold = [read_row([1.0, at]) for at in range(len(SLOW[name]))]
    started = time.process_time()
    first_difference(gold, [read_row(list(row)) for row in SLOW[name]], False)
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1e999999"),
        Decimal("nan"),
        Decimal("snan"),
        1 << 300,
        {1, 2},
        range(3),
        1j,
        len,
        object(),
    ],
)
def test_what_no_row_holds_is_not_read(value: Any) -> None:
    with pytest.raises(Unreadable):
        read_row([value])


END: dict[str, Any] = {"end": True}


@pytest.mark.parametrize(
    "answers",
    [
        [{"columns": 1}, {"rows": [[1, 2]]}, END],
        [{"columns": "1"}, {"rows": [[1]]}, END],
        [{"columns": True}, {"rows": [[1]]}, END],
        [{"columns": 1}, {"rows": [1]}, END],
        [{"columns": 1}, {"rows": [[{"h": 0}]]}, END],
        [{"columns": 1}, {"rows": [[{"T": "object"}]]}, END],
        [{"columns": 1}, {"rows": [[{"g": [[1], "stop"]}]]}, END],
        [{"columns": 1}, {"rows": [[{"D": "sNaN"}]]}, END],
        [{"columns": 1}, {"rows": "ab"}, END],
        [{"columns": 1}, {"lines": []}, END],
        [[], [], END],
        [7],
    ],
)
def test_forged_answers_are_not_read(answers: list[Any]) -> None:
    with pytest.raises((Malformed, Unreadable, TypeError, KeyError, AttributeError)):
        _read(answers)


def test_an_answer_without_its_end_is_none() -> None:
    assert _read([]) is None
    assert _read([{"columns": 1}, {"rows": [[1]]}]) is None
    assert _read([END]) is None


def test_a_sample_cannot_name_an_outcome_of_its_own() -> None:
    for code in ("passed", "infra", "test_error", "timeout", ["passed"]):
        finding = _read([{"x": code, "m": "m"}])
        assert isinstance(finding, Finding) and (finding.code, finding.detail) == ("exception", "m")
