"""What the queue holds, counted: by run, by status, task, model and failure; and which models to
drop for which task.

What this module does not do: draw, or score: a share of few cards comes with its interval.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from sqlalchemy import func, select

from ..errors import BadInput, did_you_mean
from ..gates.statistics import wilson
from ..records.sft_candidate import STATUSES
from .agreement import Agreement, agreement
from .approved import SEEN, SETTLED
from .belonging import UNASSIGNED, belongs_to
from .importing import plain
from .review_queue import ReviewQueue
from .schema import card_recipes, cards, opinions, quarantine, released

_BY = ("task_type", "model_id", "failure_class")


class RunSummary(NamedTuple):
    """The candidates of one benchmark run, or of all of them."""

    run_id: str
    """Empty for all runs together."""
    total: int
    statuses: dict[str, int]
    by: dict[str, dict[str, dict[str, int]]]
    """``task_type``, ``model_id``, ``failure_class`` and ``recipe`` -> value -> status -> cards;
    values with most cards first. A card may belong to several recipes."""
    quarantined: int
    released: int
    """Corrections that left the queue; their items have left the suites."""
    agreement: Agreement
    """Of first and second reviewers, over all runs."""
    unassigned: int = 0
    """Cards that belong to no recipe: no mix takes their corrections."""

    def to_json(self) -> dict[str, Any]:
        return self._asdict() | {"agreement": self.agreement._asdict()}


def summary(desk: ReviewQueue, run_id: str = "") -> RunSummary:
    """
    Raises:
        BadInput: no card is of this run.
    """
    mine = [cards.c.run_id == plain(run_id)] if run_id else []
    with desk.db.reading() as connection:
        columns = (cards.c.status, *(cards.c[name] for name in _BY))
        query = select(*columns, func.count().label("n")).where(*mine)
        rows = connection.execute(query.group_by(*columns)).all()
        bad = int(connection.execute(select(func.count()).select_from(quarantine)).scalar_one())
        left = select(func.count(func.distinct(released.c.card_id))).join(
            cards, cards.c.id == released.c.card_id
        )
        gone = int(connection.execute(left.where(*mine)).scalar_one())
        belonging = select(card_recipes.c.recipe, cards.c.status, func.count().label("n"))
        belonging = belonging.join(cards, cards.c.id == card_recipes.c.card_id).where(*mine)
        belonging = belonging.group_by(card_recipes.c.recipe, cards.c.status)
        recipes = connection.execute(belonging).tuples().all()
        homeless = select(func.count()).select_from(cards).where(UNASSIGNED, *mine)
        unassigned = int(connection.execute(homeless).scalar_one())
    if run_id and not rows:
        problem = f"no card is of run {run_id[:60]!r}."
        raise BadInput(problem, field="run", fix=did_you_mean(run_id, dict(runs(desk))))
    statuses: Counter[str] = Counter()
    for row in rows:
        statuses[row.status] += row.n
    return RunSummary(
        run_id=run_id,
        total=sum(row.n for row in rows),
        statuses={status: statuses[status] for status in STATUSES},
        by={name: _table((getattr(row, name), row.status, row.n) for row in rows) for name in _BY}
        | {"recipe": _table(recipes)},
        quarantined=bad,
        released=gone,
        agreement=second_opinions(desk),
        unassigned=unassigned,
    )


def _table(rows: Any) -> dict[str, dict[str, int]]:
    tables: dict[str, Counter[str]] = {}
    for value, status, n in rows:
        tables.setdefault(value, Counter())[status] += n
    ordered = sorted(tables.items(), key=lambda item: (-item[1].total(), item[0]))
    return {
        value: {status: counts[status] for status in STATUSES if counts[status]}
        for value, counts in ordered
    }


def runs(desk: ReviewQueue) -> list[tuple[str, int]]:
    """Benchmark runs and how many cards they have, newest import first."""
    with desk.db.reading() as connection:
        query = select(cards.c.run_id, func.count()).group_by(cards.c.run_id)
        query = query.order_by(func.max(cards.c.seq).desc())
        return [(str(run), int(n)) for run, n in connection.execute(query)]


def choices(desk: ReviewQueue) -> dict[str, list[str]]:
    """What the filters of the page can be set to; at most 200 of each."""
    columns = {"run": cards.c.run_id, "model": cards.c.model_id, "task_type": cards.c.task_type}
    columns["recipe"] = card_recipes.c.recipe
    values = {}
    with desk.db.reading() as connection:
        for name, column in columns.items():
            query = select(column).distinct().order_by(column).limit(200)
            values[name] = [str(value) for value in connection.execute(query).scalars()]
    return values


class Verdict(NamedTuple):
    """How often a model's failures on one type of task were held to be hopeless: ``n`` decided
    cards."""

    model_id: str
    task_type: str
    n: int
    rejected: int
    discarded: int
    share: float
    low: float
    high: float
    drop: bool
    """The whole interval of the rejected share is above one half."""


def analytics(desk: ReviewQueue) -> list[Verdict]:
    """Model by task type, the most rejected first: which models to drop for which task (as the
    labelling request asks)."""
    columns = (cards.c.model_id, cards.c.task_type, cards.c.status)
    query = select(*columns, func.count().label("n")).where(cards.c.status != "needs_review")
    with desk.db.reading() as connection:
        rows = connection.execute(query.group_by(*columns)).all()
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        counts.setdefault((row.model_id, row.task_type), Counter())[row.status] += row.n
    verdicts = [_verdict(model, kind, counter) for (model, kind), counter in counts.items()]
    return sorted(
        verdicts,
        key=lambda verdict: (-verdict.low, -verdict.n, verdict.model_id, verdict.task_type),
    )


def _verdict(model: str, kind: str, counter: Counter[str]) -> Verdict:
    n = counter.total()
    rejected = counter["model_rejected"]
    low, high, _ = wilson(rejected, n)
    return Verdict(
        model, kind, n, rejected, counter["discarded"], rejected / n, low, high, low > 0.5
    )


def second_opinions(desk: ReviewQueue) -> Agreement:
    """Agreement of first and second reviewers on the decision, each made without the other's."""
    first = opinions.alias()
    second = opinions.alias()
    query = (
        select(first.c.status, second.c.status)
        .join(second, second.c.card_id == first.c.card_id)
        .where(first.c.place == 1, second.c.place == 2)
    )
    with desk.db.reading() as connection:
        return agreement([(str(a), str(b)) for a, b in connection.execute(query)])


def approved_waiting(desk: ReviewQueue, recipe: str | None = None) -> tuple[int, float]:
    """How many approved corrections no export has let go yet, and when the newest of them was
    approved; with ``recipe`` those of it that none of its mixes took."""
    gone = select(released.c.card_id).where(released.c.card_id == cards.c.id).exists()
    conditions = [~gone]
    if recipe is not None:
        taken = (card_recipes.c.card_id == cards.c.id, card_recipes.c.recipe == recipe)
        query = select(card_recipes.c.card_id).where(*taken, card_recipes.c.taken_at.is_not(None))
        conditions = [belongs_to(recipe), ~query.correlate(cards).exists()]
    counts = select(func.count(), func.max(cards.c.decided_at)).where(
        cards.c.status == "approved", SETTLED, SEEN, *conditions
    )
    with desk.db.reading() as connection:
        count, newest = connection.execute(counts).one()
    return int(count), float(newest or 0.0)


def quarantined(desk: ReviewQueue, most: int = 100) -> list[dict[str, Any]]:
    """The newest lines that could not be imported, each with its file, line and reason."""
    names = ("file", "line", "reason", "excerpt")
    with desk.db.reading() as connection:
        query = select(quarantine).order_by(quarantine.c.id.desc()).limit(most)
        rows = connection.execute(query).mappings()
        return [{name: row[name] for name in names} for row in rows]
