"""Comparing two tables of plain values: by position or as bags, types exactly, numbers as numbers.

``1``, ``1.0`` and ``Decimal("1.00")`` are one number; beside a float, numbers are equal within a
relative tolerance; NaN equals NaN. Bags are equal only where row pairs with row, and that is found
in O(n log n) steps whatever the rows hold: keys are texts, whose hashes nobody can foresee. Where
floats lie closer together than the tolerance in two or more columns at once, rows may be called
different that could be paired. What this module does not do: know where rows come from.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter, defaultdict
from decimal import Decimal
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple

from ..outcomes import VALUE_CHARS, shortened

TOLERANCE = 1e-9
_BITS = 256
_DIGITS = 80
"""DuckDB has 128-bit integers and 38-digit decimals; longer numbers are nobody's rows, and slow to
work with."""

Number = int | float | Decimal


class Unreadable(ValueError):
    """A value that no query's row holds."""


class Row(NamedTuple):
    """``shape``: the row with ``#`` in place of each number; ``numbers``: these in order."""

    shape: str
    numbers: tuple[Number, ...]
    values: list[Any]

    @property
    def key(self) -> str:
        """Equal keys: equal rows. Equal rows have equal keys, floats apart."""
        return f"{self.shape}|{'|'.join([_exact(number) for number in self.numbers])}"

    def show(self) -> str:
        """For people, shortened."""
        return shortened(f"({', '.join(_show(value) for value in self.values)})")


def read_row(values: list[Any]) -> Row:
    """Raises Unreadable."""
    if type(values) is not list:
        raise Unreadable("a row that is not a list")
    numbers: list[Number] = []
    return Row(",".join([_shape(value, numbers) for value in values]), tuple(numbers), values)


def _shape(value: Any, numbers: list[Number]) -> str:
    kind = type(value)
    if kind is str:
        return f"s{len(value)}:{value}"
    if kind is int or kind is float or kind is Decimal:
        return _number(value, numbers)
    if value is None or kind is bool:
        return f"{value}"
    if kind is list or kind is tuple:
        return f"[{','.join([_shape(item, numbers) for item in value])}]"
    if kind is dict:
        return f"{{{','.join(_members(value, numbers))}}}"
    if kind is bytes:
        return f"b{value.hex()}"
    return _moment(value)


def _number(value: Number, numbers: list[Number]) -> str:
    if type(value) is float and not math.isfinite(value):
        return str(value)
    if _too_long(value):
        raise Unreadable("a number out of range")
    numbers.append(value)
    return "#"


def _too_long(value: Number) -> bool:
    if type(value) is int:
        return value.bit_length() > _BITS
    if type(value) is not Decimal:
        return False
    _, digits, exponent = value.as_tuple()
    return not value.is_finite() or len(digits) > _DIGITS or abs(int(exponent)) > _DIGITS


def _members(value: dict[Any, Any], numbers: list[Number]) -> list[str]:
    """Members by key, whose numbers are compared exactly: no two keys are almost the same."""
    keyed = []
    for key, item in value.items():
        inside: list[Number] = []
        shape = _shape(key, inside)
        numbers_as_text = "|".join([_exact(number) for number in inside])
        keyed.append((f"{shape}|{numbers_as_text}", item))
    return [
        f"{len(key)}:{key}={_shape(item, numbers)}"
        for key, item in sorted(keyed, key=lambda pair: pair[0])
    ]


def _moment(value: Any) -> str:
    kind = type(value)
    if kind is datetime.datetime:
        try:
            zone = "Z" if value.tzinfo else ""
            return (
                f"m{value.astimezone(datetime.UTC).replace(tzinfo=None) if zone else value}{zone}"
            )
        except (OverflowError, ValueError):
            raise Unreadable("a moment out of range") from None
    if kind is datetime.timedelta:
        return f"i{value.days},{value.seconds},{value.microseconds}"
    if kind is datetime.date or kind is datetime.time:
        return f"{kind.__name__}{value.isoformat()}"
    raise Unreadable(f"a value of type {kind.__name__}")


def _exact(number: Number) -> str:
    """One text for each number that is exactly the same; a float with a fraction has a text of its
    own."""
    if type(number) is float:
        if not number.is_integer():
            return repr(number)
        number = int(number)
    # Sign, digits without zeros at either end, power of ten: 10, 1e1 and Decimal("10.0") are one.
    if type(number) is Decimal:
        sign, digits, exponent = number.as_tuple()
        text = "".join([str(digit) for digit in digits])
        power = int(exponent)
    else:
        sign = int(number < 0)
        text = str(abs(int(number)))
        power = 0
    significant = text.lstrip("0").rstrip("0")
    return (
        f"{'-' * sign}{significant}e{power + len(text) - len(text.rstrip('0'))}"
        if significant
        else "0"
    )


def close(left: Number, other: Number) -> bool:
    """Exactly equal; or, where at least one is a float, equal within the tolerance."""
    if type(left) is float or type(other) is float:
        return left == other or math.isclose(float(left), float(other), rel_tol=TOLERANCE)
    return left == other


def same(left: Row, other: Row) -> bool:
    """Do the two rows pair?"""
    return left.shape == other.shape and all(
        close(ours, theirs) for ours, theirs in zip(left.numbers, other.numbers)
    )


def first_difference(expected: list[Row], actual: list[Row], ordered: bool) -> str | None:
    """What differs, in a sentence; None where nothing does."""
    if len(expected) != len(actual):
        return f"expected {len(expected)} rows, got {len(actual)}"
    if ordered:
        for number, (left, other) in enumerate(zip(expected, actual), 1):
            if not same(left, other):
                return f"row {number}: expected {left.show()}, got {other.show()}"
        return None
    return _bags(*_unpaired(expected, actual))


def _unpaired(expected: list[Row], actual: list[Row]) -> tuple[list[Row], list[Row]]:
    """What is left of both bags after rows with equal keys are paired."""
    keys = [row.key for row in actual]
    there = Counter(keys)
    left = []
    for row in expected:
        key = row.key
        if there[key]:
            there[key] -= 1
        else:
            left.append(row)
    over = []
    for key, row in zip(keys, actual):
        if there[key]:
            there[key] -= 1
            over.append(row)
    return left, over


def _bags(expected: list[Row], actual: list[Row]) -> str | None:
    """Pair what exact keys could not: rows of one shape, and of one neighbourhood in each
    number."""
    shapes: dict[str, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((expected, actual)):
        for row in rows:
            shapes[row.shape][side].append(row)
    for ours, theirs in shapes.values():
        for mine, yours in _groups(ours, theirs):
            pair = _unlike(mine, yours)
            if pair:
                left = pair[0] or expected[0]
                other = pair[1] or actual[0]
                return f"expected a row {left.show()}, got {other.show()}"
    return None


def _groups(ours: list[Row], theirs: list[Row]) -> list[tuple[list[Row], list[Row]]]:
    """Split rows of one shape by the neighbourhood of each number: rows of two groups cannot
    pair."""
    both = [*ours, *theirs]
    columns = [
        _neighbourhoods([row.numbers[at] for row in both]) for at in range(len(both[0].numbers))
    ]
    groups: dict[tuple[int, ...], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for at, row in enumerate(both):
        groups[tuple(column[at] for column in columns)][at >= len(ours)].append(row)
    return list(groups.values())


def _neighbourhoods(numbers: list[Number]) -> list[int]:
    """A number for each value's chain of neighbours: two that are close are in one chain."""
    places = sorted(range(len(numbers)), key=numbers.__getitem__)
    chains = [0] * len(numbers)
    chain = 0
    # Only beside a float are numbers compared with a tolerance (``close``).
    tolerant = any(type(number) is float for number in numbers)
    for before, place in pairwise(places):
        apart = numbers[before] != numbers[place]
        if apart and not (
            tolerant
            and math.isclose(float(numbers[before]), float(numbers[place]), rel_tol=TOLERANCE)
        ):
            chain += 1
        chains[place] = chain
    return chains


def _unlike(ours: list[Row], theirs: list[Row]) -> tuple[Row | None, Row | None] | None:
    """Sort both sides by the numbers that spread wider than the tolerance, pair by place: the first
    two that do not pair."""
    both = [*ours, *theirs]
    # Within the tolerance the order of a column says nothing: sorting by it would part true pairs.
    wide = [at for at in range(len(both[0].numbers)) if _wide([row.numbers[at] for row in both])]
    for side in (ours, theirs):
        side.sort(key=lambda row: [row.numbers[at] for at in wide])
    for left, other in zip_longest(ours, theirs):
        if left is None or other is None or not same(left, other):
            return left, other
    return None


def _wide(numbers: list[Number]) -> bool:
    return not math.isclose(float(min(numbers)), float(max(numbers)), rel_tol=TOLERANCE)


def _show(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, (float, Decimal, datetime.date, datetime.time, datetime.timedelta)):
        return str(value)
    if type(value) is str and len(value) > VALUE_CHARS:
        return f"{value[:VALUE_CHARS]!r}…"
    return repr(value)
