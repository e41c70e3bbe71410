"""What people's decisions say of single answers: a correction that left the queue is desirable, the
answer that it corrects is not, nor is one whose model was flagged.

A correction counts only once its export is noted (``exporting.release``), so that nothing trains
whose benchmark item was not retired; a decision that a second opinion disputes says nothing yet.
What this module does not do: keep benchmark items out of training; whoever gathers answers compares
them with the suites.
"""

from __future__ import annotations

import json

from sqlalchemy import Connection, select

from ..records.sft_candidate import SftCandidate
from ..records.unpaired import UnpairedAnswer
from .approved import SETTLED, approved_rows
from .belonging import belongs_to
from .review_queue import ReviewQueue
from .schema import bodies, cards, released


def labelled_answers(queue: ReviewQueue, recipe: str | None = None) -> list[UnpairedAnswer]:
    """Every answer that a person's settled decision labels, of one recipe's cards where it is
    named; in the order of card ids."""
    with queue.db.reading() as connection:
        left = {
            (row.card_id, row.digest)
            for row in connection.execute(select(released.c.card_id, released.c.digest))
        }
        answers: list[tuple[str, UnpairedAnswer]] = []
        for row in approved_rows(connection, recipe):
            if (row.record.id, row.digest) in left:
                answers.append((row.record.id, _answer(row.record, row.text, True, "correction")))
                answers.append(
                    (
                        row.record.id,
                        _answer(row.record, row.record.model_response, False, "corrected"),
                    )
                )
        for record in _flagged(connection, recipe):
            answers.append((record.id, _answer(record, record.model_response, False, "flagged")))
    return [answer for _, answer in sorted(answers, key=lambda pair: pair[0])]


def _flagged(connection: Connection, recipe: str | None) -> list[SftCandidate]:
    """Records of the cards whose model was flagged."""
    mine = () if recipe is None else (belongs_to(recipe),)
    query = (
        select(bodies.c.record)
        .join(cards, cards.c.id == bodies.c.card_id)
        .where(cards.c.status == "model_rejected", SETTLED, *mine)
    )
    return [SftCandidate.from_json(json.loads(row.record)) for row in connection.execute(query)]


def _answer(record: SftCandidate, text: str, desirable: bool, reason: str) -> UnpairedAnswer:
    return UnpairedAnswer(
        messages=record.prompt_messages,
        completion=text,
        desirable=desirable,
        origin="person",
        source="review",
        reason=reason,
        task_id=record.task_id,
    )
