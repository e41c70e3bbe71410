"""The leak firewall: a benchmark item whose correction was trained on judges no longer, nor do its
near-duplicates.

What left the queue is kept for good (``released``); what is retired follows from it for whatever
suite is asked about, so a suite that is added later is covered as well. Two policies, never both
for one item: ``retire`` exports a correction and retires its item; ``withhold`` keeps the item and
does not export, but for corrections that left before, whose items are gone already. What this
module does not do: change a suite; the task bank leaves out what is retired.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from sqlalchemy import Connection, select

from ..mix.decontam import decontaminate
from ..records import Candidate, Message, Task
from .approved import Approved, approved_rows, released_rows
from .review_queue import ReviewQueue
from .schema import released


class Retired(NamedTuple):
    """An item that judges no longer, and the correction that it would judge."""

    suite: str
    task_id: str
    card_id: str
    kind: str
    """``item`` for the corrected item itself, else how it overlaps: ``prompt``, ``solution``,
    ``renamed_solution``, ``tests``, ``ngrams``, ``near_prompt``, ``near_solution``."""
    score: float


class Released(NamedTuple):
    """A correction that left the queue."""

    card_id: str
    suite: str | None
    task_id: str
    messages: tuple[Message, ...]
    text: str


def released_corrections(desk: ReviewQueue) -> list[Released]:
    """Every correction that ever left the queue, in the order of card ids."""
    with desk.db.reading() as connection:
        rows = released_rows(connection)
    released_texts = []
    for row in rows:
        record = row.record
        suite = row.task.suite if row.task else None
        correction = Released(record.id, suite, record.task_id, record.prompt_messages, row.text)
        released_texts.append(correction)
    return released_texts


def retired_items(tasks: Iterable[Task], corrections: Sequence[Released]) -> list[Retired]:
    """The items among ``tasks`` that a released correction discloses: itself by its name, others by
    overlap.

    A record of another harness names no suite: then an item of the same id is taken to be the same
    in any suite. The search for overlaps names one item a correction, so it is asked again without
    the items found until it finds none.
    """
    if not corrections:
        return []
    left = list(tasks)
    names = {(row.suite, row.task_id): row.card_id for row in corrections}
    items: list[Retired] = []
    for task in left:
        card = names.get((task.suite, task.id)) or names.get((None, task.id))
        if card is not None:
            items.append(Retired(task.suite, task.id, card, "item", 1.0))
    while True:
        gone = {(row.suite, row.task_id) for row in items}
        left = [task for task in left if (task.suite, task.id) not in gone]
        hits = _overlaps(left, corrections)
        if not hits:
            return sorted(items)
        items += hits


def _overlaps(tasks: list[Task], corrections: Sequence[Released]) -> list[Retired]:
    rows = (
        Candidate(id=row.card_id, source="human", messages=row.messages, completion=row.text)
        for row in corrections
    )
    hits = {
        (hit.suite, hit.task_id): hit
        for hit in reversed(decontaminate(rows, tasks, corpus=()).hits)
    }
    return [Retired(hit.suite, hit.task_id, hit.id, hit.kind, hit.score) for hit in hits.values()]


class Split(NamedTuple):
    """What a policy lets go, and how many corrections it keeps."""

    exported: list[Approved]
    withheld: int


def split(
    connection: Connection, policy: Literal["retire", "withhold"], recipe: str | None = None
) -> Split:
    """Which approved corrections, of ``recipe`` where it is named, may leave under ``policy``;
    nothing is written."""
    rows = approved_rows(connection, recipe)
    if policy == "retire":
        return Split(rows, 0)
    left = {
        (row.card_id, row.digest)
        for row in connection.execute(select(released.c.card_id, released.c.digest))
    }
    free = [row for row in rows if (row.record.id, row.digest) in left]
    return Split(free, len(rows) - len(free))
