"""A card as people see it: one record, where it stands, who has it, and what was said of it before.

What this module does not do: change anything (``queue`` and ``decisions`` do), or escape text
(whoever shows it does).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Select, and_, case, func, or_, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.elements import ColumnElement

from ..records.sft_candidate import ReviewTask, SftCandidate
from .belonging import belongs_to, recipes_of
from .importing import DRAFTED, plain
from .review_queue import ReviewQueue, Unknown, User
from .schema import bodies, cards, checks, corrections, drafts, history

Place = Literal["pending", "draft", "done", "second", "disputed"]
PLACES: tuple[Place, ...] = ("pending", "draft", "done", "second", "disputed")
Band = Literal["red", "orange", "yellow"]
BANDS: dict[str, tuple[float, float]] = {
    "red": (0.0, 0.4),
    "orange": (0.4, 0.7),
    "yellow": (0.7, 1.01),
}
"""The labelling request's colours of the quality score: below 0.4, below 0.7, otherwise."""


class Filters(NamedTuple):
    """What a person wants to see. Empty text means: any."""

    place: Place = "pending"
    run: str = ""
    model: str = ""
    task_type: str = ""
    status: str = ""
    score: str = ""
    """One of ``BANDS``."""
    text: str = ""
    recipe: str = ""
    """The card belongs to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card and what the person who asks may know of it."""

    record: SftCandidate
    task: ReviewTask | None
    status: str
    version: int
    correction: str | None
    checked: str | None
    """How the correction was checked: ``tests``, ``form``, ``trusted`` or ``import``."""
    draft: str | None
    """The person's own, else the one that came with the record, while the card is theirs to
    decide."""
    lease_by: str | None
    lease_until: float
    decided_by: str | None
    decided_at: float | None
    second: str | None
    imported_at: float
    recipes: tuple[str, ...] = ()
    """Those whose mixes may take its correction."""
    blind: bool = False
    """The card waits for this person's second opinion: what the first one decided is not shown, and
    reads as undecided."""


def read_card(connection: Connection, desk: ReviewQueue, card_id: str, user: User) -> Card:
    """
    Raises:
        Unknown: there is no such card.
    """
    suggested = drafts.alias("suggested")
    joined = (
        select(cards, bodies.c.record, bodies.c.task, corrections.c.checked)
        .add_columns(
            corrections.c.text.label("correction"),
            drafts.c.text.label("draft"),
            suggested.c.text.label("suggested"),
        )
        .join(bodies, bodies.c.card_id == cards.c.id)
        .outerjoin(corrections, corrections.c.card_id == cards.c.id)
        .outerjoin(drafts, and_(drafts.c.card_id == cards.c.id, drafts.c.user_name == user.name))
        .outerjoin(
            suggested,
            and_(suggested.c.card_id == cards.c.id, suggested.c.user_name == DRAFTED),
        )
        .where(cards.c.id == plain(card_id))
    )
    row = connection.execute(joined).mappings().first()
    if row is None:
        raise Unknown(f"there is no card {plain(card_id)!r:.80}.", field="card")
    now = desk.clock()
    leased = row["lease_by"] is not None and row["lease_until"] > now
    names = ("status", "version", "checked", "decided_by", "decided_at", "second", "imported_at")
    undecided = row["status"] == "needs_review" or (
        row["second"] == "wanted" and row["decided_by"] != user.name
    )
    draft = row["draft"] or (row["suggested"] if undecided else None)
    card = Card(
        record=SftCandidate.from_json(json.loads(row["record"])),
        task=ReviewTask.from_json(json.loads(row["task"])) if row["task"] else None,
        correction=json.loads(row["correction"]) if row["correction"] else None,
        draft=json.loads(draft) if draft else None,
        lease_by=row["lease_by"] if leased else None,
        lease_until=row["lease_until"] if leased else 0.0,
        recipes=recipes_of(connection, row["id"]),
        **{name: row[name] for name in names},
    )
    if card.second != "wanted" or card.decided_by == user.name:
        return card
    return replace(
        card,
        blind=True,
        status="needs_review",
        correction=None,
        checked=None,
        decided_by=None,
        decided_at=None,
    )


def matching(filters: Filters, user: User) -> list[ColumnElement[bool]]:
    """The conditions on ``cards`` that say the same as ``filters`` for this person."""
    conditions: list[ColumnElement[bool]] = [*_place(filters.place, user)]
    for value, column in (
        (filters.run, cards.c.run_id),
        (filters.model, cards.c.model_id),
        (filters.task_type, cards.c.task_type),
        (filters.status, cards.c.status),
    ):
        if value:
            conditions.append(column == plain(value))
    if filters.recipe:
        conditions.append(belongs_to(plain(filters.recipe)))
    if filters.score in BANDS:
        low, high = BANDS[filters.score]
        quality = func.coalesce(cards.c.quality, 1.0)
        conditions += [quality >= low, quality < high]
    for word in filters.text.casefold().split()[:8]:
        leased = select(bodies.c.card_id).where(
            bodies.c.card_id == cards.c.id, bodies.c.search.contains(plain(word), autoescape=True)
        )
        conditions.append(leased.exists())
    return conditions


def _place(place: Place, user: User) -> list[ColumnElement[bool]]:
    mine = (
        select(drafts.c.card_id)
        .where(drafts.c.card_id == cards.c.id, drafts.c.user_name == user.name)
        .exists()
    )
    if place == "done":
        visited = or_(
            cards.c.second.is_(None), cards.c.second != "wanted", cards.c.decided_by == user.name
        )
        return [cards.c.status != "needs_review", visited]
    if place == "second":
        return [cards.c.second == "wanted", cards.c.decided_by != user.name]
    if place == "disputed":
        return [cards.c.second == "disputed"]
    return [cards.c.status == "needs_review", *([mine] if place == "draft" else [])]


def free_for(user: User, now: float) -> ColumnElement[bool]:
    """Nobody else holds the card."""
    return or_(
        cards.c.lease_by.is_(None), cards.c.lease_until <= now, cards.c.lease_by == user.name
    )


class Line(NamedTuple):
    """A card in a list."""

    id: str
    status: str
    task_id: str
    task_type: str
    model_id: str
    quality: float | None
    failure_class: str
    decided_by: str | None
    lease_by: str | None
    version: int


_LINE: Select[Any] = select(
    *(cards.c[name] for name in Line._fields if name != "lease_by"),
    cards.c.lease_by,
    cards.c.lease_until,
)


def list_cards(desk: ReviewQueue, user: User, filters: Filters, *, most: int = 50) -> list[Line]:
    """The first cards of a list; decided ones newest first, others in the order of the queue."""
    order = (cards.c.decided_at.desc(), cards.c.seq) if filters.place == "done" else (cards.c.seq,)
    with desk.db.reading() as connection:
        query = _LINE.where(*matching(filters, user)).order_by(*order).limit(most)
        rows = connection.execute(query).mappings().all()
    return [_line(row, desk.clock()) for row in rows]


def _line(row: RowMapping, now: float) -> Line:
    leased = row["lease_until"] > now
    return Line(
        **{name: row[name] for name in Line._fields if name != "lease_by"},
        lease_by=row["lease_by"] if leased else None,
    )


def similar(desk: ReviewQueue, card_id: str, *, most: int = 8) -> list[Line]:
    """Cards of the same task first, then those that failed alike on the same type of task."""
    with desk.db.reading() as connection:
        named = select(cards).where(cards.c.id == plain(card_id))
        me = connection.execute(named).mappings().first()
        if me is None:
            raise Unknown(f"there is no card {plain(card_id)!r:.80}.", field="card")
        lines: list[Line] = []
        same_task = cards.c.task_id == me["task_id"]
        same_kind = cards.c.task_type == me["task_type"]
        alike = and_(same_kind, cards.c.failure_class == me["failure_class"], ~same_task)
        for condition in (same_task, alike):
            query = _LINE.where(condition, cards.c.id != me["id"]).order_by(cards.c.seq)
            query = query.limit(most - len(lines))
            lines += [_line(row, desk.clock()) for row in connection.execute(query).mappings()]
    return lines


class Event(NamedTuple):
    """One row of the audit trail."""

    id: int
    at: float
    actor: str
    action: str
    card_id: str | None
    detail: dict[str, Any]
    undone: bool


def trail(desk: ReviewQueue, *, card_id: str | None = None, most: int = 200) -> list[Event]:
    """Newest first; of one card where named."""
    query = select(history).order_by(history.c.id.desc()).limit(most)
    if card_id is not None:
        query = query.where(history.c.card_id == plain(card_id))
    with desk.db.reading() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        Event(**{**row, "detail": json.loads(row["detail"]), "undone": bool(row["undone"])})
        for row in rows
    ]


def last_check(connection: Connection, card_id: str, digest: str) -> RowMapping | None:
    """What the critic said of this text as the answer to this card."""
    query = select(checks).where(checks.c.card_id == card_id, checks.c.digest == digest)
    return connection.execute(query).mappings().first()


class Progress(NamedTuple):
    """Counts for the person's own page."""

    pending: int
    drafts: int
    done: int
    second: int
    disputed: int
    mine_today: int
    mine: int


def progress(desk: ReviewQueue, user: User) -> Progress:
    """Queue lengths, and what this person has decided (today: in the last 24 hours)."""
    day = desk.clock() - 86_400
    with desk.db.reading() as connection:
        statuses = select(cards.c.status, func.count()).group_by(cards.c.status)
        by_status: dict[str, int] = dict(connection.execute(statuses).tuples().all())
        today = func.sum(case((cards.c.decided_at > day, 1), else_=0))
        decided = select(func.count(), today).where(cards.c.decided_by == user.name)
        mine = connection.execute(decided).one()
        counts = {}
        for place in PLACES[3:]:
            query = select(func.count()).select_from(cards).where(*_place(place, user))
            counts[place] = int(connection.execute(query).scalar() or 0)
        drafted = select(func.count()).select_from(drafts).where(drafts.c.user_name == user.name)
        mine_drafts = int(connection.execute(drafted).scalar() or 0)
    pending = by_status.pop("needs_review", 0)
    return Progress(
        pending,
        mine_drafts,
        sum(by_status.values()),
        counts["second"],
        counts["disputed"],
        int(mine[1] or 0),
        int(mine[0]),
    )
