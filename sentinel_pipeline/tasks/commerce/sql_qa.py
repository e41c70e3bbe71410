"""SQL questions in Portuguese over the shop's tables, answered by one DuckDB query that is run and
whose rows are compared.

The database is not shown, only its schema, and every query must be right on a second database as
well, where the answer is another: a constant or rows learnt by heart answer nothing. Small
databases are added until each wrong query of ``sql_mistakes`` gives a wrong answer on one of them.
A composition is a measure, a grouping and a filter. Nothing is executed here; what a query answers
is known from the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

from ...records import SqlAnswer
from ..families.family import Draft, Family, ask
from .sql_mistakes import Mistake, Part, mistakes, small_orders, telling
from .texts import COMPLAINTS
from .world import CATEGORIES, ORDERS, PAYMENTS, SCHEMA, STATES, Order, orders, setup

DATABASES = 24
"""Pairs of databases that tasks are spread over: a harness process keeps the gold rows of those it
knows."""
ATTEMPTS = 500


class Measure(NamedTuple):
    """How it reads, its aggregate over ``orders_enriched``, and the same over rows (None: of no
    rows)."""

    words: str
    sql: str
    of: Callable[[Sequence[Order]], Any]


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None


MEASURES = {
    "count": Measure("a contagem", "count(*)", len),
    "revenue": Measure("a soma de total", "sum(total)", lambda rows: sum(o.total for o in rows)),
    "freight": Measure(
        "a soma do frete", "sum(freight)", lambda rows: sum(o.freight for o in rows)
    ),
    "items": Measure(
        "a soma das quantidades", "sum(quantity)", lambda rows: sum(o.quantity for o in rows)
    ),
    "dearest": Measure(
        "o maior total", "max(total)", lambda rows: max((o.total for o in rows), default=None)
    ),
    "cheapest": Measure(
        "o menor preço unitário",
        "min(price)",
        lambda rows: min((o.price for o in rows), default=None),
    ),
    "delay": Measure(
        "a média de dias de atraso (delay_days, 2 casas decimais)",
        "round(avg(delay_days), 2)",
        lambda rows: _mean([o.delay_days for o in rows if o.delivered]),
    ),
    "score": Measure(
        "a nota média (score, 2 casas decimais)",
        "round(avg(score), 2)",
        lambda rows: _mean([o.score for o in rows if o.score]),
    ),
    "negative": Measure(
        "o número de avaliações negativas",
        "count(*) FILTER (WHERE sentiment = 'negative')",
        lambda rows: sum(o.sentiment == "negative" for o in rows),
    ),
    "customers": Measure(
        "o número de clientes distintos",
        "count(DISTINCT customer)",
        lambda rows: len({o.customer for o in rows}),
    ),
}
GROUPS = {
    "none": "",
    "category": ", por categoria (category)",
    "state": ", por estado (state)",
    "payment": ", por forma de pagamento (payment)",
    "product": ", por produto (product)",
    "month": ", por mês do pedido (número de 1 a 12)",
}


class Filter(NamedTuple):
    """How it reads after "dos pedidos", its condition, and the same of a row."""

    words: str
    sql: str
    keeps: Callable[[Order], bool]
    value: Any = None
    """Its constant."""


FILTERS = ("none", "category", "state", "payment", "above", "late", "half", "complaint")


_SAYS = {
    "category": "da categoria",
    "state": "do estado",
    "payment": "pagos com",
    "complaint": "com reclamação",
}
_VALUES = {
    "category": CATEGORIES,
    "state": STATES,
    "payment": PAYMENTS,
    "complaint": tuple(COMPLAINTS),
}


def draw_filter(name: str, rng: Random) -> Filter:
    """A filter with its constant drawn."""
    if name in _VALUES:
        value = rng.choice(_VALUES[name])
        return Filter(
            f" {_SAYS[name]} {value}",
            f"{name} = '{value}'",
            lambda o: getattr(o, name) == value,
            value,
        )
    if name == "above":
        limit = rng.choice((80, 100, 150, 200, 250, 300))
        return Filter(
            f" com total acima de R$ {limit},00",
            f"total > {limit}",
            lambda o: o.total > limit,
            limit,
        )
    if name == "late":
        days = rng.randint(2, 8)
        words = f" com mais de {days} dias de atraso"
        return Filter(
            words,
            f"delay_days > {days}",
            lambda o: o.delivered is not None and o.delay_days > days,
            days,
        )
    if name == "half":
        word, sign, first = rng.choice((("primeiro", "<", True), ("segundo", ">=", False)))
        words = f" feitos no {word} semestre de 2025"
        return Filter(
            words,
            f"ordered {sign} DATE '2025-07-01'",
            lambda o: (o.ordered.month < 7) == first,
            "first" if first else "second",
        )
    return Filter("", "", lambda _: True)


_ASKS = (
    "Qual é {what} dos pedidos{where}{by}?",
    "Calcule {what} dos pedidos{where}{by}.",
    "Informe {what} dos pedidos{where}{by}.",
)
INSTRUCTION = "Responda apenas com uma consulta SQL (DuckDB) sobre estas tabelas:"


def generate(composition: str, rng: Random) -> Draft:
    measure, group, filtered = composition.split("|")
    chosen, number = telling_filter(MEASURES[measure], filtered, rng)
    query = query_text(MEASURES[measure].sql, chosen.sql, group)
    question = rng.choice(_ASKS).format(
        what=MEASURES[measure].words, where=chosen.words, by=GROUPS[group]
    )
    hint = "" if group == "none" else f" Colunas: {'mês' if group == 'month' else group}, valor."
    first, second = databases(number)
    added, wrong, _ = told_apart(measure, group, filtered, chosen, number, rng)
    others = (second.sql, *(setup(rows) for rows in added))
    return Draft(
        ask(f"{question}{hint}\n\n{INSTRUCTION}\n{SCHEMA}"),
        query,
        SqlAnswer(
            setup=first.sql,
            query=query,
            other_setups=others,
            told_apart=tuple(query_text(each.aggregate, each.condition, group) for each in wrong),
        ),
    )


def query_text(aggregate: str, condition: str, group: str) -> str:
    """A query over ``orders_enriched``."""
    column = "month(ordered)" if group == "month" else group
    select = aggregate if group == "none" else f"{column}, {aggregate}"
    query = f"SELECT {select} FROM orders_enriched"
    query += f" WHERE {condition}" if condition else ""
    return query if group == "none" else f"{query} GROUP BY {column}"


def told_apart(
    measure: str, group: str, filtered: str, chosen: Filter, number: int, rng: Random
) -> tuple[list[list[Order]], list[Mistake], list[Mistake]]:
    """Orders of the small databases that tell the wrong queries from the right one where the pair
    ``number`` does not; the wrong queries that are told apart, and those that are not."""
    of = MEASURES[measure].of
    if measure in ("delay", "score"):

        def rounded(rows: Sequence[Order]) -> Any:
            value = MEASURES[measure].of(rows)
            return None if value is None else round(value, 2)

        of = rounded
    elif measure in ("revenue", "freight", "items"):
        of = _none_of_nothing(of)
    gold = Mistake(MEASURES[measure].sql, chosen.sql, of, chosen.keeps)
    aggregate = Part(gold.aggregate, of)
    condition = Part(chosen.sql, chosen.keeps)
    wrong = mistakes(measure, aggregate, group, filtered, chosen.value, condition)
    added, left = telling(
        [database.rows for database in databases(number)],
        gold,
        wrong,
        _KEYS[group],
        lambda rng: small_orders(filtered, chosen.value, rng),
        rng,
    )
    return added, [mistake for mistake in wrong if mistake not in left], left


def _none_of_nothing(of: Callable[[Sequence[Order]], Any]) -> Callable[[Sequence[Order]], Any]:
    """SQL's sum of no rows is NULL."""
    return lambda rows: of(rows) if rows else None


_KEYS: dict[str, Callable[[Order], Any] | None] = {
    "none": None,
    "category": lambda order: order.category,
    "state": lambda order: order.state,
    "payment": lambda order: order.payment,
    "product": lambda order: order.product,
    "month": lambda order: order.ordered.month,
}
"""Grouping -> the group of an order."""


def telling_filter(measure: Measure, filtered: str, rng: Random) -> tuple[Filter, int]:
    """A filter and a pair of databases on which the answers are not empty and not the same."""
    for _ in range(ATTEMPTS):
        chosen = draw_filter(filtered, rng)
        number = rng.randrange(DATABASES)
        by_database = [
            [row for row in database.rows if chosen.keeps(row)] for database in databases(number)
        ]
        first, second = (measure.of(rows) for rows in by_database)
        if all(by_database) and first is not None and second is not None and first != second:
            return chosen, number
    raise AssertionError(f"no pair of databases tells {measure.words!r} by {filtered!r} apart")


class Database(NamedTuple):
    """Rows, and the SQL that makes them."""

    rows: list[Order]
    sql: str


@cache
def databases(number: int) -> tuple[Database, Database]:
    """One of the ``DATABASES`` pairs; the second one is smaller."""
    first = orders(f"a{number}")
    second = orders(f"b{number}", ORDERS * 3 // 4)
    return Database(first, setup(first)), Database(second, setup(second))


def raw(composition: str, rng: Random) -> str:
    """A query on its own."""
    return generate(composition, rng).reference + ";\n"


FAMILY = Family(
    "sql_qa",
    "devops",
    tuple(
        f"{m}|{g}|{f}" for m in MEASURES for g in GROUPS for f in FILTERS if f == "none" or f != g
    ),
    generate,
    raw,
)
