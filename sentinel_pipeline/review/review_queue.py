"""What every operation on the queue needs: the database, the time, the house rules, who is asking,
and the audit trail.

What this module does not do: any operation.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert

from ..errors import BadInput
from ..records.review_spec import Role
from .database import Database
from .schema import history


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
    """Add one row to the audit trail, in the transaction of what it tells of; returns its
    number."""
    row = {
        "at": desk.clock(),
        "actor": actor,
        "action": action,
        "card_id": card_id,
        "detail": json.dumps(detail),
    }
    key = connection.execute(insert(history).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0])
