"""The page's requests: each is one operation of the queue, its fields read strictly, its errors as
JSON with their reason.

Handlers are plain functions on worker threads. What this module does not do: let anybody in
(``app`` does), or decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import BadInput
from ..review import blind
from ..review.cards import (
    BANDS,
    PLACES,
    Card,
    Filters,
    list_cards,
    progress,
    read_card,
    similar,
    trail,
)
from ..review.checking import Check, check, judge, require_pass
from ..review.decisions import DECISIONS, decide, opinions_of, recent, revise, undo
from ..review.queue import next_card, open_card, renew, save_draft, skip
from ..review.review_queue import Refused, ReviewQueue, User
from ..review.sign_off import sign
from ..review.summary import choices
from ..store import find_home
from .views import card_json, check_json, event_json


class Call(NamedTuple):
    """Who asks for what."""

    desk: ReviewQueue
    user: User
    fields: dict[str, Any]
    judge: Callable[[Card, str], Check] = judge
    """Where corrections are checked."""

    def text(self, name: str, *, most: int = 200, default: str | None = None) -> str:
        value = self.fields.get(name, default)
        if not isinstance(value, str) or len(value) > most:
            raise BadInput(f"expected text of at most {most} characters.", field=name)
        return value

    def number(self, name: str) -> int:
        value = self.fields.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            raise BadInput("expected a whole number.", field=name)
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> Any:
        value = self.fields.get(name, default)
        if value not in choices:
            raise BadInput(f"expected one of {', '.join(choices)}.", field=name)
        return value


Handler = Callable[[Call], dict[str, Any]]


def _filters(call: Call) -> Filters:
    return Filters(
        place=call.choice("place", PLACES, "pending"),
        score=call.choice("score", ("", *BANDS), ""),
        **{
            name: call.text(name, default="")
            for name in ("run", "model", "task_type", "status", "text", "recipe")
        },
    )


def next_(call: Call) -> dict[str, Any]:
    card = next_card(call.desk, call.user, _filters(call))
    return {"card": card_json(card, call.user) if card else None}


def open_(call: Call) -> dict[str, Any]:
    card = open_card(call.desk, call.user, call.text("id"))
    return {"card": card_json(card, call.user)}


def progress_(call: Call) -> dict[str, Any]:
    """Counts over the whole queue: asked now and then, not with every card."""
    return progress(call.desk, call.user)._asdict()


def renew_(call: Call) -> dict[str, Any]:
    return {"lease_until": renew(call.desk, call.user, call.text("id"))}


def skip_(call: Call) -> dict[str, Any]:
    skip(call.desk, call.user, call.text("id"))
    return {}


def draft(call: Call) -> dict[str, Any]:
    return {
        "saved_at": save_draft(call.desk, call.user, call.text("id"), call.text("text", most=2**21))
    }


def check_(call: Call) -> dict[str, Any]:
    text = call.text("text", most=2**21)
    return check_json(check(call.desk, call.user, call.text("id"), text, judge=call.judge))


def unchecked(call: Call) -> bool:
    """Whether a decision is an approval of a text whose checks have not run, or did not pass: then
    they run before it, in the same request."""
    text = call.fields.get("text")
    if call.fields.get("decision") != "approved" or not isinstance(text, str) or not text.strip():
        return False
    text = call.text("text", most=2**21)
    call.number("version")
    with call.desk.db.reading() as connection:
        card = read_card(connection, call.desk, call.text("id"), call.user)
        try:
            require_pass(connection, card, text)
        except Refused:
            return True
    return False


def decide_(call: Call) -> dict[str, Any]:
    """Decide or change a decision. An approval's text has been checked (``unchecked``)."""
    decision = call.choice("decision", DECISIONS)
    card_id = call.text("id")
    version = call.number("version")
    text = call.text("text", most=2**21) if decision == "approved" else None
    act = revise if call.fields.get("change") is True else decide
    card = act(call.desk, call.user, card_id, version, decision, text)
    return {"made": card._asdict()}


def undo_(call: Call) -> dict[str, Any]:
    return {"card": card_json(undo(call.desk, call.user), call.user)}


def recent_(call: Call) -> dict[str, Any]:
    return {"recent": [row._asdict() for row in recent(call.desk, call.user)]}


def list_(call: Call) -> dict[str, Any]:
    return {"cards": [line._asdict() for line in list_cards(call.desk, call.user, _filters(call))]}


def around(call: Call) -> dict[str, Any]:
    """What stands beside a card: similar ones, its history, who said what; nothing of that while an
    opinion is to be blind."""
    card_id = call.text("id")
    with call.desk.db.reading() as connection:
        card = read_card(connection, call.desk, card_id, call.user)
    likes = [line._asdict() for line in similar(call.desk, card_id)]
    if card.blind:
        return {"similar": likes, "history": [], "opinions": []}
    events = [event_json(event) for event in trail(call.desk, card_id=card_id, most=50)]
    opinions = [{"who": who, "status": status} for who, status in opinions_of(call.desk, card_id)]
    return {"similar": likes, "history": events, "opinions": opinions}


def choices_(call: Call) -> dict[str, Any]:
    return {"choices": choices(call.desk)}


def blind_next(call: Call) -> dict[str, Any]:
    name = call.text("batch")
    item = blind.next_item(call.desk, call.user, name)
    labels = list(blind.labels_of(call.desk, name))
    if item is None:
        return {"item": None, "labels": labels}
    turns = [turn.to_dict() for turn in item.messages]
    return {"item": {**item._asdict(), "messages": turns}, "labels": labels}


def blind_label(call: Call) -> dict[str, Any]:
    blind.label_item(call.desk, call.user, call.number("item"), call.text("label"))
    return {}


def sign_(call: Call) -> dict[str, Any]:
    verdict = call.choice("verdict", ("pass", "fail"))
    note = call.text("note", most=400, default="")
    signed = sign(
        find_home(), call.user, call.text("recipe"), call.text("subject_hash"), verdict, note
    )
    return {"verdict": signed.verdict, "reason": signed.reason}


READING: dict[str, Handler] = {
    "recent": recent_, "list": list_, "around": around, "choices": choices_, "progress": progress_, "blind": blind_next,
}  # fmt: skip
WRITING: dict[str, Handler] = {
    "next": next_, "open": open_, "renew": renew_, "skip": skip_, "draft": draft, "check": check_, "decide": decide_,
    "undo": undo_, "blind": blind_label, "sign": sign_,
}  # fmt: skip
