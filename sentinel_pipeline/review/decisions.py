"""Decisions: approve with a correction, discard, flag the model; second opinions, changes of mind,
undo.

Every write names the version of the card that the person saw; a card that changed since, or is with
somebody else, is a ``Conflict`` and nothing is written. A decision, what it replaced and who made
it stand in the trail in the same transaction.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.engine import RowMapping

from .cards import Card, free_for, read_card
from .checking import require_pass
from .database import insert_missing, upsert
from .importing import plain
from .queue import drop_draft, give_draft, let_go, lost
from .review_queue import Conflict, Refused, ReviewQueue, User, note
from .schema import cards, corrections, history, opinions

Decision = Literal["approved", "discarded", "model_rejected"]
DECISIONS: tuple[Decision, ...] = ("approved", "discarded", "model_rejected")
EDITABLE = 10
"""A person may change this many of their last decisions; a lead any."""
UNDOABLE = ("decide", "revise", "second", "settle")


class Made(NamedTuple):
    """A decision that is durable."""

    card_id: str
    status: str
    version: int
    second: str | None


def decide(
    desk: ReviewQueue,
    user: User,
    card_id: str,
    version: int,
    decision: Decision,
    correction: str | None = None,
) -> Made:
    """Decide an open card, or give the second opinion that a decided one waits for.

    Args:
        version: of the card as the person saw it.
        correction: the text; with ``approved``, and only then. It must have passed its checks.

    Raises:
        Unknown: there is no such card.
        Conflict: somebody else decided or holds the card; nothing was written.
        Refused: the correction is missing, out of place, or did not pass its checks.
    """
    with desk.db.writing() as connection:
        card = read_card(connection, desk, card_id, user)
        checked = _checked(connection, card, decision, correction)
        if card.blind:
            return _second(connection, desk, user, card, version, decision, correction)
        second = "wanted" if second_wanted(desk, card.record.id) else None
        values = {"status": decision, "decided_by": user.name, "second": second}
        _write(connection, desk, user, card, version, values, was="needs_review")
        _put_correction(connection, card, correction, checked)
        opinion = {"user_name": user.name, "place": 1, "status": decision}
        upsert(connection, opinions, {"card_id": card.record.id, "at": desk.clock(), **opinion})
        _noted(connection, desk, user, "decide", card, values, correction)
    return Made(card.record.id, decision, version + 1, values["second"])


def revise(
    desk: ReviewQueue,
    user: User,
    card_id: str,
    version: int,
    decision: Decision,
    correction: str | None = None,
) -> Made:
    """Change a decision: one of the person's own last ten, or any for a lead, who also settles
    disputes so.

    Raises:
        As ``decide``; also Refused: the decision is not theirs to change.
    """
    with desk.db.writing() as connection:
        card = read_card(connection, desk, card_id, user)
        if card.blind or card.status == "needs_review":
            raise Conflict("the card is not decided yet.", fix="Decide it.")
        recently = {row["card_id"] for row in _recent(connection, user)}
        if user.role != "lead" and card.record.id not in recently:
            problem = f"only your own last {EDITABLE} decisions can be changed."
            raise Refused(problem, fix="Ask a lead.")
        checked = _checked(connection, card, decision, correction)
        settles = card.second == "disputed"
        second = "settled" if settles else card.second
        values = {"status": decision, "decided_by": user.name, "second": second}
        _write(connection, desk, user, card, version, values, was=card.status)
        _put_correction(connection, card, correction, checked)
        _noted(connection, desk, user, "settle" if settles else "revise", card, values, correction)
    return Made(card.record.id, decision, version + 1, values["second"])


def _checked(connection: Connection, card: Card, decision: Decision, correction: str | None) -> str:
    if decision != "approved":
        if correction is not None:
            problem = f"a card that is {decision} has no correction."
            raise Refused(problem, field="correction", fix="Approve it instead.")
        return ""
    if correction is None or not correction.strip():
        fix = "Write what the model should answer."
        raise Refused("an approval needs a correction.", field="correction", fix=fix)
    return require_pass(connection, card, correction)


def _second(
    connection: Connection,
    desk: ReviewQueue,
    user: User,
    card: Card,
    version: int,
    decision: Decision,
    correction: str | None,
) -> Made:
    """The second opinion stands beside the first: it never replaces the decision, only says whether
    two people agree."""
    first = connection.execute(
        select(cards.c.status).where(cards.c.id == card.record.id)
    ).scalar_one()
    outcome = "agreed" if first == decision else "disputed"
    _write(connection, desk, user, card, version, {"second": outcome}, was=first)
    opinion = {"user_name": user.name, "place": 2, "status": decision, "at": desk.clock()}
    upsert(connection, opinions, {"card_id": card.record.id, **opinion})
    drop_draft(connection, user, card.record.id)
    before = {"second": "wanted"}
    detail = {"said": decision, "second": outcome, "correction": correction, "before": before}
    note(desk, connection, user.name, "second", card.record.id, detail | {"version": version + 1})
    return Made(card.record.id, decision, version + 1, outcome)


def second_wanted(desk: ReviewQueue, card_id: str) -> bool:
    """Whether a card is of the share that is decided twice: by its id, so that nobody can
    choose."""
    place = int.from_bytes(hashlib.sha256(card_id.encode()).digest()[:8], "big") / 2**64
    return place < desk.second_share


def _write(
    connection: Connection,
    desk: ReviewQueue,
    user: User,
    card: Card,
    version: int,
    values: dict[str, Any],
    *,
    was: str,
) -> None:
    here = (cards.c.id == card.record.id, cards.c.version == version, cards.c.status == was)
    changed = {"version": version + 1, "lease_by": None, "lease_until": 0.0, **values}
    if "decided_by" in values:
        changed["decided_at"] = desk.clock() if values["decided_by"] is not None else None
    if not connection.execute(
        update(cards).where(*here, free_for(user, desk.clock())).values(changed)
    ).rowcount:
        raise lost(connection, desk, user, card.record.id)


def _put_correction(connection: Connection, card: Card, text: str | None, checked: str) -> None:
    if text is None:
        connection.execute(delete(corrections).where(corrections.c.card_id == card.record.id))
    else:
        correction = {"card_id": card.record.id, "text": json.dumps(text), "checked": checked}
        upsert(connection, corrections, correction)


def _noted(
    connection: Connection,
    desk: ReviewQueue,
    user: User,
    action: str,
    card: Card,
    values: dict[str, Any],
    text: str | None,
) -> None:
    """The trail's row: what is, what was, and enough of it to go back."""
    names = ("status", "correction", "checked", "decided_by", "decided_at", "second", "draft")
    before = {name: getattr(card, name) for name in names}
    detail = {"status": values["status"], "correction": text, "before": before}
    version = {"version": card.version + 1}
    note(desk, connection, user.name, action, card.record.id, detail | version)
    drop_draft(connection, user, card.record.id)


def _recent(connection: Connection, user: User, most: int = EDITABLE) -> list[RowMapping]:
    mine = (history.c.actor == user.name, history.c.action.in_(UNDOABLE), history.c.undone == 0)
    query = select(history).where(*mine).order_by(history.c.id.desc()).limit(most)
    return list(connection.execute(query).mappings())


class Recent(NamedTuple):
    """One of a person's last decisions."""

    card_id: str
    action: str
    status: str
    at: float
    task_id: str


def recent(desk: ReviewQueue, user: User) -> list[Recent]:
    """The person's last ten decisions, newest first."""
    with desk.db.reading() as connection:
        rows = _recent(connection, user)
        ids = [row["card_id"] for row in rows]
        query = select(cards.c.id, cards.c.task_id).where(cards.c.id.in_(ids))
        names = dict(connection.execute(query).tuples().all())
    decisions = []
    for row in rows:
        detail = json.loads(row["detail"])
        status = detail.get("status") or detail["said"]
        card_id = row["card_id"]
        decisions.append(Recent(card_id, row["action"], status, row["at"], names[card_id]))
    return decisions


def undo(desk: ReviewQueue, user: User) -> Card:
    """Take back the person's last decision; the card is theirs again as it was, with their text as
    its draft.

    Raises:
        Conflict: there is nothing to undo, or somebody changed the card since.
    """
    with desk.db.writing() as connection:
        rows = _recent(connection, user, 1)
        if not rows:
            raise Conflict("there is nothing to undo.", fix="Decide a card first.")
        detail = json.loads(rows[0]["detail"])
        card_id = rows[0]["card_id"]
        now = read_card(connection, desk, card_id, user)
        if _newest(connection, card_id) != rows[0]["id"]:
            raise lost(connection, desk, user, card_id)
        before = detail["before"]
        names = ("status", "decided_by", "decided_at", "second")
        columns = {name: before[name] for name in names if name in before}
        let_go(connection, user)
        here = (cards.c.id == card_id, cards.c.version == now.version, free_for(user, desk.clock()))
        lease = {"lease_by": user.name, "lease_until": desk.clock() + desk.lease_seconds}
        changed = {"version": now.version + 1, **columns, **lease}
        if not connection.execute(update(cards).where(*here).values(changed)).rowcount:
            raise lost(connection, desk, user, card_id)
        connection.execute(update(history).where(history.c.id == rows[0]["id"]).values(undone=1))
        _restore(connection, desk, user, card_id, detail, rows[0]["action"])
        detail = {"undid": rows[0]["id"], "version": now.version + 1}
        note(desk, connection, user.name, "undo", card_id, detail)
        return read_card(connection, desk, card_id, user)


def _newest(connection: Connection, card_id: str) -> int | None:
    """The newest decision on a card that stands."""
    standing = (history.c.card_id == card_id, history.c.action.in_(UNDOABLE), history.c.undone == 0)
    return connection.execute(select(func.max(history.c.id)).where(*standing)).scalar()


def _restore(
    connection: Connection,
    desk: ReviewQueue,
    user: User,
    card_id: str,
    detail: dict[str, Any],
    action: str,
) -> None:
    text = detail["correction"] or detail["before"].get("draft")
    if text is not None:
        give_draft(connection, user, card_id, text, desk.clock())
    if action in ("second", "decide"):
        mine = (opinions.c.card_id == card_id, opinions.c.user_name == user.name)
        connection.execute(delete(opinions).where(*mine))
    if action != "second":
        connection.execute(delete(corrections).where(corrections.c.card_id == card_id))
        if detail["before"]["correction"] is not None:
            before = detail["before"]
            text = json.dumps(before["correction"])
            old = {"card_id": card_id, "text": text, "checked": before["checked"]}
            insert_missing(connection, corrections, [old])


def opinions_of(desk: ReviewQueue, card_id: str) -> list[tuple[str, str]]:
    """Who said what of a card that two people decided."""
    with desk.db.reading() as connection:
        query = select(opinions.c.user_name, opinions.c.status).where(
            opinions.c.card_id == plain(card_id)
        )
        return [
            (str(name), str(status))
            for name, status in connection.execute(query.order_by(opinions.c.place))
        ]
