"""Blind labelling: people label sampled outputs without seeing the judge's label, whose output it
is, or each other's labels.

A batch is a file of rows ``{"id", "prompt_messages", "response", "judge"}``, or of rows of any
shape that the critic reads, with ``id`` and ``judge`` beside; ``judge`` is the label that is to be
calibrated, or null. Agreement is Cohen's kappa with its interval: on 30 conversations it is wide,
and the lower bound is what counts. People's labels come out as the exam of a judge: ``good`` is
``pass``, where most of those who labelled an item say so. What this module does not do: license a
judge or open a gate (the ledger does), or choose the outputs.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, func, insert, select

from ..candidates.decode import MAX_LINE_BYTES, decode_line
from ..candidates.files import Line, lines
from ..candidates.shapes import RowRefused, to_candidate
from ..candidates.turns import plain_turns
from ..errors import BadInput
from ..records import Message, messages_from
from ..store.files import open_unpacked
from .agreement import Agreement, agreement
from .database import upsert
from .importing import plain
from .review_queue import Conflict, Refused, ReviewQueue, Unknown, User, note
from .schema import batches, blind_items, blind_labels

Purpose = Literal["judge", "gap"]
LABELS = ("good", "bad")
_EXAM = {"good": "pass", "bad": "fail"}
"""A label of the page -> that of a judge's exam."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


class Item(NamedTuple):
    """What a labeller sees: nothing else is known to the page."""

    seq: int
    batch: str
    messages: tuple[Message, ...]
    response: str
    done: int
    """How many of the batch this person has labelled."""
    total: int


class Calibration(NamedTuple):
    """What a batch says: each labeller against the judge, and labellers against each other."""

    name: str
    purpose: str
    subject: str
    items: int
    labelled: dict[str, int]
    against_judge: dict[str, Agreement]
    between_people: Agreement


def add_batch(
    desk: ReviewQueue, path: Path, *, name: str, purpose: Purpose = "judge", subject: str = "", sample: int | None = None,
    seed: int = 17, labels: tuple[str, ...] = LABELS,
) -> int:  # fmt: skip
    """Read a batch, in a random order of ``seed``; ``sample`` takes so many of its rows. Returns
    how many items it has.

    Raises:
        BadInput: a malformed name, row or label, by line; or an empty file.
        Conflict: there is a batch of that name.
    """
    if not _NAME.fullmatch(name):
        problem = f"invalid name {name[:60]!r}."
        raise BadInput(problem, field="name", fix="Use letters, digits, dots, dashes, underscores.")
    rows = _read(path, labels)
    random.Random(seed).shuffle(rows)
    rows = rows[:sample]
    with desk.db.writing() as connection:
        if connection.execute(select(batches.c.name).where(batches.c.name == name)).first():
            raise Conflict(
                f"there is a batch {name!r} already.", field="name", fix="Name it otherwise."
            )
        row = {
            "name": name,
            "purpose": purpose,
            "labels": json.dumps(labels),
            "subject": plain(subject),
        }
        connection.execute(insert(batches).values({**row, "created_at": desk.clock()}))
        connection.execute(insert(blind_items), [{"batch": name, **row} for row in rows])
        detail = {"batch": name, "items": len(rows), "subject": subject}
        note(desk, connection, "import", "batch", None, detail)
    return len(rows)


def _read(path: Path, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    if not path.is_file():
        raise BadInput("there is no such file.", file=path, fix="Check the path.")
    answers: dict[str, dict[str, Any]] = {}
    try:
        for line in _lines(path):
            if not line.data.strip():
                continue
            try:
                if line.length > MAX_LINE_BYTES:
                    raise ValueError(f"{line.length} bytes, the most is {MAX_LINE_BYTES}")
                value = decode_line(line.data, ended=line.ended)
                item, body, judge = _row(value, labels, path, line.number)
            except (ValueError, RowRefused) as error:
                raise BadInput(
                    f"not an item: {error}.", file=path, line=line.number, fix="Correct the line."
                ) from error
            if item in answers:
                raise BadInput(f"duplicate id {item!r}.", file=path, line=line.number, field="id")
            answers[item] = {"item_id": item, "body": json.dumps(body), "judge": judge}
    except (EOFError, OSError, zlib.error) as error:
        raise BadInput(f"cannot be read on: {error}.", file=path, fix="Fetch it again.") from error
    if not answers:
        raise BadInput("holds no item.", file=path, fix="Add items: nothing cannot be labelled.")
    return list(answers.values())


def _lines(path: Path) -> Iterator[Line]:
    with open_unpacked(path) as stream:
        yield from lines(stream)


def _row(
    value: Any, labels: tuple[str, ...], path: Path, line: int
) -> tuple[str, dict[str, Any], str | None]:
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    item = value.get("id")
    if not isinstance(item, str) or not item.strip():
        raise ValueError("expected text in id")
    judge = value.get("judge")
    if judge is not None and judge not in labels:
        raise ValueError(f"judge: {str(judge)[:40]!r} is not one of {', '.join(labels)}")
    if "prompt_messages" in value:
        response = value.get("response")
        turns = messages_from(plain_turns(value["prompt_messages"]))
        if not isinstance(response, str):
            raise ValueError("expected text in response")
    else:
        row = {name: field for name, field in value.items() if name != "judge"}
        candidate = to_candidate(row, source="blind", file=path.name, line=line)
        turns = candidate.messages
        response = candidate.completion
    body = {
        "prompt": [turn.to_dict() for turn in turns],
        "response": plain(response),
    }
    return plain(item), body, judge


def next_item(desk: ReviewQueue, user: User, batch: str) -> Item | None:
    """The first item of the batch that this person has not labelled; None when they have labelled
    all.

    Raises:
        Unknown: there is no such batch.
    """
    with desk.db.reading() as connection:
        _batch(connection, batch)
        mine = select(blind_labels.c.item_seq).where(blind_labels.c.user_name == user.name)
        here = blind_items.c.batch == plain(batch)
        unlabelled = (here, blind_items.c.seq.not_in(mine))
        query = select(blind_items).where(*unlabelled).order_by(blind_items.c.seq).limit(1)
        row = connection.execute(query).first()
        count = select(func.count()).select_from(blind_items)
        total = connection.execute(count.where(here)).scalar_one()
        done = total - connection.execute(count.where(*unlabelled)).scalar_one()
    if row is None:
        return None
    body = json.loads(row.body)
    return Item(row.seq, row.batch, messages_from(body["prompt"]), body["response"], done, total)


def labels_of(desk: ReviewQueue, batch: str) -> tuple[str, ...]:
    with desk.db.reading() as connection:
        return tuple(json.loads(_batch(connection, batch).labels))


def _batch(connection: Connection, name: str) -> Any:
    row = connection.execute(select(batches).where(batches.c.name == plain(name))).first()
    if row is None:
        raise Unknown("there is no such batch.", field="batch")
    return row


def label_item(desk: ReviewQueue, user: User, seq: int, label: str) -> None:
    """Keep a person's label of an item; a later one replaces it.

    Raises:
        Unknown: there is no such item.
        Refused: the batch has no such label.
    """
    with desk.db.writing() as connection:
        row = connection.execute(
            select(blind_items.c.batch).where(blind_items.c.seq == seq)
        ).first()
        if row is None:
            raise Unknown("there is no such item.", field="item")
        labels = json.loads(_batch(connection, row.batch).labels)
        if label not in labels:
            problem = f"unknown label {label[:40]!r}."
            raise Refused(problem, field="label", fix=f"Known: {', '.join(labels)}.")
        opinion = {"item_seq": seq, "user_name": user.name, "label": label, "at": desk.clock()}
        upsert(connection, blind_labels, opinion)
        detail = {"batch": row.batch, "item": seq, "label": label}
        note(desk, connection, user.name, "label", None, detail)


def calibration(desk: ReviewQueue, batch: str) -> Calibration:
    """
    Raises:
        Unknown: there is no such batch.
    """
    with desk.db.reading() as connection:
        head = _batch(connection, batch)
        here = blind_items.c.batch == head.name
        rows = connection.execute(select(blind_items.c.seq, blind_items.c.judge).where(here)).all()
        query = (
            select(blind_labels)
            .join(blind_items, blind_items.c.seq == blind_labels.c.item_seq)
            .where(here)
        )
        labelled = connection.execute(
            query.order_by(blind_labels.c.item_seq, blind_labels.c.at)
        ).all()
    judge = {row.seq: row.judge for row in rows}
    by_person: dict[str, dict[int, str]] = {}
    for item in labelled:
        by_person.setdefault(item.user_name, {})[item.item_seq] = item.label
    people = sorted(by_person)
    against = {}
    for name in people:
        labels = by_person[name].items()
        against[name] = agreement(
            [(label, judge[seq]) for seq, label in labels if judge[seq] is not None]
        )
    pairs = [
        (by_person[a][seq], by_person[b][seq])
        for index, a in enumerate(people)
        for b in people[index + 1 :]
        for seq in by_person[a].keys() & by_person[b].keys()
    ]
    counts = {name: len(labels) for name, labels in by_person.items()}
    return Calibration(
        head.name, head.purpose, head.subject, len(rows), counts, against, agreement(pairs)
    )


class PeopleLabels(NamedTuple):
    """A batch as the exam of a judge."""

    rows: list[dict[str, Any]]
    """``id``, ``messages``, ``response``, ``label`` (``pass`` or ``fail``), in the order of ids."""
    people: dict[str, int]
    """Who labelled how many."""
    items: int
    unlabelled: int
    ties: int
    """Items on which as many people say good as bad: nobody's label stands for them."""


def people_labels(desk: ReviewQueue, batch: str) -> PeopleLabels:
    """What most people said of each item of a batch.

    Raises:
        Unknown: there is no such batch.
        BadInput: the batch has other labels than good and bad.
    """
    with desk.db.reading() as connection:
        head = _batch(connection, batch)
        if other := sorted(set(json.loads(head.labels)) - _EXAM.keys()):
            problem = f"the batch has the label {other[0]!r}, which no exam has."
            raise BadInput(problem, field="batch", fix="Use a batch of good and bad.")
        here = blind_items.c.batch == head.name
        items = connection.execute(select(blind_items).where(here)).all()
        query = select(blind_labels).join(blind_items, blind_items.c.seq == blind_labels.c.item_seq)
        labels = connection.execute(query.where(here)).all()
    by_item: dict[int, Counter[str]] = {}
    for label in labels:
        by_item.setdefault(label.item_seq, Counter())[label.label] += 1
    rows = []
    ties = 0
    for item in sorted(items, key=lambda item: item.item_id):
        counts = by_item.get(item.seq)
        if counts is None:
            continue
        if counts["good"] == counts["bad"]:
            ties += 1
            continue
        body = json.loads(item.body)
        majority = "good" if counts["good"] > counts["bad"] else "bad"
        rows.append(
            {
                "id": item.item_id,
                "messages": body["prompt"],
                "response": body["response"],
                "label": _EXAM[majority],
            }
        )
    people = Counter(label.user_name for label in labels)
    return PeopleLabels(
        rows, dict(sorted(people.items())), len(items), len(items) - len(by_item), ties
    )


def batch_names(desk: ReviewQueue) -> list[str]:
    """Batches, newest first."""
    query = select(batches.c.name).order_by(batches.c.created_at.desc())
    with desk.db.reading() as connection:
        return [str(row.name) for row in connection.execute(query)]
