"""Whether the trail of the queue, and the approvals that follow from it, are what people did.

The trail is linked row by row (``review_queue.note``). Beside the chain itself, every decided card
is held against the newest decision of the trail that stands: a status or a correction that was
changed past the pages is found. What this module does not do: tell who changed it, or cover blind
labels and second opinions, which stand in the trail but not in a card.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from ..store.chain import ChainState, Link, check_chain
from .database import Database
from .importing import TRUSTED
from .review_queue import EVENT, chained
from .schema import cards, corrections, history, links, released

NAME = "review"
_DECIDING = ("decide", "revise", "settle", TRUSTED)
_ROWS = 500


def check_trail(database: Database, *, head: str | None = None) -> ChainState:
    """Walk the trail's chain, then hold every decided card against it; nothing is written."""
    try:
        with database.reading() as connection:
            state = _walk(connection, head)
            if state.broken is None:
                state = state._replace(broken=_first_fault(connection))
            return state
    except (DBAPIError, ValueError, KeyError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        return ChainState(NAME, 0, 0, 0, None, "", f"the trail cannot be read: {reason}")


def _walk(connection: Connection, head: str | None) -> ChainState:
    contents: dict[int, dict[str, Any]] = {}
    query = (
        select(links, *history.c)
        .outerjoin(history, history.c.id == links.c.record)
        .order_by(links.c.seq)
        .execution_options(yield_per=_ROWS)
    )

    def walked() -> Iterator[Link]:
        for row in connection.execute(query):
            contents.clear()
            link = Link(*row[: len(Link._fields)])
            if row.id is not None:
                values = dict(zip(history.c.keys(), row[len(Link._fields) :], strict=True))
                contents[link.record] = chained(values)
            yield link

    numbers = [(EVENT, number) for (number,) in connection.execute(select(history.c.id))]
    return check_chain(
        NAME,
        walked(),
        lambda kind, record: contents.get(record) if kind == EVENT else None,
        numbers,
        head=head,
    )


def _first_fault(connection: Connection) -> str | None:
    """The first card, or undone row, that the trail does not tell of."""
    undone = set()
    taken_back = set()
    standing: dict[str, tuple[int, str, str, str]] = {}
    query = select(history).order_by(history.c.id).execution_options(yield_per=_ROWS)
    for row in connection.execute(query):
        if row.undone:
            undone.add(row.id)
        if row.action == "undo":
            taken_back.add(json.loads(row.detail)["undid"])
        elif row.action in _DECIDING and row.card_id and not row.undone:
            detail = json.loads(row.detail)
            text = detail["correction"]
            by = "import" if row.action == TRUSTED else row.actor
            standing[row.card_id] = (row.id, by, detail["status"], _digest(text))
    if undone != taken_back:
        row_id = min(undone ^ taken_back)
        return f"{EVENT} {row_id}: it is marked as taken back, but no undo says so, or the reverse"
    joined = select(
        *(cards.c.id, cards.c.status, cards.c.decided_by, corrections.c.text, corrections.c.checked)
    ).outerjoin(corrections, corrections.c.card_id == cards.c.id)
    for card in connection.execute(joined.order_by(cards.c.seq).execution_options(yield_per=_ROWS)):
        decision = standing.get(card.id)
        text = json.loads(card.text) if card.text else None
        if decision is None:
            # Files decide cards that are not approved, and did approve when they were believed.
            if card.status != "needs_review" and card.decided_by != "import":
                return f"card {card.id}: it is {card.status}, and the trail tells of no decision"
            if card.checked is not None and card.checked != "import":
                return f"card {card.id}: it has a correction, and the trail tells of no decision"
            continue
        number, by, status, digest = decision
        if (card.status, card.decided_by, _digest(text)) != (status, by, digest):
            return f"card {card.id}: it is not what {EVENT} {number} made of it"
    for row in connection.execute(select(released.c.card_id, released.c.digest, released.c.text)):
        if _digest(json.loads(row.text)) != row.digest:
            return f"card {row.card_id}: the text that left the queue is not what was noted"
    return None


def _digest(text: str | None) -> str:
    if text is None:
        return ""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
