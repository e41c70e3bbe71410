"""Wrong queries that look right, and small databases on which their answers differ from the right
one's.

A mistake changes one part of a gold query: ``>=`` for ``>``, a day or a real too many,
``count(*)`` for ``count(DISTINCT customer)``, the price for the total, a lost condition, a join
that drops orders without a review. Rows answer in Python, so that a thousand tasks take seconds;
tests hold these answers against DuckDB's. What this module does not do: run SQL, or know mistakes
in two parts at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from .texts import COMPLAINTS
from .world import CATEGORIES, CUSTOMERS, PAYMENTS, PRODUCTS, STATES, Order, orders

ROWS = 8
"""Orders of a small database."""
ATTEMPTS = 400
"""Small databases that are drawn for the mistakes that are left, before one is given up."""
Keeps = Callable[[Order], bool]
Of = Callable[[Sequence[Order]], Any]


class Part(NamedTuple):
    """A condition or an aggregate in SQL, and the same in Python."""

    sql: str
    of: Callable[[Any], Any]


def distinct(name: str) -> Part:
    return Part(
        f"count(DISTINCT {name})", lambda rows: len({getattr(order, name) for order in rows})
    )


def _mean(values: Iterable[Any]) -> Any:
    listed = list(values)
    return round(float(sum(listed)) / len(listed), 2) if listed else None


def _sum(values: Iterable[Any]) -> Any:
    listed = list(values)
    return sum(listed) if listed else None


_COUNT = Part("count(*)", len)
_AGGREGATES: dict[str, tuple[Part, ...]] = {
    "count": (
        distinct("customer"),
        distinct("product"),
        Part("count(score)", lambda rows: sum(order.score is not None for order in rows)),
        Part("count(delivered)", lambda rows: sum(order.delivered is not None for order in rows)),
        Part("sum(quantity)", lambda rows: _sum(order.quantity for order in rows)),
    ),
    "revenue": (
        Part("sum(price)", lambda rows: _sum(order.price for order in rows)),
        Part("sum(price * quantity)", lambda rows: _sum(o.price * o.quantity for o in rows)),
        Part("sum(price + freight)", lambda rows: _sum(o.price + o.freight for o in rows)),
        Part("sum(DISTINCT total)", lambda rows: _sum({order.total for order in rows})),
        Part("max(total)", lambda rows: max((order.total for order in rows), default=None)),
    ),
    "freight": (
        Part("sum(DISTINCT freight)", lambda rows: _sum({order.freight for order in rows})),
        Part("sum(freight * quantity)", lambda rows: _sum(o.freight * o.quantity for o in rows)),
        Part("max(freight)", lambda rows: max((order.freight for order in rows), default=None)),
    ),
    "items": (
        _COUNT,
        Part("sum(DISTINCT quantity)", lambda rows: _sum({order.quantity for order in rows})),
        Part("max(quantity)", lambda rows: max((order.quantity for order in rows), default=None)),
    ),
    "dearest": (
        Part("max(price)", lambda rows: max((order.price for order in rows), default=None)),
        Part(
            "max(price * quantity)",
            lambda rows: max((order.price * order.quantity for order in rows), default=None),
        ),
        Part("min(total)", lambda rows: min((order.total for order in rows), default=None)),
    ),
    "cheapest": (
        Part("min(total)", lambda rows: min((order.total for order in rows), default=None)),
        Part("max(price)", lambda rows: max((order.price for order in rows), default=None)),
        Part(
            "min(price * quantity)",
            lambda rows: min((order.price * order.quantity for order in rows), default=None),
        ),
    ),
    "delay": (
        Part(
            "round(avg(coalesce(delay_days, 0)), 2)",
            lambda rows: _mean(order.delay_days for order in rows),
        ),
        Part(
            "round(avg(delay_days) FILTER (WHERE delay_days > 0), 2)",
            lambda rows: _mean(order.delay_days for order in rows if order.delay_days),
        ),
        Part(
            "round(avg(date_diff('day', promised, delivered)), 2)",
            lambda rows: _mean((o.delivered - o.promised).days for o in rows if o.delivered),
        ),
        Part(
            "max(delay_days)",
            lambda rows: max((o.delay_days for o in rows if o.delivered), default=None),
        ),
    ),
    "score": (
        Part(
            "round(avg(coalesce(score, 0)), 2)",
            lambda rows: _mean(order.score or 0 for order in rows),
        ),
        Part(
            "round(avg(DISTINCT score), 2)",
            lambda rows: _mean({order.score for order in rows if order.score}),
        ),
        Part("max(score)", lambda rows: max((o.score for o in rows if o.score), default=None)),
    ),
    "negative": (
        _COUNT,
        Part("count(score)", lambda rows: sum(order.score is not None for order in rows)),
        Part(
            "count(*) FILTER (WHERE score <= 3)",
            lambda rows: sum(bool(order.score and order.score <= 3) for order in rows),
        ),
        Part(
            "count(DISTINCT complaint)",
            lambda rows: len({order.complaint for order in rows if order.complaint}),
        ),
    ),
    "customers": (
        _COUNT,
        Part("count(customer)", len),
        distinct("city"),
        distinct("product"),
        distinct("state"),
    ),
}
"""Measure -> aggregates that are taken for it."""


def wrong_conditions(name: str, value: Any) -> list[Part]:
    """Conditions that are taken for the filter ``name`` with the constant ``value``; all orders, an
    empty condition, among them."""
    everything = Part("", lambda order: True)
    if name == "above":
        limit = int(value)
        return [
            everything,
            Part(f"total >= {limit}", lambda order: order.total >= limit),
            Part(f"total > {limit + 1}", lambda order: order.total > limit + 1),
            Part(f"total > {limit - 1}", lambda order: order.total > limit - 1),
            Part(f"price > {limit}", lambda order: order.price > limit),
            Part(f"price * quantity > {limit}", lambda o: o.price * o.quantity > limit),
            Part(f"total < {limit}", lambda order: order.total < limit),
        ]
    if name == "late":
        days = int(value)
        return [
            everything,
            Part(f"delay_days >= {days}", lambda o: bool(o.delivered) and o.delay_days >= days),
            Part(f"delay_days > {days + 1}", lambda o: o.delay_days > days + 1),
            Part(f"delay_days > {days - 1}", lambda o: o.delay_days > days - 1),
            Part(
                f"delay_days > {days} OR delivered IS NULL",
                lambda order: not order.delivered or order.delay_days > days,
            ),
            Part(f"delay_days < {days}", lambda o: bool(o.delivered) and o.delay_days < days),
        ]
    if name == "half":
        middle = dt.date(2025, 7, 1)
        one_day = dt.timedelta(days=1)
        if value == "first":
            return [
                everything,
                Part("ordered <= DATE '2025-07-01'", lambda order: order.ordered <= middle),
                Part("ordered < DATE '2025-06-30'", lambda order: order.ordered < middle - one_day),
                Part("month(ordered) < 6", lambda order: order.ordered.month < 6),
                Part("promised < DATE '2025-07-01'", lambda order: order.promised < middle),
            ]
        return [
            everything,
            Part("ordered > DATE '2025-07-01'", lambda order: order.ordered > middle),
            Part("ordered >= DATE '2025-06-30'", lambda o: o.ordered >= middle - one_day),
            Part("month(ordered) > 7", lambda order: order.ordered.month > 7),
            Part("promised >= DATE '2025-07-01'", lambda order: order.promised >= middle),
        ]
    if name == "none":
        return []
    choices = {
        "category": CATEGORIES,
        "state": STATES,
        "payment": PAYMENTS,
        "complaint": tuple(COMPLAINTS),
    }[name]
    other = next(choice for choice in choices if choice != value)
    conditions = [
        everything,
        Part(f"{name} = '{other}'", lambda order: getattr(order, name) == other),
        Part(
            f"{name} <> '{value}'",
            lambda order: getattr(order, name) not in (None, value),
        ),
    ]
    if name == "complaint":
        conditions.append(Part("sentiment = 'negative'", lambda o: o.sentiment == "negative"))
    return conditions


_NARROWER = (
    Part("score IS NOT NULL", lambda order: order.score is not None),
    Part("delivered IS NOT NULL", lambda order: order.delivered is not None),
)
"""What an inner join with the reviews, or a look at deliveries alone, adds to a condition."""


class Mistake(NamedTuple):
    """A query with one part wrong: its aggregate, its condition, and the same over rows."""

    aggregate: str
    condition: str
    of: Of
    keeps: Keeps


def mistakes(
    measure: str, gold: Part, group: str, filtered: str, value: Any, condition: Part
) -> list[Mistake]:
    """Every mistake in the gold query that can change its answer on some orders."""
    wrong = [
        Mistake(part.sql, condition.sql, part.of, condition.of) for part in _AGGREGATES[measure]
    ]
    wrong += [
        Mistake(gold.sql, part.sql, gold.of, part.of) for part in wrong_conditions(filtered, value)
    ]
    for part in _NARROWER:
        both = " AND ".join(filter(None, (f"({condition.sql})" if condition.sql else "", part.sql)))
        wrong.append(Mistake(gold.sql, both, gold.of, _and(condition.of, part.of)))
    return [each for each in wrong if same_answers(measure, group, filtered, each) is None]


def _and(first: Keeps, second: Keeps) -> Keeps:
    return lambda order: first(order) and second(order)


def same_answers(measure: str, group: str, filtered: str, wrong: Mistake) -> str | None:
    """Why a mistake gives the right answer on all orders that can be; None where it does not."""
    reviewed = measure in ("score", "negative") or filtered == "complaint"
    if wrong.condition.endswith("score IS NOT NULL") and reviewed:
        return "a score or a complaint is there only where a review is"
    delivered = measure in ("delay",) or filtered == "late"
    if wrong.condition.endswith("delivered IS NOT NULL") and (delivered or reviewed):
        return "a delay or a review is there only where the order was delivered"
    if filtered == "complaint" and wrong.aggregate in ("count(score)", "count(delivered)"):
        return "a complaint is there only where a review of a delivered order is"
    counts = ("count(*)", "count(score)", "count(*) FILTER (WHERE score <= 3)")
    if filtered == "complaint" and measure == "negative" and wrong.aggregate in counts:
        return "every complaint is a negative review"
    if filtered == "late" and wrong.aggregate in (
        "count(delivered)",
        "round(avg(coalesce(delay_days, 0)), 2)",
        "round(avg(delay_days) FILTER (WHERE delay_days > 0), 2)",
        "round(avg(date_diff('day', promised, delivered)), 2)",
    ):
        return "a late order was delivered, after the day that was promised"
    if filtered == "complaint" and wrong.aggregate == "round(avg(coalesce(score, 0)), 2)":
        return "a complaint is there only where a score is"
    if filtered == "complaint" and wrong.aggregate == "round(avg(coalesce(delay_days, 0)), 2)":
        return "a complaint is there only where the order was delivered"
    undelivered = wrong.condition.endswith("OR delivered IS NULL")
    if undelivered and group == "none" and measure in ("delay", "score", "negative"):
        return "an order that was not delivered has neither a delay nor a review"
    return None


def answer(
    rows: Sequence[Order], of: Of, keeps: Keeps, group: Callable[[Order], Any] | None
) -> Any:
    """What a query gives on rows: one value, or a value for each group."""
    chosen = [order for order in rows if keeps(order)]
    if group is None:
        return of(chosen)
    groups: dict[Any, list[Order]] = {}
    for order in chosen:
        groups.setdefault(group(order), []).append(order)
    return {key: of(members) for key, members in groups.items()}


def small_orders(filtered: str, value: Any, rng: Random) -> list[Order]:
    """A few orders around the filter's constant: on it, a step beside it, far from it; some alike
    in all but one column."""
    seed = f"edge{rng.randrange(10**9)}"
    near = rng.random() < 0.5
    rows = []
    for order in orders(seed, rng.randint(2, ROWS)):
        row = order
        if filtered == "above":
            cents = rng.choice((-100, -1, 0, 0, 0) if near else (-1, 0, 1, 50, 100, 5000))
            total = Decimal(int(value)) + Decimal(cents) / 100
            quantity = rng.choice((1, 1, 2))
            freight = rng.choice((Decimal(0), Decimal(10)))
            price = ((total - freight) / quantity).quantize(Decimal("0.01"))
            row = row._replace(price=price, quantity=quantity, freight=total - price * quantity)
        elif filtered == "late" and row.delivered:
            days = int(value) + rng.choice((-1, 0, 0) if near else (-1, 0, 1, 2, 4))
            row = row._replace(delivered=row.promised + dt.timedelta(days=days))
        elif filtered == "half":
            days = rng.choice((-2, -1, 0, 0, 1, 2) if near else (-40, -20, -1, 0, 1, 20, 40))
            row = row._replace(ordered=dt.date(2025, 7, 1) + dt.timedelta(days=days))
            row = row._replace(promised=row.ordered + dt.timedelta(days=rng.randint(1, 8)))
            if row.delivered:
                row = row._replace(
                    delivered=row.promised + dt.timedelta(days=rng.choice((-2, 0, 3)))
                )
        elif filtered in ("category", "state", "payment") and rng.random() < 0.7:
            row = row._replace(**{filtered: value})
        if filtered == "complaint" and rng.random() < 0.7:
            row = row._replace(
                delivered=row.delivered or row.promised,
                score=rng.choice((1, 2)),
                sentiment="negative",
                complaint=value,
                text="Não gostei.",
            )
        rows.append(row)
    if rng.random() < 0.7:  # the same customer, product, amount or city twice
        twin = rng.choice(rows)
        names = rng.sample(("customer", "city", "product", "category", "state", "payment"), 4)
        rows = [
            row._replace(**{name: getattr(twin, name) for name in names})
            if rng.random() < 0.6
            else row
            for row in rows
        ]
    if rng.random() < 0.3:
        city = rng.choice(CUSTOMERS)[1]
        rows = [row._replace(city=city) for row in rows]
    if rng.random() < 0.3:
        price = Decimal(rng.choice(list(PRODUCTS.values()))[1]) / 100
        if filtered != "above":
            rows = [row._replace(price=price, quantity=rng.choice((1, 2))) for row in rows]
    return rows


def telling(
    databases: Sequence[Sequence[Order]],
    gold: Mistake,
    wrong: Sequence[Mistake],
    group: Callable[[Order], Any] | None,
    draw: Callable[[Random], list[Order]],
    rng: Random,
) -> tuple[list[list[Order]], list[Mistake]]:
    """Small databases to add, so that each mistake's answer differs from the gold one on some
    database; and the mistakes for which none was found."""

    def unnoticed(rows: Sequence[Order], among: Sequence[Mistake]) -> list[Mistake]:
        right = answer(rows, gold.of, gold.keeps, group)
        return [each for each in among if answer(rows, each.of, each.keeps, group) == right]

    left = list(wrong)
    for database in databases:
        left = unnoticed(database, left)
    added: list[list[Order]] = []
    for _ in range(ATTEMPTS):
        if not left:
            break
        rows = draw(rng)
        still = unnoticed(rows, left)
        if len(still) < len(left):
            added.append(rows)
            left = still
    return added, left
