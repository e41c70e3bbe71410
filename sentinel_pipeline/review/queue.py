"""Who works on which card: leases, so that no two people see one, drafts that outlive everything,
skips.

A person holds one card. Claiming is one statement in one transaction: in SQLite writers are in line
already, in Postgres ``FOR UPDATE SKIP LOCKED`` passes over rows that another claim holds. What this
module does not do: decide.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from .cards import Card, Filters, free_for, matching, read_card
from .database import insert_missing, upsert
from .importing import plain
from .review_queue import Conflict, ReviewQueue, User
from .schema import cards, drafts, skips

MAX_DRAFT = 1_000_000
"""Characters."""


def next_card(desk: ReviewQueue, user: User, filters: Filters = Filters()) -> Card | None:  # noqa: B008
    """The card that the person holds where it fits ``filters``, else the first free one, now
    theirs; None when there is none.

    Cards that they skipped come back when nothing else is left.
    """
    with desk.db.writing() as connection:
        card = _held(connection, desk, user, filters) or _claim(connection, desk, user, filters)
        if card is None and int(
            connection.execute(delete(skips).where(skips.c.user_name == user.name)).rowcount
        ):
            card = _claim(connection, desk, user, filters)
        return read_card(connection, desk, card, user) if card else None


def _held(connection: Connection, desk: ReviewQueue, user: User, filters: Filters) -> str | None:
    mine = (cards.c.lease_by == user.name, cards.c.lease_until > desk.clock())
    row = connection.execute(
        select(cards.c.id).where(*mine, *matching(filters, user)).limit(1)
    ).first()
    if row is None:
        return None
    _lease(connection, desk, user, row.id)
    return str(row.id)


def _claim(connection: Connection, desk: ReviewQueue, user: User, filters: Filters) -> str | None:
    skipped = (
        select(skips.c.card_id)
        .where(skips.c.user_name == user.name, skips.c.card_id == cards.c.id)
        .exists()
    )
    query = (
        select(cards.c.id)
        .where(*matching(filters, user), free_for(user, desk.clock()), ~skipped)
        .order_by(cards.c.seq)
        .limit(1)
        .with_for_update(skip_locked=True, of=cards)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    let_go(connection, user)
    _lease(connection, desk, user, row.id)
    return str(row.id)


def _lease(connection: Connection, desk: ReviewQueue, user: User, card_id: str) -> None:
    until = desk.clock() + desk.lease_seconds
    connection.execute(
        update(cards).where(cards.c.id == card_id).values(lease_by=user.name, lease_until=until)
    )


def let_go(connection: Connection, user: User) -> None:
    """Give back whatever the person holds."""
    connection.execute(
        update(cards).where(cards.c.lease_by == user.name).values(lease_by=None, lease_until=0.0)
    )


def open_card(desk: ReviewQueue, user: User, card_id: str) -> Card:
    """A card by its id; an open one that nobody else holds becomes theirs, any other is there to be
    read.

    Raises:
        Unknown: there is no such card.
    """
    with desk.db.writing() as connection:
        card = read_card(connection, desk, card_id, user)
        if card.status != "needs_review" or card.lease_by not in (None, user.name):
            return card
        let_go(connection, user)
        taken = update(cards).where(cards.c.id == card.record.id, free_for(user, desk.clock()))
        until = desk.clock() + desk.lease_seconds
        connection.execute(taken.values(lease_by=user.name, lease_until=until))
        return read_card(connection, desk, card_id, user)


def renew(desk: ReviewQueue, user: User, card_id: str) -> float:
    """A sign of life: the lease runs from now; returns its end.

    Raises:
        Conflict: the lease ran out and somebody else took the card, or it was decided.
    """
    with desk.db.writing() as connection:
        mine = and_(cards.c.id == plain(card_id), free_for(user, desk.clock()))
        still_open = or_(cards.c.status == "needs_review", cards.c.second == "wanted")
        until = desk.clock() + desk.lease_seconds
        values = {"lease_by": user.name, "lease_until": until}
        if not connection.execute(update(cards).where(mine, still_open).values(values)).rowcount:
            raise lost(connection, desk, user, card_id)
        return until


def lost(connection: Connection, desk: ReviewQueue, user: User, card_id: str) -> Conflict:
    """Why a card is not this person's any more, in words."""
    card = read_card(connection, desk, card_id, user)
    if card.lease_by not in (None, user.name):
        return Conflict(
            f"the card is with {card.lease_by} now.", fix="Your draft is kept; take the next card."
        )
    if card.status != "needs_review":
        return Conflict(
            f"the card was decided by {card.decided_by}: {card.status}.", fix="Your draft is kept."
        )
    return Conflict("the card changed since you opened it.", fix="Reload it; your draft is kept.")


def skip(desk: ReviewQueue, user: User, card_id: str) -> None:
    """Put the card behind all others, for this person only, and give it back."""
    with desk.db.writing() as connection:
        card = read_card(connection, desk, card_id, user)
        let_go(connection, user)
        insert_missing(connection, skips, [{"user_name": user.name, "card_id": card.record.id}])


def save_draft(desk: ReviewQueue, user: User, card_id: str, text: str) -> float:
    """Keep what the person wrote so far, whoever holds the card; empty text removes the draft.
    Returns when it was saved.

    Raises:
        Unknown: there is no such card.
        Conflict: the text is longer than ``MAX_DRAFT``.
    """
    if len(text) > MAX_DRAFT:
        raise Conflict(
            f"a draft of {len(text)} characters is too long, the most is {MAX_DRAFT}.", field="text"
        )
    now = desk.clock()
    with desk.db.writing() as connection:
        card = read_card(connection, desk, card_id, user)
        if text:
            upsert(connection, drafts, _draft(user, card.record.id, text, now))
        else:
            drop_draft(connection, user, card.record.id)
    return now


def drop_draft(connection: Connection, user: User, card_id: str) -> None:
    connection.execute(
        delete(drafts).where(drafts.c.card_id == card_id, drafts.c.user_name == user.name)
    )


def give_draft(connection: Connection, user: User, card_id: str, text: str, now: float) -> None:
    """Put a text back as a draft, unless the person has begun another one."""
    lease = connection.execute(
        select(drafts.c.text).where(drafts.c.card_id == card_id, drafts.c.user_name == user.name)
    ).first()
    if lease is None:
        connection.execute(insert(drafts).values(_draft(user, card_id, text, now)))


def _draft(user: User, card_id: str, text: str, now: float) -> dict[str, Any]:
    return {
        "card_id": card_id, "user_name": user.name, "text": json.dumps(text), "saved_at": now
    }  # fmt: skip
