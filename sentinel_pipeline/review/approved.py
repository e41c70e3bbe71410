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
from .belonging import UNASSIGNED, belongs_to
from .checking import candidate_of, digest
from .schema import bodies, cards, corrections, released

SETTLED: ColumnElement[bool] = or_(
    cards.c.second.is_(None), cards.c.second.in_(("agreed", "settled"))
)
"""Nobody's second opinion is wanted or disputes it."""


SEEN: ColumnElement[bool] = (
    select(corrections.c.card_id)
    .where(corrections.c.card_id == cards.c.id, corrections.c.checked != "import")
    .correlate(cards)
    .exists()
)
"""A person approved the correction, or said that they trust the file that does."""


class Approved(NamedTuple):
    """A correction that a person approved, with the failure that it corrects."""

    record: SftCandidate
    task: ReviewTask | None
    text: str
    decided_by: str | None
    checked: str | None
    """How it was checked; None for one that left the queue and was decided anew since."""

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


def approved_rows(connection: Connection, recipe: str | None = None) -> list[Approved]:
    """``approved`` cards with a correction that no second opinion holds back, and that more than a
    file speaks for; of one recipe where it is named."""
    conditions = (cards.c.status == "approved", SETTLED, SEEN, *_of(recipe))
    return _rows(connection, corrections, conditions)


def released_rows(connection: Connection) -> list[Approved]:
    """Every text that ever left the queue, whatever became of its card."""
    return _rows(connection, released, ())


def waiting(connection: Connection, recipe: str | None = None) -> int:
    """Approved corrections that wait for a second opinion or for a lead."""
    return _count(connection, cards.c.status == "approved", ~SETTLED, *_of(recipe))


def unseen(connection: Connection, recipe: str | None = None) -> int:
    """Corrections that nothing but a file approved, taken in when files were believed unasked."""
    return _count(connection, cards.c.status == "approved", ~SEEN, *_of(recipe))


def _of(recipe: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if recipe is None else (belongs_to(recipe),)


def left_by(connection: Connection, recipe: str) -> tuple[int, int]:
    """Approved corrections that could leave but are not this recipe's: those that belong to others,
    and those that belong to none."""
    ready = (cards.c.status == "approved", SETTLED, SEEN)
    others = _count(connection, *ready, ~belongs_to(recipe), ~UNASSIGNED)
    return others, _count(connection, *ready, UNASSIGNED)


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(cards).where(*conditions)
    return int(connection.execute(query).scalar_one())


def _rows(
    connection: Connection, texts: Table, conditions: tuple[ColumnElement[bool], ...]
) -> list[Approved]:
    checks = corrections.alias("checks")
    query = (
        select(bodies.c.record, bodies.c.task, texts.c.text, cards.c.decided_by, checks.c.checked)
        .join(bodies, bodies.c.card_id == texts.c.card_id)
        .join(cards, cards.c.id == texts.c.card_id)
        .outerjoin(checks, checks.c.card_id == texts.c.card_id)
        .where(*conditions)
    )
    rows = [
        Approved(
            SftCandidate.from_json(json.loads(row.record)),
            ReviewTask.from_json(json.loads(row.task)) if row.task else None,
            json.loads(row.text),
            row.decided_by,
            row.checked,
        )
        for row in connection.execute(query)
    ]
    return sorted(rows, key=lambda row: (row.record.id, row.digest))
