"""What every operation on the queue needs: the database, the time, the house rules, who is asking,
and the audit trail.

What this module does not do: any operation.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, text

from ..errors import BadInput
from ..records.review_spec import Role
from ..store.chain import ADOPTED, Link, next_link
from .database import Database
from .schema import history, links

EVENT = "event"
"""The kind of a trail's row in its chain."""
_CHAINED = ("id", "at", "actor", "action", "card_id", "detail")
_LINKING = 0x53454E55
"""Postgres advisory lock: one transaction adds to the trail at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewQueue:
    """The queue's rules over one database."""

    db: Database
    clock: Callable[[], float] = time.time
    lease_seconds: float = 600.0
    """How long a card stays with a person who shows no sign of life."""
    second_share: float = 0.0
    """Share of decided cards that a second person decides again without seeing the first
    decision."""


class User(NamedTuple):
    """A person who was let in. ``lead`` may settle disputes, change anybody's decision and read the
    whole trail."""

    name: str
    role: Role


class Unknown(BadInput):
    """There is no such card, batch or person."""


class Conflict(BadInput):
    """Somebody else was faster: the card changed, or is with another person. Nothing was
    written."""


class Refused(BadInput):
    """The rules forbid it: a correction that fails its checks, an edit of somebody else's decision.
    Nothing was written."""


def note(
    desk: ReviewQueue,
    connection: Connection,
    actor: str,
    action: str,
    card_id: str | None,
    detail: dict[str, Any],
) -> int:
    """Add one row to the audit trail and link it in the trail's chain, in the transaction of what
    it tells of; returns its number."""
    if not desk.db.is_sqlite:
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LINKING})
    now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
    newest = _newest(connection)
    if newest is None:
        # The trail of an earlier version is taken in first.
        for old in connection.execute(select(history).order_by(history.c.id)).mappings().all():
            newest = _append(connection, newest, ADOPTED + EVENT, now, dict(old))
    row = {
        "at": float(desk.clock()),
        "actor": actor,
        "action": action,
        "card_id": card_id,
        "detail": json.dumps(detail),
    }
    key = connection.execute(insert(history).values(row)).inserted_primary_key
    assert key is not None
    _append(connection, newest, EVENT, now, {"id": int(key[0]), **row})
    return int(key[0])


def chained(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the chain's hash of a row of the trail is over."""
    return {name: row[name] for name in _CHAINED}


def _newest(connection: Connection) -> Link | None:
    row = connection.execute(select(links).order_by(links.c.seq.desc()).limit(1)).first()
    return Link(*row) if row else None


def _append(
    connection: Connection, newest: Link | None, kind: str, now: str, row: Mapping[str, Any]
) -> Link:
    link = next_link(newest, kind, int(row["id"]), now, chained(row))
    connection.execute(insert(links).values(link._asdict()))
    return link
