"""Approved corrections, read from the queue in the order of their ids: what an export is made of.

What this module does not do: decide which of them may leave (``firewall``), or write anything.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from sqlalchemy import Connection, Table, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from ..records import Candidate
from ..records.sft_candidate import ReviewTask, SftCandidate
from .checking import candidate_of, digest
from .schema import bodies, cards, corrections, released

SETTLED: ColumnElement[bool] = or_(
    cards.c.second.is_(None), cards.c.second.in_(("agreed", "settled"))
)
"""Nobody's second opinion is wanted or disputes it."""


class Approved(NamedTuple):
    """A correction that a person approved, with the failure that it corrects."""

    record: SftCandidate
    task: ReviewTask | None
    text: str
    decided_by: str | None

    @property
    def digest(self) -> str:
        return digest(self.text)

    def candidate(self) -> Candidate:
        return candidate_of(self.record, self.task, self.text)

    def messages(self) -> list[dict[str, str]]:
        """The labelling request's conversation: the prompt's turns, then the correction as the
        assistant's."""
        return [
            *(turn.to_dict() for turn in self.record.prompt_messages),
            {"role": "assistant", "content": self.text},
        ]


def approved_rows(connection: Connection) -> list[Approved]:
    """``approved`` cards with a correction that no second opinion holds back."""
    return _rows(connection, corrections, (cards.c.status == "approved", SETTLED))


def released_rows(connection: Connection) -> list[Approved]:
    """Every text that ever left the queue, whatever became of its card."""
    return _rows(connection, released, ())


def waiting(connection: Connection) -> int:
    """Approved corrections that wait for a second opinion or for a lead."""
    query = select(func.count()).select_from(cards).where(cards.c.status == "approved", ~SETTLED)
    return int(connection.execute(query).scalar_one())


def _rows(
    connection: Connection, texts: Table, conditions: tuple[ColumnElement[bool], ...]
) -> list[Approved]:
    query = (
        select(bodies.c.record, bodies.c.task, texts.c.text, cards.c.decided_by)
        .join(bodies, bodies.c.card_id == texts.c.card_id)
        .join(cards, cards.c.id == texts.c.card_id)
        .where(*conditions)
    )
    rows = [
        Approved(
            SftCandidate.from_json(json.loads(row.record)),
            ReviewTask.from_json(json.loads(row.task)) if row.task else None,
            json.loads(row.text),
            row.decided_by,
        )
        for row in connection.execute(query)
    ]
    return sorted(rows, key=lambda row: (row.record.id, row.digest))
